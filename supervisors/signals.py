"""The words processes speak to one another besides messages: states of a life, exits, monitors and their `Down`."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from supervisors.process import Process

__all__ = ["CURRENT", "DEAD", "RUNNING", "Deadlock", "Down", "Exit", "Monitor", "State", "current_process"]


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DEAD = "dead"


# For the paths every message takes: looking up a member of an enumeration costs more than calling a function.
RUNNING: Final = State.RUNNING
DEAD: Final = State.DEAD


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """A one-way watch; several on the same process are independent. `tag` comes back in its `Down`, for whoever watches many."""

    watched: "Process"
    watcher: "Process"
    tag: object = None


@dataclass(frozen=True, slots=True)
class Exit:
    """OTP's `{'EXIT', From, Reason}`: a linked process ended, or somebody asked the receiver, which traps exits, to end."""

    sender: "Process | None"
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Down:
    """OTP's `{'DOWN', Ref, process, Pid, Reason}`: exactly one for every monitor."""

    monitor: Monitor
    process: "Process"
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Term of the exit of a call that would have closed a ring of processes which all wait for the next one."""

    cycle: tuple[str, ...]


CURRENT: ContextVar["Process | None"] = ContextVar("supervisors_current_process", default=None)


def current_process() -> "Process | None":
    """The process whose code is running, None outside of any."""
    return CURRENT.get()
