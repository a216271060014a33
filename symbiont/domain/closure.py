"""What the way a call ended means for its lane: which limits come into force, and whether one is over.

Guarantees: pure; a closure always ends, and within `LONGEST_CREDIBLE_WAIT_S`.
Does not add jitter nor keep what is in force: `lanes.LaneBook` does. What the outcome leads to for the task is in `retry.py`.
"""

import msgspec

from symbiont.domain.moment import rfc3339
from symbiont.domain.outcome import (
    BudgetExceeded,
    CliMissing,
    Done,
    LimitScope,
    NoCredit,
    NotStarted,
    Outcome,
    Overloaded,
    RateLimited,
    Refused,
    Truncated,
    TurnsExceeded,
    Unauthorised,
    Unreachable,
    UsageLimited,
    code_of,
    detail_of,
)
from symbiont.domain.retry import backoff_s
from symbiont.domain.routing import STOPPAGES, Hold
from symbiont.domain.task import Failure

LONGEST_CREDIBLE_WAIT_S = 35 * 86_400.0
"""A month's window and a little more; whatever claims to last longer is nonsense."""


BREAKER_AFTER = 3
"""How often in a row the provider must be out of reach, or a call not start, before its worker is out of order.

Fewer than the tries of a task, so that an outage does not use them up.
"""


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


def limit_of(outcome: Outcome) -> tuple[str, LimitScope] | None:
    """The limit that an outcome speaks of, and its scope; None if it speaks of none."""
    match outcome:
        case UsageLimited():
            return outcome.limit, outcome.scope
        case RateLimited():
            return "rate_limit", "model"
        case Unauthorised():
            return "unauthorised", "account"
        case NoCredit():
            return "no_credit", "account"
        case CliMissing():
            return "cli_missing", "account"
        case Unreachable() | Overloaded() | NotStarted():
            return "outage", "account"
        case _:
            return None


def closure_of(outcome: Outcome, *, now: float, strikes: int, policy: ClosurePolicy) -> Closure | None:
    """Which lanes an outcome closes, and until when; None if none.

    `now` is epoch seconds; `strikes` counts how often this limit was met since the lane last worked, before this time.
    """
    limit = limit_of(outcome)
    if limit is None or (limit[0] == "outage" and strikes + 1 < BREAKER_AFTER):
        return None
    told = _told_end(outcome, now)
    return Closure(*limit, told or now + _pause_s(outcome, strikes, policy), told is not None)


def _told_end(outcome: Outcome, now: float) -> float | None:
    match outcome:
        case UsageLimited(resets_at=moment):
            return _credible(moment, now)
        case RateLimited(retry_after_s=float(pause_s)):
            return _credible(now + pause_s, now)
        case _:
            return None


def _pause_s(outcome: Outcome, strikes: int, policy: ClosurePolicy) -> float:
    match outcome:
        case UsageLimited():
            return policy.unknown_reset_s
        case RateLimited():
            return backoff_s(strikes, base_s=policy.rate_backoff_base_s, max_s=policy.rate_backoff_max_s)
        case Unreachable() | Overloaded() | NotStarted():
            pauses = strikes + 1 - BREAKER_AFTER
            return backoff_s(pauses, base_s=policy.account_pause_s, max_s=policy.rate_backoff_max_s)
        case _:
            return backoff_s(strikes, base_s=policy.account_pause_s, max_s=policy.rate_backoff_max_s)


def _credible(moment: float | None, now: float) -> float | None:
    """A reset in the past would reopen the lane at once and burn the queue; one far ahead would close it for good."""
    if moment is not None and now < moment <= now + LONGEST_CREDIBLE_WAIT_S:
        return moment
    return None


def proves_service(outcome: Outcome) -> bool:
    """Whether the provider has really served this call, so that a limit it was the probe of is over.

    Only what a model alone can have brought about counts. A time-out proves nothing, nor does what may have been made up on
    the way (a bad request, a prompt too long, an unreadable or empty answer).
    """
    return isinstance(outcome, Done | Refused | Truncated | BudgetExceeded | TurnsExceeded)


def stoppage(hold: Hold, outcome: Outcome | None) -> Failure:
    """What a caller is told who would wait for a worker that is out of order: in the words of their own call, if there was one."""
    limit = None if outcome is None else limit_of(outcome)
    if outcome is not None and limit is not None and limit[0] == hold.limit:
        return Failure(code_of(outcome), detail_of(outcome))
    again = "" if hold.until is None else f" at {rfc3339(hold.until)}"
    detail = f"earlier calls found the worker out of order; it is tried again{again}, or at once after: symbiont wake"
    return Failure(STOPPAGES[hold.limit], detail)
