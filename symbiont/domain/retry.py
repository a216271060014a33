"""What the way a call ended leads to for its task: the table of outcomes.

Guarantees: pure and total; every `Outcome` has exactly one row in `decide`, and the type checker proves it.
Does not wait, draw the jitter or choose a worker: callers do, and `routing.choose` does. What an outcome means for the lane it came
from is in `closure.py`.
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
    NoCredit,
    NotStarted,
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


class RetryPolicy(msgspec.Struct, frozen=True):
    """`max_attempts` counts the first try too, and the tries one tier up; the pause doubles from `backoff_base_s` up to `backoff_max_s` (seconds).

    `jitter`: how much of it (0 … 1) a random time may add, after an outcome that meets many tasks at a time.
    """

    max_attempts: int
    backoff_base_s: float
    backoff_max_s: float
    jitter: float = 0.0

    @property
    def longest_pause_s(self) -> float:
        return self.backoff_max_s * (1.0 + self.jitter)


class Accept(msgspec.Struct, frozen=True):
    """The answer stands."""


class RetryHere(msgspec.Struct, frozen=True):
    """The same tier again, `after_s` seconds from now and a random time up to `jitter_s` more; a try is used up."""

    after_s: float
    jitter_s: float = 0.0


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


def decide(  # noqa: C901 -- the table of outcomes, one row a case
    outcome: Outcome, *, failures: int, can_escalate: bool, policy: RetryPolicy, is_out_of_order: bool = False
) -> Decision:
    """What to do next. `failures`: tries used up before this one; `can_escalate`: whether a dearer tier may be used.

    `is_out_of_order`: the worker has been closed for trouble like this, met several times in a row.
    """
    match outcome:
        case Done():
            return Accept()
        case UsageLimited() | RateLimited() | Unauthorised() | NoCredit() | CliMissing():
            return Reroute(_reason(outcome))
        case Overloaded() | Unreachable() | NotStarted() if is_out_of_order:
            return Reroute(_reason(outcome))
        case Overloaded() | Unreachable() | NotStarted():
            return _again(outcome, failures, policy, policy.jitter)
        case TimedOut() | Interrupted():
            return _again(outcome, failures, policy, policy.jitter / 2)
        case Empty() if not can_escalate:
            return _again(outcome, failures, policy)
        case Empty() | TooLong() | Truncated() | TurnsExceeded() | BadOutput():
            is_last = failures + 1 >= policy.max_attempts
            return _one_up(outcome, is_possible=can_escalate and not is_last)
        case Refused() | BudgetExceeded() | BadRequest():
            return GiveUp(code_of(outcome))
        case Cancelled():
            return Stop()
        case _:
            assert_never(outcome)


def backoff_s(count: int, *, base_s: float, max_s: float) -> float:
    """The pause after `count` earlier failures, in seconds: base, 2 x base, 4 x base … up to max."""
    return min(max_s, base_s * 2.0 ** min(count, 64))


def _one_up(outcome: Outcome, *, is_possible: bool) -> Decision:
    return Escalate(_reason(outcome)) if is_possible else GiveUp(code_of(outcome))


def _again(outcome: Outcome, failures: int, policy: RetryPolicy, jitter: float = 0.0) -> Decision:
    """`jitter`: an outage meets all tasks in one moment, and they must not all come back in one."""
    if failures + 1 >= policy.max_attempts:
        return GiveUp(code_of(outcome))
    pause_s = backoff_s(failures, base_s=policy.backoff_base_s, max_s=policy.backoff_max_s)
    return RetryHere(pause_s, pause_s * jitter)


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, UsageLimited):
        return f"usage limit {outcome.limit}"
    return code_of(outcome).lower().replace("_", " ")
