"""What the runtime reports, as data; rendering is apart (OTP `logger` reports of gen_server, proc_lib and supervisor).

One crash gives, in this order: `Terminated` (the actor), `Crashed` (the process), `ChildTerminated` (its supervisor).
Reasons `Normal` and `Shutdown` give none. Guarantees: reporting is bounded and cannot raise into the runtime.
Deviation: OTP shows the state and the last message unless `format_status` hides them; here a report names their types only, unless
`format_status` of the actor shows more, so that no secret travels by default.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import structlog

from supervisors.exits import Error, ExitReason
from supervisors.texts import LONGEST_TEXT, bounded_text, one_line

__all__ = [
    "ChildTerminated",
    "Context",
    "Crashed",
    "Event",
    "Progress",
    "Reporter",
    "Terminated",
    "Traced",
    "Unexpected",
    "log_event",
    "text_of",
]


class Context(StrEnum):
    """Where a supervisor stood when it reported (OTP's `errorContext`)."""

    CHILD_TERMINATED = "child_terminated"
    START_ERROR = "start_error"
    SHUTDOWN = "shutdown"  # gave up: the restart budget is spent
    SHUTDOWN_ERROR = "shutdown_error"  # a child did not end the way it was asked to


@dataclass(frozen=True, slots=True)
class Terminated:
    """An actor ends abnormally (OTP: the report of `gen_server` itself). What it was working on, and for whom.

    `state`, `last_message` and `log` are texts, by default no more than names of types; `log` holds the last debug events if
    `sys.log` was on; `caller` is who was being served.
    """

    process: str
    reason: ExitReason
    last_message: str
    state: str = ""
    caller: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Crashed:
    """A process ended abnormally (OTP: the report of `proc_lib`): who it was, who started it, what it left behind.

    `ancestors` are its parent, the parent of that, and so on; `neighbours` those of its links that do not trap exits, which it is
    about to take along. `reductions` are those before its last turn.
    """

    process: str
    reason: ExitReason
    parent: str
    queued: int
    uptime_s: float
    pid: int = 0
    runs: str = ""
    state: str = ""
    trap_exit: bool = False
    reductions: int = 0
    ancestors: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildTerminated:
    """A supervisor's view of a child that ended, failed to start, or had to be killed."""

    supervisor: str
    context: Context
    child: str
    reason: ExitReason | str
    restart: str
    nb_children: int | None = None
    """Of a dynamic supervisor that stopped: so many ended alike, and this is the report of all."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A supervisor started a child: its `incarnation`th life under this name.

    A start that somebody asked for is written at level debug, that of a tree and of a restart at info, as in OTP.
    """

    supervisor: str
    child: str
    incarnation: int
    on_request: bool = False


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A message nobody handles was dropped."""

    process: str
    message: str


@dataclass(frozen=True, slots=True)
class Traced:
    """An event of an actor whose trace is on (OTP `sys:trace/2`). `what` is `in`, `out` or `noreply`; `subject` names types only."""

    process: str
    what: str
    subject: str


Event = Terminated | Crashed | ChildTerminated | Progress | Unexpected | Traced
Reporter = Callable[[Event], None]

_log = structlog.get_logger("supervisors")


def log_event(event: Event) -> None:
    """The default reporter: one structlog event each."""
    fields = _fields(event)
    match event:
        case Terminated():
            _log.error("actor_terminated", **fields)
        case Crashed():
            _log.error("process_crashed", **fields)
        case ChildTerminated():
            _log.error("supervisor_report", **fields)
        case Progress() if event.on_request:
            _log.debug("child_started", **fields)
        case Progress():
            _log.info("child_started", **fields)
        case Unexpected():
            _log.warning("unexpected_message", **fields)
        case Traced():
            _log.info("traced", **fields)
        case _:
            assert_never(event)


def text_of(event: Event, *, longest: int = LONGEST_TEXT) -> str:
    """An event as one line, of no more than `longest` characters (OTP `format_log/2`, `single_line`, `chars_limit`)."""
    fields = " ".join(f"{name}={one_line(str(value))}" for name, value in _fields(event).items())
    return bounded_text(f"{type(event).__name__} {fields}".__str__, longest)


def _fields(event: Event) -> dict[str, object]:
    """What there is to say: empty fields are left out, reasons are texts, and a stack is added to those that have one."""
    said: dict[str, object] = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    reason = said.pop("reason", None)
    said = {name: _plain(value) for name, value in said.items() if value or (value == 0 and value is not False)}
    if reason is not None:
        said["reason"] = bounded_text(reason.__str__)
    if isinstance(reason, Error) and reason.where:
        said["stack"] = reason.stack()[-LONGEST_TEXT:]
    return said


def _plain(value: object) -> object:
    if isinstance(value, Context):
        return value.value
    return round(value, 3) if isinstance(value, float) else value
