"""The process table: names, the run queue, the clock and the reporter of one event loop.

Guarantees: a process lives as long as the table says so (asyncio alone holds tasks weakly); a name belongs to one living
process; incarnations of a name are counted from 1. Starts nothing by itself.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from supervisors.clock import Clock, LoopClock, Timer
from supervisors.errors import NameTaken
from supervisors.events import Event, Reporter, log_event
from supervisors.process import Process, State
from supervisors.ref import Address, Target
from supervisors.scheduler import Scheduler

__all__ = ["Named", "Runtime"]


class Named(Address):
    """A name as an address: whoever holds it at the moment of sending receives."""

    __slots__ = ("_name", "_runtime")

    def __init__(self, runtime: "Runtime", name: str) -> None:
        self._runtime = runtime
        self._name = name

    def target(self) -> Target | None:
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
        self.clock: Clock = clock if clock is not None else LoopClock(self.loop)
        self.scheduler = Scheduler(self.loop)
        self.processes: dict[int, Process] = {}
        self.zombies: dict[int, Process] = {}
        self._reporter = reporter
        self._names: dict[str, Process] = {}
        self._incarnations: Counter[str] = Counter()
        self._pids = count(1)
        self._arrivals: dict[str, list[asyncio.Future[None]]] = {}

    # The table

    def next_pid(self) -> int:
        return next(self._pids)

    def enter(self, process: Process) -> int:
        """Register a new process (and its name); returns the incarnation: how many held the name so far."""
        if process.name is not None:
            if process.name in self._names:
                raise NameTaken(process.name)
            self._names[process.name] = process
        self.processes[process.pid] = process
        if process.name is None:
            return 1
        self._incarnations[process.name] += 1
        return self._incarnations[process.name]

    def leave(self, process: Process) -> None:
        self.processes.pop(process.pid, None)
        if process.name is not None and self._names.get(process.name) is process:
            del self._names[process.name]

    def whereis(self, name: str) -> Process | None:
        """The living process registered under `name`."""
        return self._names.get(name)

    def named(self, name: str) -> Named:
        """An address that follows the name over restarts."""
        return Named(self, name)

    def announce(self, process: Process) -> None:
        """Wake those who wait for the name of a process that has just come up."""
        for future in self._arrivals.pop(process.name or "", ()):
            if not future.done():
                future.set_result(None)

    async def await_name(self, name: str, within_s: float) -> bool:
        """Wait until a process under `name` is up; False if none was `within_s` seconds."""
        holder = self._names.get(name)
        if holder is not None and holder.state is State.RUNNING:
            return True
        future: asyncio.Future[None] = self.loop.create_future()
        self._arrivals.setdefault(name, []).append(future)
        timer = self.call_later(within_s, future.cancel)
        try:
            await asyncio.wait([future])
            return not future.cancelled()
        finally:
            timer.cancel()

    # Time and reports

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        return self.clock.call_at(self.clock.monotonic() + delay_s, callback)

    def fail_later(self, future: "asyncio.Future[Any]", delay_s: float, error: Callable[[], Exception]) -> None:
        """Fail `future` after `delay_s` unless it is done before."""

        def strike() -> None:
            if not future.done():
                future.set_exception(error())

        timer = self.call_later(delay_s, strike)
        future.add_done_callback(lambda _: timer.cancel())

    def report(self, event: Event) -> None:
        """Hand an event to the reporter; a reporter that raises is replaced by the default one."""
        try:
            self._reporter(event)
        except Exception:  # noqa: BLE001 -- a report must never become a second crash
            log_event(event)
