"""The errors a caller can meet, each with a stable code, and the one table from code to HTTP status and CLI exit code.

Grammar of a message: `expected KEY to be WHAT, got: VALUE`; the hint is something one can paste.
Codes of a *failed task* are outcome codes (`outcome.py`); they stand in the same table.
"""

from typing import Any, NamedTuple, cast

from symbiont.domain.wording import encodable


class Meaning(NamedTuple):
    """What a code means to HTTP and to a shell."""

    http_status: int
    exit_code: int


OK, FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, UNREACHABLE, CONFLICT, TIMEOUT, PENDING, INTERRUPTED = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 130,
)  # fmt: skip

MEANINGS: dict[str, Meaning] = {
    # the caller's mistakes
    "BAD_HTTP": Meaning(400, USAGE),
    "BAD_JSON": Meaning(400, USAGE),
    "WRONG_TYPE": Meaning(400, USAGE),
    "UNKNOWN_FIELD": Meaning(400, USAGE),
    "MISSING_FIELD": Meaning(400, USAGE),
    "BAD_VALUE": Meaning(400, USAGE),
    "EMPTY_TASK": Meaning(400, USAGE),
    "UNKNOWN_TIER": Meaning(400, USAGE),
    "REQUEST_TIMEOUT": Meaning(408, TIMEOUT),
    "TASK_TOO_LONG": Meaning(413, USAGE),
    "BODY_TOO_LARGE": Meaning(413, USAGE),
    "UNSUPPORTED_MEDIA_TYPE": Meaning(415, USAGE),
    "FORBIDDEN_HOST": Meaning(403, NOT_ALLOWED),
    "FORBIDDEN_ORIGIN": Meaning(403, NOT_ALLOWED),
    "NOT_FOUND": Meaning(404, NOT_FOUND),
    "WEBHOOK_NOT_ALLOWED": Meaning(403, NOT_ALLOWED),
    "METHOD_NOT_ALLOWED": Meaning(405, USAGE),
    "CONFLICT": Meaning(409, CONFLICT),
    # our own state
    "STILL_PENDING": Meaning(504, PENDING),
    "TIMEOUT": Meaning(504, TIMEOUT),
    "RESTARTING": Meaning(503, UNREACHABLE),
    "OUTCOME_UNKNOWN": Meaning(504, FAILED),
    "OVER_CAPACITY": Meaning(503, UNREACHABLE),
    "STORAGE_REFUSED": Meaning(503, FAILED),
    "DATA_CORRUPT": Meaning(503, FAILED),
    "INTERNAL": Meaning(500, FAILED),
    "SERVER_UNREACHABLE": Meaning(503, UNREACHABLE),
    # start-up
    "CONFIG_INVALID": Meaning(500, USAGE),
    "DATA_DIR_LOCKED": Meaning(409, CONFLICT),
    "ADDRESS_IN_USE": Meaning(409, CONFLICT),
    # how a task can end badly
    "USAGE_LIMITED": Meaning(429, FAILED),
    "RATE_LIMITED": Meaning(429, FAILED),
    "OVERLOADED": Meaning(502, FAILED),
    "UNAUTHORISED": Meaning(502, NOT_ALLOWED),
    "NO_CREDIT": Meaning(502, NOT_ALLOWED),
    "TOO_LONG": Meaning(422, FAILED),
    "REFUSED": Meaning(422, FAILED),
    "TRUNCATED": Meaning(502, FAILED),
    "BUDGET_EXCEEDED": Meaning(402, CONFLICT),
    "TURNS_EXCEEDED": Meaning(502, FAILED),
    "BAD_OUTPUT": Meaning(502, FAILED),
    "EMPTY": Meaning(502, FAILED),
    "UNREACHABLE": Meaning(502, FAILED),
    "TIMED_OUT": Meaning(504, FAILED),
    "CLI_MISSING": Meaning(503, FAILED),
    "NOT_STARTED": Meaning(503, FAILED),
    "BAD_REQUEST": Meaning(502, FAILED),
    "INTERRUPTED": Meaning(503, FAILED),
    "POISON": Meaning(500, FAILED),
    "CANCELLED": Meaning(409, CONFLICT),
}


class SymbiontError(Exception):
    """An error that teaches: `code` (a key of MEANINGS), `message`, `hint` (may be empty), `details` (plain JSON data)."""

    def __init__(self, code: str, message: str, *, hint: str = "", details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details: Any = details

    @property
    def told_details(self) -> dict[str, object]:
        """The details as whoever asked is told them: always an object, with the hint in it if there is one."""
        given: object = self.details
        told = (
            cast("dict[str, object]", given) if isinstance(given, dict) else {} if given is None else {"value": given}
        )
        return told | ({"hint": encodable(self.hint)} if self.hint else {})

    @property
    def http_status(self) -> int:
        return MEANINGS[self.code].http_status

    @property
    def exit_code(self) -> int:
        return MEANINGS[self.code].exit_code


def no_such_task(task_id: str) -> SymbiontError:
    """`task_id` as it is to be shown: quoted, if it came from outside."""
    message = f"expected id to be that of a known task, got: {task_id}"
    return SymbiontError("NOT_FOUND", message, hint="symbiont task list")
