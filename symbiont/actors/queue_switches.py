"""Pause, drain and resume, of the whole queue or of a project: on disk before they are answered, and after a restart as before."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from supervisors import NO_REPLY, Custom, From, Stop
from symbiont.actors.ledger_messages import refusal
from symbiont.actors.queue_record import Pipe
from symbiont.domain.backlog import Backlog
from symbiont.domain.moment import rfc3339
from symbiont.domain.switches import Switch, Switches, SwitchState
from symbiont.domain.task import Status
from symbiont.ports import Clock, Journal, Receipt, SyncFailed

SLACK_LINES = 1_000


class Switched(msgspec.Struct, frozen=True):
    """A switch is on disk, or was refused. None: the file was made smaller."""

    switch: Switch | None
    from_: Any
    error: BaseException | None


class QueueSwitches:
    """`resumed` is called when more may be taken than before."""

    def __init__(
        self, journal: Journal, clock: Clock, backlog: Backlog, *, pipe: Pipe, resumed: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._backlog = backlog
        self._pipe = pipe
        self._resumed = resumed
        self._switches = Switches()
        self._open = 0
        self._idlers: list[tuple[str | None, From]] = []

    async def open(self) -> None:
        await self._journal.open(self._switches)
        for project in self._switches.projects:
            self._backlog.hold(project)

    async def close(self) -> None:
        await self._journal.close()

    @property
    def all(self) -> tuple[Switch, ...]:
        return self._switches.all

    @property
    def is_whole_off(self) -> bool:
        return self._switches.whole is not None

    def set(self, project: str | None, state: SwitchState, from_: From) -> object:
        """Counts when it is on disk."""
        switch = Switch(project, state, rfc3339(self._clock.wall()))
        self._open += 1
        appended = self._journal.append(msgspec.json.encode(switch))
        self._pipe(appended, lambda done: Switched(switch, from_, done.exception()))
        return NO_REPLY

    def landed(self, switched: Switched) -> Stop | None:
        if isinstance(switched.error, SyncFailed):
            return Stop(Custom(("sync_failed", str(switched.error))))
        self._open -= 1
        if switched.error is not None and switched.from_ is not None:
            switched.from_.reply(refusal(switched.error))
        elif switched.error is None and switched.switch is not None:
            self._turn(switched.switch)
            if switched.from_ is not None:
                switched.from_.reply(switched.switch)
        return None

    def _turn(self, switch: Switch) -> None:
        self._switches.set(switch)
        if switch.project is not None and switch.state == "running":
            self._backlog.unhold(switch.project)
        elif switch.project is not None:
            self._backlog.hold(switch.project)
        if switch.state == "running":
            self._resumed()
        self._shrink()

    def _shrink(self) -> None:
        """Only while no other switch is on its way: it would be lost."""
        self._switches.lines += 1
        if not self._open and self._switches.lines > SLACK_LINES + len(self._switches.all):
            self._switches.lines = 0
            self._open += 1
            known = self._switches.all
            compacted: asyncio.Future[Receipt] = self._journal.compact(lambda: map(msgspec.json.encode, known))
            self._pipe(compacted, lambda done: Switched(None, None, done.exception()))

    # Until nothing runs

    def await_idle(self, project: str | None, from_: From) -> object:
        self._idlers.append((project, from_))
        self.moved()
        return NO_REPLY

    def moved(self) -> None:
        """The state of a task has changed: who waits for the end of what runs may be through."""
        if not self._idlers:
            return
        waiting, self._idlers = self._idlers, []
        for project, from_ in waiting:
            if self._is_busy(project):
                self._idlers.append((project, from_))
            else:
                from_.reply(0)

    def _is_busy(self, project: str | None) -> bool:
        return self._backlog.census.of(project)[Status.PROCESSING] > 0
