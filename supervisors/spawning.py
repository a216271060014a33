"""Bringing an actor up: alone (`spawn`), watched (`spawn_monitor`), or as the child of a supervisor (`actor`)."""

from collections.abc import Callable
from dataclasses import dataclass

from supervisors.actor import Actor
from supervisors.actor_process import ActorProcess
from supervisors.errors import NotStarted
from supervisors.exits import NOPROC, error_of
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.signals import DEAD, Monitor

__all__ = ["ActorStart", "actor", "spawn", "spawn_monitor"]


async def spawn(
    runtime: Runtime,
    instance: Actor,
    *,
    name: str | None = None,
    parent: Process | None = None,
    within_s: float | None = None,
) -> ActorProcess | None:
    """Start an actor and wait until its `init` is through (OTP `gen_server:start_link` with `parent`, else `start`).

    None means `IGNORE`. Raises `NameTaken`, or `NotStarted` with the reason (`Timeout` after `within_s`).
    """
    process = ActorProcess(runtime, instance, name, parent)
    return process if process.begin() or await process.came_up(within_s) else None


async def spawn_monitor(
    runtime: Runtime,
    instance: Actor,
    *,
    watcher: Process,
    name: str | None = None,
    parent: Process | None = None,
    within_s: float | None = None,
) -> tuple[ActorProcess, Monitor] | None:
    """The same, watched by `watcher` from before its first step (OTP `gen_server:start_monitor`).

    Whoever came up brings a `Down`, however soon it ends; a start that failed brings none.
    """
    if watcher.state is DEAD:
        raise NotStarted(name or type(instance).__name__, NOPROC)
    process = ActorProcess(runtime, instance, name, parent)
    monitor = watcher.monitor(process)
    is_up = False
    try:
        is_up = process.begin() or await process.came_up(within_s)
    finally:
        if not is_up:
            watcher.demonitor(monitor)
    return (process, monitor) if is_up else None


@dataclass(frozen=True, slots=True)
class ActorStart:
    """A `Start`: makes a fresh instance for every life, so that a crash takes its state along."""

    make: Callable[[], Actor]
    name: str | None
    within_s: float | None

    async def __call__(self, runtime: Runtime, parent: Process) -> ActorProcess | None:
        try:
            instance = self.make()
        except Exception as error:  # noqa: BLE001 -- a constructor that fails is a start that fails
            raise NotStarted(self.name or "actor", error_of(error)) from None
        return await spawn(runtime, instance, name=self.name, parent=parent, within_s=self.within_s)


def actor(make: Callable[[], Actor], *, name: str | None = None, within_s: float | None = None) -> ActorStart:
    """How a supervisor starts an actor: `actor(partial(Ledger, journal), name="ledger")`."""
    return ActorStart(make, name, within_s)
