"""What one may ask a supervisor, and what it answers (OTP `supervisor`, the administrative functions). Values only.

All requests pass through the supervisor's mailbox; while it awaits the beginning or the end of a child, they wait. A request names
a child of a static supervisor by its id, one of a dynamic supervisor by its process. Functions that ask: `administration`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, final

from supervisors.exits import ExitReason
from supervisors.process import Process
from supervisors.ref import Request
from supervisors.spec import ChildSpec, ChildType, Modules, Restart, Started

__all__ = [
    "AlreadyStarted",
    "Answer",
    "ChildInfo",
    "CountChildren",
    "Counts",
    "DeleteChild",
    "Deleted",
    "DynamicResult",
    "FailedToStart",
    "GetChildspec",
    "RestartChild",
    "Restarted",
    "SpecRefused",
    "StartChild",
    "StartDynamic",
    "StartFailed",
    "StartResult",
    "Started",
    "TerminateChild",
    "Terminated",
    "TooManyChildren",
    "WhichChild",
    "WhichChildren",
]


class Answer(StrEnum):
    """Answers that say all in one word; OTP's words."""

    OK = "ok"
    IGNORED = "ignored"  # {ok, undefined}: the child finds it is not needed
    ALREADY_PRESENT = "already_present"  # the id is known, and not running
    NOT_FOUND = "not_found"
    RUNNING = "running"
    RESTARTING = "restarting"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"  # makes no sense where all children are alike
    UNKNOWN_CALL = "unknown_call"  # to what is no request at all


@final
@dataclass(frozen=True, slots=True)
class AlreadyStarted:
    """A living process has the id, or the name, already."""

    process: Process


@final
@dataclass(frozen=True, slots=True)
class StartFailed:
    """The child did not come up, and nothing is left of it. Why."""

    reason: ExitReason


@final
@dataclass(frozen=True, slots=True)
class SpecRefused:
    """The specification is wrong, or wrong under this supervisor: `code` is that of `BadSpec`."""

    code: str
    message: str


@final
@dataclass(frozen=True, slots=True)
class FailedToStart:
    """Term of the exit of a supervisor whose child did not come up: OTP's `{failed_to_start_child, Id, Reason}`."""

    child: str
    reason: ExitReason


@final
@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A row of `WhichChildren`. `process` is None while the child is not running; `restarting` tells whether it is tried."""

    id: str
    process: Process | None
    type: ChildType
    restart: Restart
    restarting: bool
    modules: Modules = ()


@final
@dataclass(frozen=True, slots=True)
class Counts:
    """`specs`: all children, dead or alive; `active`: those that live; by type, dead or alive."""

    specs: int
    active: int
    supervisors: int
    workers: int


StartResult = Started | AlreadyStarted | StartFailed | SpecRefused | Literal[Answer.IGNORED, Answer.ALREADY_PRESENT]
Restarted = (
    Started
    | AlreadyStarted
    | StartFailed
    | Literal[Answer.IGNORED, Answer.RUNNING, Answer.RESTARTING, Answer.NOT_FOUND, Answer.SIMPLE_ONE_FOR_ONE]
)
Terminated = Literal[Answer.OK, Answer.NOT_FOUND, Answer.SIMPLE_ONE_FOR_ONE]
Deleted = Literal[Answer.OK, Answer.RUNNING, Answer.RESTARTING, Answer.NOT_FOUND, Answer.SIMPLE_ONE_FOR_ONE]


@final
@dataclass(frozen=True, slots=True)
class WhichChildren(Request[tuple[ChildInfo, ...]]):
    """All children, latest started first, as OTP lists them; those of a dynamic supervisor in no order."""


@final
@dataclass(frozen=True, slots=True)
class WhichChild(Request[ChildInfo | Literal[Answer.NOT_FOUND]]):
    """One of them (OTP 28 `which_child/2`)."""

    child: str | Process


@final
@dataclass(frozen=True, slots=True)
class CountChildren(Request[Counts]):
    pass


@final
@dataclass(frozen=True, slots=True)
class GetChildspec(Request[ChildSpec | Literal[Answer.NOT_FOUND]]):
    """The specification with its defaults filled in."""

    child: str | Process


@final
@dataclass(frozen=True, slots=True)
class StartChild(Request[StartResult]):
    """Add a child at the end and start it. If it does not start, the specification is dropped."""

    spec: ChildSpec


@final
@dataclass(frozen=True, slots=True)
class TooManyChildren:
    """The answer when `max_children` are there already."""

    max_children: int


DynamicResult = Started | AlreadyStarted | StartFailed | SpecRefused | TooManyChildren | Answer


@final
@dataclass(frozen=True, slots=True)
class StartDynamic(Request[DynamicResult]):
    """Start a child. Answers what is up, `Answer.IGNORED`, or why not."""

    spec: ChildSpec


@final
@dataclass(frozen=True, slots=True)
class TerminateChild(Request[Terminated]):
    """Stop a child, or give up restarting it. Its specification stays, unless it is temporary or the supervisor dynamic."""

    child: str | Process


@final
@dataclass(frozen=True, slots=True)
class RestartChild(Request[Restarted]):
    """Start a stopped child again; costs nothing of the restart budget."""

    child: str | Process


@final
@dataclass(frozen=True, slots=True)
class DeleteChild(Request[Deleted]):
    """Forget a stopped child."""

    child: str | Process
