"""What the runtime reports, as data; rendering is apart (OTP `logger` reports of gen_server, proc_lib and supervisor).

One crash gives, in this order: `Terminated` (the actor), `Crashed` (the process), `ChildTerminated` (its supervisor).
Reasons `Normal` and `Shutdown` give none. Guarantees: reporting is bounded and cannot raise into the runtime.
Deviation: OTP shows the state and the last message unless `format_status` hides them; here a report names their types only, unless
`format_status` of the actor shows more, so that no secret travels by default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import structlog

from supervisors.exits import LONGEST_TEXT, Error, ExitReason, bounded_text

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
    """A process ended abnormally (OTP: the report of `proc_lib`): who it was, who started it, what it left behind."""

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


@dataclass(frozen=True, slots=True)
class ChildTerminated:
    """A supervisor's view of a child that ended, failed to start, or had to be killed."""

    supervisor: str
    context: Context
    child: str
    reason: ExitReason | str
    restart: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A supervisor started a child: its `incarnation`th life under this name."""

    supervisor: str
    child: str
    incarnation: int


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
    match event:
        case Terminated():
            _log.error("actor_terminated", **_said(event), **_reason(event.reason))
        case Crashed():
            _log.error("process_crashed", **_said(event), **_reason(event.reason))
        case ChildTerminated(supervisor, context, child, reason, restart):
            text = bounded_text(reason.__str__)
            _log.error(
                "supervisor_report",
                supervisor=supervisor,
                context=context.value,
                child=child,
                reason=text,
                restart=restart,
            )
        case Progress(supervisor, child, incarnation):
            _log.info("child_started", supervisor=supervisor, child=child, incarnation=incarnation)
        case Unexpected(process, message):
            _log.warning("unexpected_message", process=process, message=message)
        case Traced(process, what, subject):
            _log.info("traced", process=process, what=what, subject=subject)
        case _:
            assert_never(event)


def _said(event: Terminated | Crashed) -> dict[str, object]:
    """What there is to say: empty fields are left out."""
    fields: dict[str, object] = {name: getattr(event, name) for name in event.__slots__ if name != "reason"}
    if isinstance(event, Crashed):
        fields["uptime_s"] = round(event.uptime_s, 3)
    return {name: value for name, value in fields.items() if value or value == 0}


def _reason(reason: ExitReason) -> dict[str, str]:
    fields = {"reason": str(reason)}
    if isinstance(reason, Error) and reason.where:
        fields["stack"] = reason.stack()[-LONGEST_TEXT:]
    return fields
