"""How a model call ended: one frozen value per way, never an exception.

`Outcome` is the sum of them all; `code_of(outcome)` is the stable UPPER_SNAKE code that reaches the ledger,
HTTP and the CLI. What each one leads to (retry here, elsewhere, one tier up, wait, fail) is the table in `retry.py`.
"""

from typing import Any, Literal

import msgspec

LimitScope = Literal["account", "model"]


class _Outcome(msgspec.Struct, frozen=True, tag_field="kind", tag=str):
    """Base: serialises as `{"kind": class name, ...}`."""


class Done(_Outcome, frozen=True):
    """The model answered. `structured` holds the validated object when a JSON schema was asked for."""

    text: str
    structured: dict[str, Any] | None = None


class UsageLimited(_Outcome, frozen=True):
    """A subscription limit: `limit` as the provider names it (`five_hour`, `seven_day_sonnet`).

    `scope` tells whether the whole account waits or this model alone; `resets_at` is epoch seconds, None if unknown.
    """

    limit: str
    scope: LimitScope
    resets_at: float | None = None
    detail: str = ""


class RateLimited(_Outcome, frozen=True):
    """The API refused for its rate (429 with an API key); it seldom says when to come back."""

    retry_after_s: float | None = None
    detail: str = ""


class Overloaded(_Outcome, frozen=True):
    """The provider is overloaded or broken (500, 503, 529): nothing is wrong with the task."""

    status: int
    detail: str = ""


class Unauthorised(_Outcome, frozen=True):
    """The credential is missing, wrong or not allowed (401, 403): needs a human."""

    detail: str = ""


class NoCredit(_Outcome, frozen=True):
    """The account has no money left: needs a human."""

    detail: str = ""


class TooLong(_Outcome, frozen=True):
    """The prompt does not fit into the model's context."""

    detail: str = ""


class Refused(_Outcome, frozen=True):
    """The model declined for its usage policy; a dearer model would decline too."""

    detail: str = ""


class Truncated(_Outcome, frozen=True):
    """The answer hit the output limit and was cut."""

    detail: str = ""


class BudgetExceeded(_Outcome, frozen=True):
    """The call reached the money it was allowed."""

    detail: str = ""


class TurnsExceeded(_Outcome, frozen=True):
    """The call reached the number of turns it was allowed."""

    detail: str = ""


class BadOutput(_Outcome, frozen=True):
    """An answer came, but not in the form that was asked for (schema never satisfied, unreadable output)."""

    detail: str = ""


class Empty(_Outcome, frozen=True):
    """Reported as success, with nothing in it."""

    detail: str = ""


class Unreachable(_Outcome, frozen=True):
    """The provider could not be reached at all: connection refused, DNS, TLS."""

    detail: str = ""


class TimedOut(_Outcome, frozen=True):
    """Our own limit struck: `idle` (no output for so long) or `wall` (too long in all)."""

    limit: Literal["wall", "idle"]
    after_s: float
    detail: str = ""


class CliMissing(_Outcome, frozen=True):
    """The Claude Code executable is not there; `detail` says where it was looked for and how to install it."""

    detail: str = ""


class NotStarted(_Outcome, frozen=True):
    """This machine could not start the call (no descriptor, process or memory left): nothing was sent."""

    detail: str = ""


class BadRequest(_Outcome, frozen=True):
    """We asked in a wrong way (unknown model, unknown option, invalid request): retrying cannot help."""

    detail: str = ""


class Interrupted(_Outcome, frozen=True):
    """The process running the call died (kill -9, power cut): what it cost is unknown."""

    detail: str = ""


class Cancelled(_Outcome, frozen=True):
    """We stopped it ourselves."""

    detail: str = ""


Outcome = (
    Done
    | UsageLimited
    | RateLimited
    | Overloaded
    | Unauthorised
    | NoCredit
    | TooLong
    | Refused
    | Truncated
    | BudgetExceeded
    | TurnsExceeded
    | BadOutput
    | Empty
    | Unreachable
    | TimedOut
    | CliMissing
    | NotStarted
    | BadRequest
    | Interrupted
    | Cancelled
)

CODES: dict[type[Outcome], str] = {
    Done: "DONE",
    UsageLimited: "USAGE_LIMITED",
    RateLimited: "RATE_LIMITED",
    Overloaded: "OVERLOADED",
    Unauthorised: "UNAUTHORISED",
    NoCredit: "NO_CREDIT",
    TooLong: "TOO_LONG",
    Refused: "REFUSED",
    Truncated: "TRUNCATED",
    BudgetExceeded: "BUDGET_EXCEEDED",
    TurnsExceeded: "TURNS_EXCEEDED",
    BadOutput: "BAD_OUTPUT",
    Empty: "EMPTY",
    Unreachable: "UNREACHABLE",
    TimedOut: "TIMED_OUT",
    CliMissing: "CLI_MISSING",
    NotStarted: "NOT_STARTED",
    BadRequest: "BAD_REQUEST",
    Interrupted: "INTERRUPTED",
    Cancelled: "CANCELLED",
}


def code_of(outcome: Outcome) -> str:
    """The stable code of an outcome, e.g. `USAGE_LIMITED`."""
    return CODES[type(outcome)]


def detail_of(outcome: Outcome) -> str:
    """What the worker said about it, for people; empty for `Done`."""
    return "" if isinstance(outcome, Done) else outcome.detail
