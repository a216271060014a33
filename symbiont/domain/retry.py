"""What the way a call ended leads to: the table of outcomes, and which lanes an outcome closes.

Guarantees: pure and total; every `Outcome` has exactly one row in `decide`, and the type checker proves it.
Does not wait, add jitter or choose a worker: callers do, and `routing.choose` does.
"""

from typing import assert_never

import msgspec

from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    BudgetExceeded,
    Cancelled,
    CliMissing,
    Done,
    Empty,
    Interrupted,
    LimitScope,
    NoCredit,
    Outcome,
    Overloaded,
    RateLimited,
    Refused,
    TimedOut,
    TooLong,
    Truncated,
    TurnsExceeded,
    Unauthorised,
    Unreachable,
    UsageLimited,
    code_of,
)

LONGEST_CREDIBLE_WAIT_S = 35 * 86_400.0
"""A month's window and a little more; whatever claims to last longer is nonsense."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """`max_attempts` counts the first try too, and the tries one tier up; the pause doubles from `backoff_base_s` up to `backoff_max_s` (seconds)."""

    max_attempts: int
    backoff_base_s: float
    backoff_max_s: float


class Accept(msgspec.Struct, frozen=True):
    """The answer stands."""


class RetryHere(msgspec.Struct, frozen=True):
    """The same tier again, `after_s` seconds from now; a try is used up."""

    after_s: float


class Reroute(msgspec.Struct, frozen=True):
    """A lane has closed: choose again. No try is used up, for nothing was wrong with the task."""

    reason: str


class Escalate(msgspec.Struct, frozen=True):
    """One tier up: this one is not able enough."""

    reason: str


class GiveUp(msgspec.Struct, frozen=True):
    """The task fails with this outcome code."""

    code: str


class Stop(msgspec.Struct, frozen=True):
    """We cancelled it ourselves."""


Decision = Accept | RetryHere | Reroute | Escalate | GiveUp | Stop


def decide(outcome: Outcome, *, failures: int, can_escalate: bool, policy: RetryPolicy) -> Decision:
    """What to do next. `failures`: tries used up before this one; `can_escalate`: whether a dearer tier may be used."""
    match outcome:
        case Done():
            return Accept()
        case UsageLimited() | RateLimited():
            return Reroute(_reason(outcome))
        case Overloaded() | Unreachable() | TimedOut() | Interrupted():
            return _again(outcome, failures, policy)
        case Empty() if not can_escalate:
            return _again(outcome, failures, policy)
        case Empty() | TooLong() | Truncated() | TurnsExceeded() | BadOutput():
            has_tries = failures + 1 < policy.max_attempts
            return Escalate(_reason(outcome)) if can_escalate and has_tries else GiveUp(code_of(outcome))
        case Unauthorised() | NoCredit() | CliMissing() | Refused() | BudgetExceeded() | BadRequest():
            return GiveUp(code_of(outcome))
        case Cancelled():
            return Stop()
        case _:
            assert_never(outcome)


def backoff_s(count: int, *, base_s: float, max_s: float) -> float:
    """The pause after `count` earlier failures, in seconds: base, 2 x base, 4 x base … up to max."""
    return min(max_s, base_s * 2.0 ** min(count, 64))


def _again(outcome: Outcome, failures: int, policy: RetryPolicy) -> Decision:
    if failures + 1 >= policy.max_attempts:
        return GiveUp(code_of(outcome))
    return RetryHere(backoff_s(failures, base_s=policy.backoff_base_s, max_s=policy.backoff_max_s))


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, UsageLimited):
        return f"usage limit {outcome.limit}"
    return code_of(outcome).lower().replace("_", " ")


class ClosurePolicy(msgspec.Struct, frozen=True):
    """How long lanes close when nobody says how long, all in seconds; the keys of the `limits` configuration."""

    unknown_reset_s: float
    rate_backoff_base_s: float
    rate_backoff_max_s: float
    account_pause_s: float


class Closure(msgspec.Struct, frozen=True):
    """A limit in force: its name, whether it closes the worker's whole account or one model, until when (epoch seconds)."""

    limit: str
    scope: LimitScope
    until: float


def closure_of(outcome: Outcome, *, now: float, strikes: int, policy: ClosurePolicy) -> Closure | None:
    """Which lanes an outcome closes; None if none.

    `now` is epoch seconds; `strikes` counts the refusals for the rate on this lane since it last worked, before this one.
    """
    match outcome:
        case UsageLimited():
            until = _credible(outcome.resets_at, now) or now + policy.unknown_reset_s
            return Closure(outcome.limit, outcome.scope, until)
        case RateLimited():
            return Closure("rate_limit", "model", now + _rate_pause_s(outcome, strikes, policy))
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


def _rate_pause_s(outcome: RateLimited, strikes: int, policy: ClosurePolicy) -> float:
    told = outcome.retry_after_s
    if told is not None and 0 < told <= LONGEST_CREDIBLE_WAIT_S:
        return told
    return backoff_s(strikes, base_s=policy.rate_backoff_base_s, max_s=policy.rate_backoff_max_s)
