"""The watchdog on a real loop, blocked on purpose: no virtual time, for threads know none."""

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from supervisors import Runtime
from supervisors.loop_events import LoopBlocked, LoopFree, LoopLag, log_loop_event
from supervisors.watchdog import Watchdog
from tests.supervisors.scripted import Scripted, started

BLOCKED_S = 0.3
THRESHOLD_S = 0.05


def block_here() -> None:
    end_s = time.monotonic() + BLOCKED_S
    while time.monotonic() < end_s:
        pass


class Said:
    """What a watchdog told, in which thread; `await said.of(kind)` waits for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()

    def __call__(self, event: object) -> None:
        self.events.append((threading.current_thread().name, event))
        self.loop.call_soon_threadsafe(self.changed.set)

    async def of(self, kind: type, times: int = 1) -> list:
        async with asyncio.timeout(10):
            while len(found := [event for _, event in self.events if isinstance(event, kind)]) < times:
                self.changed.clear()
                await self.changed.wait()
        return found


@pytest.fixture
async def watched():
    said, runtime = Said(), Runtime(reporter=lambda _event: None)
    with Watchdog(runtime, threshold_s=THRESHOLD_S, tell=said) as dog:
        yield said, runtime, dog


async def test_an_actor_that_blocks_in_a_plain_callback_is_named_with_its_stack(watched):
    said, runtime, _ = watched
    process = await started(runtime, Scripted(), name="hog")
    process.cast(lambda _self: block_here())
    (blocked,) = await said.of(LoopBlocked)

    assert (blocked.process, blocked.pid) == ("hog", process.pid)
    assert "block_here" in blocked.stack
    assert THRESHOLD_S < blocked.blocked_s < 10


async def test_an_actor_that_blocks_in_an_async_callback_is_named(watched):
    said, runtime, _ = watched

    async def step(_self) -> None:
        await asyncio.sleep(0)
        block_here()

    process = await started(runtime, Scripted(), name="hog")
    process.cast(step)
    (blocked,) = await said.of(LoopBlocked)

    assert (blocked.process, blocked.pid) == ("hog", process.pid)
    assert "block_here" in blocked.stack


async def test_code_outside_of_any_process_has_no_name_but_a_stack(watched):
    said, _, _ = watched
    block_here()
    (blocked,) = await said.of(LoopBlocked)

    assert (blocked.process, blocked.pid) == ("", None)
    assert "block_here" in blocked.stack


async def test_one_blockage_is_told_once_from_the_thread_and_its_end_from_the_loop(watched):
    said, runtime, _ = watched
    process = await started(runtime, Scripted(), name="hog")
    process.cast(lambda _self: block_here())
    (free,) = await said.of(LoopFree)

    assert [type(event) for _, event in said.events] == [LoopBlocked, LoopFree]
    assert [thread for thread, _ in said.events] == ["loop-watchdog", threading.current_thread().name]
    assert (free.process, free.pid) == ("hog", process.pid)
    assert free.blocked_s >= BLOCKED_S - THRESHOLD_S


async def test_each_blockage_is_told(watched):
    said, _, _ = watched
    for times in (1, 2):
        block_here()
        await said.of(LoopFree, times)

    assert [type(event) for _, event in said.events] == [LoopBlocked, LoopFree] * 2


async def test_a_loop_that_comes_round_is_left_alone_and_measured(watched):
    said, _, dog = watched
    async with asyncio.timeout(10):
        while dog.lag().samples < 5:
            await asyncio.sleep(0)
    lag = dog.lag()

    assert 0 <= lag.p50_s <= lag.p99_s <= lag.max_s
    assert not [event for _, event in said.events if isinstance(event, LoopBlocked) and event.blocked_s < THRESHOLD_S]


async def test_a_blockage_shows_in_the_lag(watched):
    said, _, dog = watched
    block_here()
    await said.of(LoopFree)

    assert dog.lag().max_s >= BLOCKED_S - THRESHOLD_S


async def test_a_listener_that_raises_does_not_end_the_watch():
    heard: list[object] = []

    def fail(event: object) -> None:
        heard.append(event)
        raise ValueError("x")

    with Watchdog(Runtime(), threshold_s=THRESHOLD_S, tell=fail) as dog:
        for blockages in (2, 4):
            block_here()
            async with asyncio.timeout(10):
                while len(heard) < blockages:
                    await asyncio.sleep(0.01)
        assert dog._thread.is_alive()


async def test_before_the_first_beat_there_is_no_lag():
    assert Watchdog(Runtime()).lag() == LoopLag(0, 0.0, 0.0, 0.0)


async def test_the_thread_ends_with_the_watchdog():
    dog = Watchdog(Runtime())
    dog.stop()
    dog = Watchdog(Runtime())
    dog.start()
    dog.stop()

    assert not dog._thread.is_alive()


def test_the_thread_ends_with_the_loop():
    async def watched() -> Watchdog:
        dog = Watchdog(Runtime(), threshold_s=0.01)
        dog.start()
        return dog

    dog = asyncio.run(watched())
    dog._thread.join(10)

    assert not dog._thread.is_alive()


def test_the_default_says_it_in_the_log():
    with capture_logs() as logs:
        log_loop_event(LoopBlocked("hog", 7, 0.25, (("work.py", 3, "toil"),)))
        log_loop_event(LoopFree("hog", 7, 0.5))

    who = {"process": "hog", "pid": 7}
    assert logs == [
        {
            "event": "loop_blocked",
            "log_level": "error",
            "blocked_s": 0.25,
            "stack": '  File "work.py", line 3, in toil\n',
            **who,
        },
        {"event": "loop_free", "log_level": "warning", "blocked_s": 0.5, **who},
    ]
