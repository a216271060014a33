"""What the runtime reports, as data; rendering is apart (OTP `logger` reports of gen_server, proc_lib and supervisor).

One crash gives, in this order: `Terminated` (the actor), `Crashed` (the process), `ChildTerminated` (its supervisor).
Reasons `Normal` and `Shutdown` give none. Guarantees: a report never holds a message or a state, only their types, so no
secret can travel in it; reporting is bounded and cannot raise into the runtime.
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
    """An actor ends abnormally. `last_message` is the type of the message it was working on."""

    process: str
    reason: ExitReason
    last_message: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """A process ended abnormally: who it was, who started it, what it left unread."""

    process: str
    reason: ExitReason
    parent: str
    queued: int
    uptime_s: float


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


Event = Terminated | Crashed | ChildTerminated | Progress | Unexpected
Reporter = Callable[[Event], None]

_log = structlog.get_logger("supervisors")


def log_event(event: Event) -> None:
    """The default reporter: one structlog event each."""
    match event:
        case Terminated(process, reason, last_message):
            _log.error("actor_terminated", process=process, last_message=last_message, **_reason(reason))
        case Crashed(process, reason, parent, queued, uptime_s):
            fields = {"parent": parent, "queued": queued, "uptime_s": round(uptime_s, 3)}
            _log.error("process_crashed", process=process, **fields, **_reason(reason))
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
        case _:
            assert_never(event)


def _reason(reason: ExitReason) -> dict[str, str]:
    fields = {"reason": str(reason)}
    if isinstance(reason, Error) and reason.where:
        fields["stack"] = reason.stack()[-LONGEST_TEXT:]
    return fields
