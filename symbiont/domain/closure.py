"""What the way a call ended means for its lane: which limits come into force, and whether one is over.

Guarantees: pure; a closure always ends, and within `LONGEST_CREDIBLE_WAIT_S`.
Does not add jitter nor keep what is in force: `lanes.LaneBook` does. What the outcome leads to for the task is in `retry.py`.
"""

import msgspec

from symbiont.domain.outcome import (
    BudgetExceeded,
    Done,
    LimitScope,
    NoCredit,
    Outcome,
    RateLimited,
    Refused,
    Truncated,
    TurnsExceeded,
    Unauthorised,
    UsageLimited,
)
from symbiont.domain.retry import backoff_s

LONGEST_CREDIBLE_WAIT_S = 35 * 86_400.0
"""A month's window and a little more; whatever claims to last longer is nonsense."""


class ClosurePolicy(msgspec.Struct, frozen=True):
    """How long lanes close when nobody says how long, all in seconds; the keys of the `limits` configuration."""

    unknown_reset_s: float
    rate_backoff_base_s: float
    rate_backoff_max_s: float
    account_pause_s: float


class Closure(msgspec.Struct, frozen=True):
    """A limit in force: its name, whether it closes the worker's whole account or one model, until when (epoch seconds).

    `is_stated` if the provider named the end, else it is our guess.
    """

    limit: str
    scope: LimitScope
    until: float
    is_stated: bool = False


def closure_of(outcome: Outcome, *, now: float, strikes: int, policy: ClosurePolicy) -> Closure | None:
    """Which lanes an outcome closes; None if none.

    `now` is epoch seconds; `strikes` counts the refusals for the rate on this lane since it last worked, before this one.
    """
    match outcome:
        case UsageLimited():
            told = _credible(outcome.resets_at, now)
            return Closure(outcome.limit, outcome.scope, told or now + policy.unknown_reset_s, told is not None)
        case RateLimited():
            told = _told_pause_s(outcome)
            pause_s = backoff_s(strikes, base_s=policy.rate_backoff_base_s, max_s=policy.rate_backoff_max_s)
            return Closure("rate_limit", "model", now + (told or pause_s), told is not None)
        case Unauthorised():
            return Closure("unauthorised", "account", now + policy.account_pause_s)
        case NoCredit():
            return Closure("no_credit", "account", now + policy.account_pause_s)
        case _:
            return None


def _credible(moment: float | None, now: float) -> float | None:
    """A reset in the past would reopen the lane at once and burn the queue; one far ahead would close it for good."""
    if moment is not None and now < moment <= now + LONGEST_CREDIBLE_WAIT_S:
        return moment
    return None


def _told_pause_s(outcome: RateLimited) -> float | None:
    told = outcome.retry_after_s
    return told if told is not None and 0 < told <= LONGEST_CREDIBLE_WAIT_S else None


def proves_service(outcome: Outcome) -> bool:
    """Whether the provider has really served this call, so that a limit it was the probe of is over.

    Only what a model alone can have brought about counts. A time-out proves nothing, nor does what may have been made up on
    the way (a bad request, a prompt too long, an unreadable or empty answer).
    """
    return isinstance(outcome, Done | Refused | Truncated | BudgetExceeded | TurnsExceeded)
