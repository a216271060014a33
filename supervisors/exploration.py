"""Runs of one scenario under many interleavings, each decided by a seed and so repeatable.

    async def scenario(world: World) -> None:
        counter = await spawn(world.runtime, Counter())
        ...

    await explore(scenario, seeds=range(200))

What may happen in a real loop, and nothing else: whose turn is next is drawn, a turn may end early, a pass may end after any turn
and begin late, calls of idle actors are worked on at once or queue, and async callbacks take their first step at once or later.
Messages from one process to another stay in order, as they do anywhere. Time is virtual and passes by itself while nothing can run.
Guarantees: the same seed gives the same run; the error of a run that fails names its seed and who had the last turns; a run that
waits for something that never comes fails instead of hanging. Does not: permute what asyncio itself promises to keep in order; and
a scenario that waits for real sockets or threads cannot be explored.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any, Final, SupportsIndex, TypeVar, final

from supervisors.events import Event
from supervisors.exits import KILLED
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.scheduler import AT_ONCE, QUEUE, STEP_ASIDE, Runnable, Scheduler, Verdict
from supervisors.virtual_time import VirtualClock

__all__ = ["ScheduleFailed", "World", "explore"]

T = TypeVar("T")
LAST_TURNS: Final = 50
MOST_TURNS: Final = 4
LONGEST_DELAY: Final = 3
LONGEST_S: Final = 86_400.0
DEEP: Final = 1_000_000
_QUIET_PASSES: Final = 25
_STILL_PASSES: Final = 2 * _QUIET_PASSES


@final
class ScheduleFailed(AssertionError):
    """A run failed; its cause is what the scenario raised. `turns` are the labels of who had a turn, the last ones last."""

    def __init__(self, seed: int, scenario: str, why: str, turns: tuple[str, ...]) -> None:
        super().__init__(
            f"{scenario} fails under seed {seed}: {why}; repeat it with seeds=[{seed}]; {' → '.join(turns)}"
        )
        self.seed = seed
        self.turns = turns


class _Drawn(deque[T]):
    """A queue of which anybody may come next."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def popleft(self) -> T:
        index: SupportsIndex = self._random.randrange(len(self))
        chosen = self[index]
        del self[index]
        return chosen


@final
class _DrawingScheduler(Scheduler):
    """Decides by lot what a real one decides by clock and order."""

    __slots__ = ("_random", "trace")

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float], random: Random) -> None:
        self._random = random
        super().__init__(loop, now)
        self.queue: deque[Runnable] = _Drawn(random)
        self.trace: deque[str] = deque(maxlen=LAST_TURNS)

    def verdict(self, count: int) -> Verdict:
        return self._random.choice((AT_ONCE, STEP_ASIDE, QUEUE))

    @property
    def ask_at(self) -> int:
        """Every call asks for a verdict."""
        return 0

    @ask_at.setter
    def ask_at(self, value: int) -> None: ...

    @property
    def depth(self) -> int:
        """Any first step may be one too many."""
        return self._random.choice((0, DEEP))

    @depth.setter
    def depth(self, value: int) -> None: ...

    def arm(self) -> None:
        self.is_armed = True
        self._come_later(self._random.randrange(LONGEST_DELAY))

    def _come_later(self, passes: int) -> None:
        if passes == 0:
            self._loop.call_soon(self._pass, context=self._context)
        else:
            self._loop.call_soon(self._come_later, passes - 1)

    def _pass(self) -> None:
        self.passes += 1
        try:
            for _ in range(self._random.randint(1, MOST_TURNS)):
                if not self.queue:
                    break
                self.active = runnable = self.queue.popleft()
                self.trace.append(str(getattr(runnable, "label", runnable)))
                runnable.context.run(runnable.work, self._random.choice((inf, -inf)))
        finally:
            self.active = None
            self.queue.extend(self._later)
            self._later.clear()
            self.is_armed = False
            if self.queue:
                self.arm()


@dataclass(eq=False)
class World:
    """What a scenario has: a runtime of its own, its virtual clock, what it reported, and chance of its own."""

    seed: int
    clock: VirtualClock = field(default_factory=VirtualClock)
    reports: list[Event] = field(default_factory=list[Event])

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 -- repeatable, not secret
        self.runtime = Runtime(clock=self.clock, reporter=self.reports.append)
        lots = Random(self.random.random())  # noqa: S311
        self.scheduler = _DrawingScheduler(self.runtime.loop, self.clock.monotonic, lots)
        self.runtime.scheduler = self.scheduler
        self.clock.settle = self.settle
        self.is_settling = 0

    async def settle(self) -> None:
        """Let everything that can run without time passing, run."""
        self.is_settling += 1
        try:
            await self.still(_QUIET_PASSES, lambda: False)
        finally:
            self.is_settling -= 1

    async def still(self, passes: int, is_over: Callable[[], object]) -> None:
        """Until nobody had a turn for so many passes of the loop."""
        quiet = 0
        while quiet < passes and not is_over():
            before = self.scheduler.passes
            await asyncio.sleep(0)
            is_idle = self.scheduler.passes == before and not self.scheduler.is_armed
            quiet = quiet + 1 if is_idle else 0

    @property
    def turns(self) -> tuple[str, ...]:
        """Who had the last turns."""
        return tuple(self.scheduler.trace)


async def explore(scenario: Callable[[World], Awaitable[object]], seeds: Iterable[int] = range(100)) -> None:
    """Run `scenario` once for each seed. Raises `ScheduleFailed` for the first that fails."""
    for seed in seeds:
        await _run(scenario, seed)


async def _run(scenario: Callable[[World], Awaitable[object]], seed: int) -> None:
    world = World(seed)
    name = getattr(scenario, "__qualname__", repr(scenario))
    loop = world.runtime.loop
    complaints: list[dict[str, Any]] = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        error = await _outcome(world, scenario)
        await _end_all(world)
    finally:
        loop.set_exception_handler(handler)
    if error is not None:
        raise ScheduleFailed(seed, name, f"{type(error).__name__}: {error}", world.turns) from error
    if complaints:
        raise ScheduleFailed(seed, name, f"the loop complains: {complaints}", world.turns)


async def _outcome(world: World, scenario: Callable[[World], Awaitable[object]]) -> Exception | None:
    async def run() -> None:
        await scenario(world)

    task = world.runtime.loop.create_task(run())
    try:
        await _drive(world, task)
        await task
    except Exception as error:  # noqa: BLE001 -- whatever it is, it comes with its seed
        return error
    finally:
        task.cancel()
    return None


async def _drive(world: World, task: "asyncio.Task[None]") -> None:
    """While nothing can run, time passes; when no timer is due for a day, the scenario waits for ever."""
    while not task.done():
        await world.still(_STILL_PASSES, task.done)
        if not task.done() and not world.is_settling and not world.clock.ring(LONGEST_S):
            raise TimeoutError("nothing can run any more, and no timer is due")


async def _end_all(world: World) -> None:
    processes: list[Process] = list(world.runtime.processes.values())
    for process in processes:
        process.exit(KILLED)
    await world.settle()
