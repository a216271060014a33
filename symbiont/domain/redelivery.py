"""What the way a delivery ended leads to: delivered, another try at a moment, given up, or the endpoint disabled. Pure.

The pause between tries triples from `FIRST_PAUSE_S` up to `LONGEST_PAUSE_S`, give or take a fifth: eleven tries take about a day.
`Retry-After` can make it longer, never shorter. After a failure the whole endpoint rests for a while, so that one which is down is not
asked once for every message that waits. 410 Gone disables an endpoint at once; otherwise only nothing but failures for the
configured time does, and never fewer than `FEWEST_FAILURES` of them: a clock that jumps is no outage.
"""

from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from symbiont.domain.moment import rfc3339
from symbiont.domain.outbox import Delivery, Endpoint
from symbiont.domain.webhook import TASK_HOOK, Hook

FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 28_800.0
LONGEST_RETRY_AFTER_S: Final = 86_400.0
LONGEST_REST_S: Final = 300.0
"""How long at most an endpoint is left alone after a failure, unless it asked for more."""

FEWEST_FAILURES: Final = 10
GONE: Final = 410
JITTER: Final = 0.2


class Told(msgspec.Struct, frozen=True):
    """How a try ended: the HTTP status, 0 if there was none, and then why. `retry_after` as the endpoint sent it."""

    status: int
    error: str = ""
    elapsed_s: float = 0.0
    retry_after: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Verdict(msgspec.Struct, frozen=True):
    """Both as they are after the try, and for how long the lane of the delivery is left alone."""

    delivery: Delivery
    endpoint: Endpoint
    rest_s: float = 0.0


def pause_s(tries: int, jitter: float) -> float:
    """The pause after so many tries; `jitter` is -1..1."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 3.0 ** min(tries - 1, 32))
    return longest * (1.0 + JITTER * jitter)


def retry_after_s(header: str, now: float) -> float:
    """What an endpoint asked for, in seconds from now, at most a day; 0 if it said nothing that can be understood."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text) if len(text) < 16 else LONGEST_RETRY_AFTER_S
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def judged(delivery: Delivery, endpoint: Endpoint, hook: Hook, told: Told, *, now: float, jitter: float) -> Verdict:
    """The delivery and its endpoint after this try."""
    replace = msgspec.structs.replace
    at = rfc3339(now)
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        last_at=at,
        last_status=told.status,
        last_error=told.error,
        next_at=0.0,
    )
    met = replace(endpoint, last_at=at, last_status=told.status, last_error=told.error)
    if told.is_success:
        well = replace(met, delivered=met.delivered + 1, failing_since=None, failures=0)
        return Verdict(replace(tried, state="delivered", body=""), well)
    met = replace(met, failures=met.failures + 1, failing_since=now if met.failing_since is None else met.failing_since)
    is_gone = told.status == GONE and hook.name == TASK_HOOK  # a gone endpoint is disabled, and keeps what is for it
    asked_s = retry_after_s(told.retry_after, now)
    if is_gone or tried.attempts >= hook.max_attempts:
        tried, met = replace(tried, state="failed"), replace(met, failed=met.failed + 1)
    else:
        tried = replace(tried, next_at=now + max(pause_s(tried.attempts, jitter), asked_s))
    failures = tried.attempts if hook.name == TASK_HOOK else met.failures
    rest_s = max(min(pause_s(failures, jitter), LONGEST_REST_S), asked_s)
    return Verdict(tried, _disabled(met, hook, told, now), rest_s)


def _disabled(endpoint: Endpoint, hook: Hook, told: Told, now: float) -> Endpoint:
    """Addresses that tasks bring fail each for itself."""
    if hook.name == TASK_HOOK or endpoint.disabled_at is not None:
        return endpoint
    failing_s = 0.0 if endpoint.failing_since is None else now - endpoint.failing_since
    if told.status == GONE:
        why = "it answered 410 Gone"
    elif failing_s >= hook.disable_after_s and endpoint.failures >= FEWEST_FAILURES:
        why = f"nothing but failures for {failing_s:.0f} s, the last: {told.error or told.status}"
    else:
        return endpoint
    return msgspec.structs.replace(endpoint, disabled_at=rfc3339(now), disabled_why=why)


def enabled(endpoint: Endpoint) -> Endpoint:
    """By hand: with a clean slate."""
    return msgspec.structs.replace(endpoint, disabled_at=None, disabled_why="", failing_since=None, failures=0)


def sent_again(delivery: Delivery) -> Delivery:
    """By hand: at once, and with as many tries as a new one."""
    return msgspec.structs.replace(delivery, state="pending", attempts=0, next_at=0.0)
