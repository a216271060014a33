"""A long life in short: many crashes, much garbage collection, floods; nothing leaks and nobody starves."""

import asyncio
import gc
import tracemalloc

import pytest

from supervisors import (
    KILLED,
    NO_REPLY,
    Actor,
    CallExit,
    ChildSpec,
    Continue,
    DynamicSupervisor,
    Flags,
    Process,
    Restart,
    Runtime,
    Supervisor,
    actor,
    spawn,
)
from supervisors.dynamic import StartDynamic
from supervisors.testing import VirtualClock, settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started

CYCLES = 1_000


class Busy(Tidy):
    """Arms a timer, watches somebody, works ahead in a task: everything that could be left behind."""

    def init(self) -> object:
        self.send_after(3_600, "never")
        watched = self.runtime.whereis("watched")
        if watched is not None:
            self.monitor(watched)
        return Continue("begin")

    async def handle_continue(self, term):
        await asyncio.sleep(0)

    async def handle_cast(self, message):
        await asyncio.sleep(0)
        boom()


async def crash(runtime: Runtime, number: int) -> None:
    process = runtime.whereis("busy")
    assert process is not None
    if number % 3 == 0:
        process.exit(KILLED)
    elif number % 3 == 1:
        process.cast("crash")
    else:
        process.cast("crash")
        call = process.post_call(Ask(forever), 5.0)
        call.add_done_callback(lambda done: done.exception())
    await process.ended()
    assert await runtime.await_name("busy", 5.0)


async def test_a_thousand_crashes_leave_nothing_behind(runtime, clock, reports):
    watched = await started(runtime, Scripted(), name="watched")
    spec = ChildSpec("busy", actor(Busy, name="busy"))
    await spawn(runtime, Supervisor(Flags(intensity=2 * CYCLES), [spec]), name="root")
    await crash(runtime, 1)
    await settle()
    tasks, processes = len(asyncio.all_tasks()), len(runtime.processes)
    for number in range(CYCLES // 2):
        await crash(runtime, number)
    reports.events.clear()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(CYCLES // 2):
            await crash(runtime, number)
            reports.events.clear()
        await settle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(asyncio.all_tasks()) == tasks
    assert len(runtime.processes) == processes
    assert clock.pending <= 2
    assert len(runtime.deadlines) == 0
    assert len(watched._monitors) == 1
    assert not runtime.zombies
    assert not runtime._arrivals
    assert after - before < 100_000


async def test_nothing_alive_is_ever_collected(runtime):
    """The loop holds tasks weakly; the table must hold what waits."""
    gate = asyncio.Event()

    async def wait(self):
        await gate.wait()
        self.diary.append("done")

    diary: list[object] = []
    for _ in range(20):
        process = await started(runtime, Scripted(diary))
        process.cast(wait)
        del process
    await settle()
    for _ in range(3):
        gc.collect()
        await settle()
    gate.set()
    await settle()

    assert diary == ["done"] * 20


async def test_dynamic_children_that_come_and_go_leave_nothing(runtime, clock):
    root = await spawn(runtime, DynamicSupervisor(), name="dynamic")
    assert root is not None
    spec = ChildSpec("brief", actor(Busy), restart=Restart.TEMPORARY)
    for number in range(300):
        child = (await root.call(StartDynamic(spec))).process
        assert isinstance(child, Process)
        child.exit(KILLED) if number % 2 else child.cast("crash")
        await child.ended()
    await settle()

    assert list(runtime.processes.values()) == [root]
    assert root.instance._children == {}
    assert clock.pending <= 1


# Fairness


class Hog(Actor):
    """Sends itself one message after another, for ever."""

    def handle_cast(self, message):
        self.me.cast(message)


@pytest.mark.parametrize("hogs", [1, 50])
async def test_actors_that_never_run_dry_do_not_keep_others_waiting(runtime, hogs):
    for _ in range(hogs):
        (await started(runtime, Hog())).cast("go on")
    other = await started(runtime, Scripted())
    served = [await other.call(Ask(number)) for number in range(20)]

    assert served == list(range(20))
    for process in list(runtime.processes.values()):
        process.exit(KILLED)


async def test_ten_thousand_actors_with_work_leave_the_loop_free_between_passes(runtime):
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        runtime.loop.call_soon(tick) if ticks < 10_000 else None

    diary: list[object] = []
    processes = [await started(runtime, Scripted(diary)) for _ in range(10_000)]
    for process in processes:
        process.cast("work")
    runtime.loop.call_soon(tick)
    while len(diary) < len(processes):
        await asyncio.sleep(0)

    assert ticks > 3


async def test_a_flood_is_worked_off_in_order(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    for number in range(9_000):
        process.cast(number)
    await process.call(Ask("wait"), timeout_s=None)

    assert diary == list(range(9_000))


def test_a_loop_that_shuts_down_with_living_actors_says_nothing(recwarn):
    complaints: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        runtime = Runtime(clock=VirtualClock(), reporter=lambda _event: None)
        spec = ChildSpec("busy", actor(Busy, name="busy"))
        await spawn(runtime, Supervisor(Flags(), [spec]), name="root")
        waiting = await started(runtime, Scripted())
        waiting.cast(forever)
        parked = await started(runtime, Scripted())
        await parked.call(Ask(lambda *_: asyncio.sleep(0)))
        await settle()

    asyncio.run(main())
    gc.collect()

    assert complaints == []
    assert not recwarn.list


async def test_a_slow_actor_gives_way_after_its_slice_on_the_real_clock():
    """Also on uvloop, whose own time stands still within an iteration."""
    runtime = Runtime(reporter=lambda _event: None)
    slow = await started(runtime, Scripted())

    def burn(_self) -> None:
        end = runtime.clock.monotonic() + 0.0005
        while runtime.clock.monotonic() < end:
            pass

    for _ in range(64):
        slow.cast(burn)
    passes = runtime.scheduler.passes
    await slow.call(Ask("done"))

    assert runtime.scheduler.passes - passes >= 10


async def test_a_time_out_on_the_real_clock_is_never_early():
    runtime = Runtime(reporter=lambda _event: None)
    process = await started(runtime, Scripted())
    began = runtime.clock.monotonic()
    with pytest.raises(CallExit):
        await process.call(Ask(lambda *_: NO_REPLY), timeout_s=0.0105)

    assert runtime.clock.monotonic() - began >= 0.0105


async def test_a_crash_with_a_caller_waiting_leaves_no_work_for_the_garbage_collector(runtime):
    process = await started(runtime, Tidy())
    successors = [await started(runtime, Tidy()) for _ in range(20)]
    gc.collect()
    gc.disable()
    try:
        for victim in (process, *successors):
            victim.cast(boom)
            with pytest.raises(CallExit):
                await victim.call(Ask(1))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("supervisors")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

    assert left == []
