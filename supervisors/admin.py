"""What one may ask a static supervisor, and what it answers (OTP `supervisor`, the administrative functions).

All requests pass through the supervisor's mailbox; while it awaits the beginning or the end of a child, they wait.
"""

from dataclasses import dataclass
from typing import final

from supervisors.process import Process
from supervisors.ref import Request
from supervisors.spec import ChildSpec, ChildType, Restart

__all__ = [
    "ChildInfo",
    "CountChildren",
    "Counts",
    "DeleteChild",
    "FailedToStart",
    "RestartChild",
    "StartChild",
    "TerminateChild",
    "WhichChildren",
]


@final
@dataclass(frozen=True, slots=True)
class FailedToStart:
    """Term of the exit of a supervisor whose child did not come up: OTP's `{failed_to_start_child, Id, Reason}`."""

    child: str
    reason: object


@final
@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A row of `WhichChildren`. `process` is None while the child is not running; `restarting` tells whether it is tried."""

    id: str
    process: Process | None
    type: ChildType
    restart: Restart
    restarting: bool


@final
@dataclass(frozen=True, slots=True)
class Counts:
    specs: int
    active: int
    supervisors: int
    workers: int


@final
@dataclass(frozen=True, slots=True)
class WhichChildren(Request[tuple[ChildInfo, ...]]):
    """All children, latest started first, as OTP lists them."""


@final
@dataclass(frozen=True, slots=True)
class CountChildren(Request[Counts]):
    pass


@final
@dataclass(frozen=True, slots=True)
class StartChild(Request[Process | str | None]):
    """Add a child at the end and start it. Answers the process, None (`IGNORE`), or `already_started`, `already_present`, the start's reason."""

    spec: ChildSpec


@final
@dataclass(frozen=True, slots=True)
class TerminateChild(Request[str]):
    """Stop a child and keep its specification (unless temporary). Answers `ok` or `not_found`."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class RestartChild(Request[Process | str | None]):
    """Start a stopped child again. Answers the process, None, or `running`, `restarting`, `not_found`, the start's reason."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class DeleteChild(Request[str]):
    """Forget a stopped child. Answers `ok`, `running`, `restarting` or `not_found`."""

    id: str
