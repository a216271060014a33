"""For tests of actors: everything in one place.

Virtual time and waiting are in `virtual_time`, an actor that looks on in `probe`, runs under many interleavings in `exploration`.
"""

from typing import Final

from supervisors.events import Event
from supervisors.exits import KILLED
from supervisors.exploration import ScheduleFailed, World, explore
from supervisors.probe import Probe, Received
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.signals import RUNNING
from supervisors.virtual_time import VirtualClock, eventually, settle

__all__ = [
    "Probe",
    "Received",
    "Recorder",
    "ScheduleFailed",
    "VirtualClock",
    "World",
    "eventually",
    "explore",
    "kill",
    "kill_and_await_restart",
    "restarted",
    "settle",
]

PATIENCE_S: Final = 5.0


def kill(runtime: Runtime, name: str) -> Process:
    """Send whoever holds `name` the signal that cannot be trapped; answers the process. Raises `LookupError` if nobody does."""
    process = runtime.whereis(name)
    if process is None:
        raise LookupError(f"expected a process named {name}, there is none")
    process.exit(KILLED)
    return process


async def kill_and_await_restart(runtime: Runtime, name: str, within_s: float = PATIENCE_S) -> Process:
    """Kill whoever holds `name` and wait until its successor is up. On virtual time, time passes as needed."""
    return await restarted(runtime, kill(runtime, name), within_s)


async def restarted(runtime: Runtime, old: Process, within_s: float = PATIENCE_S) -> Process:
    """The successor of `old` under its name, once it is up. Raises `TimeoutError`."""
    name = old.name or ""

    def successor() -> Process | None:
        holder = runtime.whereis(name)
        return holder if holder is not None and holder is not old and holder.state is RUNNING else None

    try:
        found = await eventually(successor, within_s, clock=runtime.clock)
    except AssertionError:
        raise TimeoutError(f"{name} was not restarted within {within_s} s") from None
    if found is None:
        raise TimeoutError(f"{name} came up and went down again")
    return found


class Recorder:
    """A reporter that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]
