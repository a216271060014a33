"""The whole tree in a storm: random tasks, outcomes, crashes, full disks, power cuts and time, then fair weather.

Whatever happened: every acknowledged task comes to an end, every call that was made is in the ledger once, no more calls run
than there are slots, and the totals are the sum of the lines. SYMBIONT_SIMULATIONS sets how many storms are tried.
"""

import asyncio
import errno
import os
from collections import Counter

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors import CallExit
from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.dispatcher import Wake
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.ledger import ReadTotals, Refused
from symbiont.actors.queue_messages import Cancel, CountTasks, Retry
from symbiont.domain.ledger import Totals, decode, key_of
from symbiont.domain.task import FINAL
from symbiont.ports import SyncFailed
from tests.actors.system import JOURNALS, System
from tests.actors.weather import WeatherWorker

STORMS = int(os.environ.get("SYMBIONT_SIMULATIONS", "30"))
ACTORS = (names.LEDGER, names.QUEUE, names.DISPATCHER, names.HEARTBEAT, names.HTTP_SERVER)

STEPS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from([None, "haiku", "sonnet", "opus"])),
    st.tuples(st.just("submit"), st.sampled_from([None, "haiku", "sonnet", "opus"])),
    st.tuples(st.just("advance"), st.sampled_from([0.1, 1.0, 10.0, 100.0, 1_000.0])),
    st.tuples(st.just("crash"), st.sampled_from(ACTORS)),
    st.tuples(st.just("crash_soon"), st.tuples(st.sampled_from(ACTORS), st.integers(0, 30))),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("retry"), st.integers(0, 50)),
    st.tuples(st.just("full"), st.sampled_from(JOURNALS)),
    st.tuples(st.just("sync_failed"), st.sampled_from(JOURNALS)),
    st.tuples(st.just("wake"), st.none()),
    st.tuples(st.just("beat"), st.none()),
    st.tuples(st.just("power_cut"), st.integers(0, 30)),
)


class Storm:
    """A tree that is started again after a power cut, and what must not be forgotten over one."""

    def __init__(self, slots: int, seed: int) -> None:
        self.slots = slots
        self.seed = seed
        self.system: System
        self.ids: list[str] = []
        self.calls: Counter[tuple[str, int, str]] = Counter()

    async def begin(self) -> None:
        await self._start(VirtualClock(), {})

    async def _start(self, clock, disk) -> None:
        self.seed += 1
        self.worker = WeatherWorker(self.slots, self.seed, clock)
        options = {"worker": self.worker, "clock": clock, "disk": disk, "seed": self.seed}
        self.system = await System.start(**options, max_restarts=1_000_000)

    async def take(self, step: str, argument) -> None:
        await getattr(self, step)(argument)
        assert self.worker.peak <= self.slots

    async def submit(self, tier) -> None:
        answer = await self.system.try_submit(force_tier=tier)
        if not isinstance(answer, Refused):
            self.ids.append(answer.task.id)

    async def advance(self, seconds) -> None:
        await self.system.advance(seconds)

    async def crash(self, name) -> None:
        await self.system.crash(name)

    async def crash_soon(self, argument) -> None:
        """In the middle of whatever a task has set going."""
        name, passes = argument
        submitting = asyncio.ensure_future(self.submit(None))
        for _ in range(passes):
            await asyncio.sleep(0)
        await asyncio.wait([submitting])
        await self.system.crash(name)

    async def cancel(self, number) -> None:
        if self.ids:
            await self.system.ask(names.QUEUE, Cancel(self.ids[number % len(self.ids)]))

    async def retry(self, number) -> None:
        if self.ids:
            await self.system.ask(names.QUEUE, Retry(self.ids[number % len(self.ids)]))

    async def full(self, journal) -> None:
        self.system.journals[journal].fail_next(OSError(errno.ENOSPC, "No space left on device"))

    async def sync_failed(self, journal) -> None:
        self.system.journals[journal].fail_next(SyncFailed(errno.EIO, "the disk is unwell"))

    async def wake(self, _) -> None:
        await self.system.ask(names.DISPATCHER, Wake())

    async def beat(self, _) -> None:
        await self.system.ask(names.HEARTBEAT, BeatNow())

    async def power_cut(self, passes) -> None:
        await self.submit(None)
        for _ in range(passes):
            await asyncio.sleep(0)
        self._remember_calls()
        old, left = self.system, self.system.on_disk()
        await old.stop()
        await self._start(VirtualClock(old.clock.wall() + 1.0), left)

    def _remember_calls(self) -> None:
        unmade = [call for call, reply in self.worker.returned if not reply.was_made]
        self.calls.update((call.task_id, call.attempt, call.kind) for call in self.worker.calls if call not in unmade)

    async def clear_up(self) -> None:
        """Fair weather, and as much time as anything may have to wait."""
        self.worker.is_fair = True
        for journal in self.system.journals.values():
            journal._failures.clear()
        await self.system.advance(2_000.0)
        await self.wake(None)
        await self.system.advance(2_000.0)
        self._remember_calls()


async def weather(slots, seed, steps) -> None:
    storm = Storm(slots, seed)
    await storm.begin()
    for step, argument in steps:
        try:
            await storm.take(step, argument)
        except CallExit:
            await storm.system.quiet()  # asked an actor that went down: what any caller may meet in a storm
    await storm.clear_up()
    await check(storm)
    await storm.system.stop()


async def check(storm: Storm) -> None:
    system = storm.system
    tasks = [await system.task(task_id) for task_id in storm.ids]
    assert [task for task in tasks if task.status not in FINAL] == []
    entries = [decode(line) for line in system.journals["ledger"].records]
    recorded = Counter(map(key_of, entries))
    assert {key: times for key, times in recorded.items() if times > 1} == {}
    assert {key: times for key, times in storm.calls.items() if times > 1} == {}
    assert storm.calls.keys() - recorded.keys() == set()
    made_up = [e for e in entries if key_of(e) not in storm.calls and e.error_code != "INTERRUPTED"]
    assert made_up == []
    totals = Totals()
    for entry in entries:
        totals.add(entry)
    assert await system.ask(names.LEDGER, ReadTotals()) == totals
    counts = await system.ask(names.QUEUE, CountTasks())
    assert counts.pending == counts.processing == 0
    assert storm.worker.running == 0


@settings(max_examples=STORMS, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2**32), st.lists(STEPS, min_size=5, max_size=40))
def test_whatever_the_storm_nothing_is_lost_and_nothing_counted_twice(slots, seed, steps):
    with structlog.testing.capture_logs(), asyncio.Runner() as runner:
        runner.run(weather(slots, seed, steps))
