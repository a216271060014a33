"""The process table: names, the run queue, the clock and the reporter of one event loop.

Guarantees: a process lives as long as the table says so (asyncio alone holds tasks weakly); a name belongs to one living
process; incarnations of a name are counted from 1. Starts nothing by itself.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from threading import get_ident
from typing import Final

from supervisors.clock import Clock, LoopClock, Timer
from supervisors.deadlines import Deadlines
from supervisors.errors import NameTaken
from supervisors.events import Event, Reporter, log_event
from supervisors.exits import ExitReason
from supervisors.process import Process, State
from supervisors.ref import Address
from supervisors.scheduler import Scheduler

__all__ = ["Named", "Runtime"]

MOST_LAST_EXITS: Final = 256


class Named(Address):
    """A name as an address: whoever holds it at the moment of sending receives."""

    __slots__ = ("_name", "_runtime")

    def __init__(self, runtime: "Runtime", name: str) -> None:
        self._runtime = runtime
        self._name = name

    def target(self) -> Process | None:
        return self._runtime.whereis(self._name)

    @property
    def label(self) -> str:
        return self._name


class Runtime:
    """The process table, the names, the run queue and the clock of one event loop.

    Make it inside a running loop. `reporter` gets every report (default: structlog). It starts nothing by itself.
    """

    def __init__(self, *, clock: Clock | None = None, reporter: Reporter = log_event) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = get_ident()
        self.clock: Clock = clock if clock is not None else LoopClock(self.loop)
        self.scheduler = Scheduler(self.loop, self.clock.monotonic)
        self.processes: dict[int, Process] = {}
        self.zombies: dict[int, Process] = {}
        self.deadlines = Deadlines(self.clock)
        self.reports_lost = 0
        self.last_exits: dict[str, tuple[ExitReason, int, float]] = {}
        """Of each of the `MOST_LAST_EXITS` names that were free last: why, the incarnation, and when (on `clock`)."""
        self._context = copy_context()
        self._reporter = reporter
        self._names: dict[str, Process] = {}
        self._incarnations: Counter[str] = Counter()
        self._pids = count(1)
        self._deaths: deque[tuple[Process, ExitReason]] = deque()
        self._is_mourning = False
        self._arrivals: dict[str, list[asyncio.Future[bool]]] = {}

    # The table

    def enter(self, process: Process) -> tuple[int, int, float]:
        """Register a new process (and its name); returns its number, its incarnation (how many held the name so far), and the time."""
        pid = next(self._pids)
        if process.name is not None:
            if process.name in self._names:
                raise NameTaken(process.name)
            self._names[process.name] = process
        self.processes[pid] = process
        now_s = self.clock.monotonic()
        if process.name is None:
            return pid, 1, now_s
        self._incarnations[process.name] += 1
        return pid, self._incarnations[process.name], now_s

    def leave(self, process: Process) -> None:
        self.processes.pop(process.pid, None)
        if process.name is not None and self._names.get(process.name) is process:
            del self._names[process.name]
            self._remember(process, process.name)

    def _remember(self, process: Process, name: str) -> None:
        reason, last = process.exit_reason, self.last_exits
        if reason is not None:
            last.pop(name, None)  # so that the longest ago is the first
            last[name] = (reason, process.incarnation, self.clock.monotonic())
            if len(last) > MOST_LAST_EXITS:
                del last[next(iter(last))]

    def whereis(self, name: str) -> Process | None:
        """The living process registered under `name`."""
        return self._names.get(name)

    def named(self, name: str) -> Named:
        """An address that follows the name over restarts."""
        return Named(self, name)

    def announce(self, name: str) -> None:
        """Wake those who wait for a process under `name`: one has just come up."""
        for future in self._arrivals.get(name, ()):
            if not future.done():
                future.set_result(True)

    async def await_name(self, name: str, within_s: float) -> bool:
        """Wait until a process under `name` is up; False if none was `within_s` seconds."""
        deadline_s = self.clock.monotonic() + within_s
        while not self._is_up(name):
            left_s = deadline_s - self.clock.monotonic()
            if left_s <= 0 or not await self._arrival(name, left_s):
                return self._is_up(name)
        return True

    def _is_up(self, name: str) -> bool:
        holder = self._names.get(name)
        return holder is not None and holder.state is State.RUNNING

    async def _arrival(self, name: str, within_s: float) -> bool:
        """Wait for the next process that comes up under `name`; it may be gone again by now."""
        future: asyncio.Future[bool] = self.loop.create_future()
        waiting = self._arrivals.setdefault(name, [])
        waiting.append(future)
        timer = self.call_later(within_s, lambda: None if future.done() else future.set_result(False))
        try:
            return await future
        finally:
            timer.cancel()
            waiting.remove(future)
            if not waiting and self._arrivals.get(name) is waiting:
                del self._arrivals[name]

    # Time and reports

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        return self.clock.call_at(self.clock.monotonic() + delay_s, callback)

    def report(self, event: Event) -> None:
        """Hand an event to the reporter, or if it raises to the default one; what both refuse is counted."""
        try:
            self._reporter(event)
        except Exception:  # noqa: BLE001 -- a report must never become a second crash
            try:
                log_event(event)
            except Exception:  # noqa: BLE001
                self.reports_lost += 1

    # Deaths

    def mourn(self, process: Process, reason: ExitReason) -> None:
        """Tell the relations of a dead process; of those that die of it too, afterwards."""
        self._deaths.append((process, reason))
        if self._is_mourning:
            return
        self._is_mourning = True
        try:
            while self._deaths:
                dead, its_reason = self._deaths.popleft()
                dead.tell_relations(its_reason)
        finally:
            self._is_mourning = False

    def guard(self, callback: Callable[..., object], *args: object) -> None:
        """Call somebody's callback, in no process's name; what it raises is told to the loop and hurts nobody here."""
        try:
            self._context.copy().run(callback, *args)
        except Exception as error:  # noqa: BLE001 -- the death has to be told to the others, too
            self.loop.call_exception_handler({"message": "a callback of a process's end raised", "exception": error})
