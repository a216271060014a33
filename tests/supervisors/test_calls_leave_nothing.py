"""Calls and waits: however they end, nothing of them stays behind; time-outs are exact and share their timers."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import KILLED, NO_REPLY, CallExit, MailboxFull, spawn
from supervisors.deadlines import FEW, Deadlines
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.testing import VirtualClock, settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started


def unanswered(*_: object) -> object:
    return NO_REPLY


@pytest.mark.parametrize("how", ["answer", "time-out", "cancelled", "callee dies", "callee crashes"])
async def test_however_a_call_ends_the_callee_forgets_it(runtime, clock, how):
    process = await started(runtime, Scripted())
    script = {"answer": 42, "callee crashes": boom}.get(how, unanswered)
    call = asyncio.create_task(process.call(Ask(script), timeout_s=5))
    await settle()
    if how == "time-out":
        await clock.advance(5)
    elif how == "cancelled":
        call.cancel()
    elif how == "callee dies":
        process.exit(KILLED)
    await asyncio.gather(call, return_exceptions=True)

    assert not process._callers
    assert len(runtime.deadlines) == 0


async def test_a_refused_call_leaves_nothing(runtime):
    class Small(Scripted):
        mailbox_capacity = 1

    process = await started(runtime, Small())
    process.cast("first")
    with pytest.raises(MailboxFull):
        await process.call(Ask(1))

    assert not process._callers
    assert len(runtime.deadlines) == 0
    assert process.mailbox.refused == 1


async def test_a_reply_in_the_tick_of_the_time_out_is_harmless(runtime, clock):
    kept = []
    process = await started(runtime, Scripted())

    def keep(_self, from_):
        kept.append(from_)
        return NO_REPLY

    call = asyncio.create_task(process.call(Ask(keep), timeout_s=5))
    await settle()
    clock.call_at(clock.monotonic() + 5, lambda: kept[0].reply("just late"))
    await clock.advance(5)

    with pytest.raises(CallExit) as caught:
        await call
    assert caught.value.reason == TIMEOUT


async def test_calls_of_one_duration_share_a_timer(runtime, clock):
    process = await started(runtime, Scripted())
    calls = [asyncio.create_task(process.call(Ask(unanswered), timeout_s=5)) for _ in range(100)]
    await settle()
    armed = clock.pending
    await clock.advance(5)

    assert armed == 1
    assert clock.pending == 0
    assert all(isinstance(call.exception(), CallExit) for call in calls)


async def test_many_computed_durations_leave_few_idle_timers(runtime, clock):
    process = await started(runtime, Scripted())
    for number in range(1_000):
        await process.call(Ask(number), timeout_s=5 + number / 1_000)

    assert clock.pending <= FEW + 1


delays = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5]), st.floats(0, 2), st.booleans()), max_size=20)


class Entry:
    def __init__(self, clock: VirtualClock, struck: dict[object, float]) -> None:
        self.clock, self.struck = clock, struck

    def expire(self) -> None:
        self.struck.setdefault(self, self.clock.monotonic())


@given(delays)
async def test_every_deadline_strikes_exactly_in_time_unless_discarded(plan):
    clock = VirtualClock()
    deadlines = Deadlines(clock)
    struck: dict[object, float] = {}
    expected: dict[object, float] = {}
    for span_s, pause_s, is_discarded in plan:
        entry = Entry(clock, struck)
        deadline = deadlines.add(entry, span_s)
        if is_discarded:
            deadline.discard(entry)
        else:
            expected[entry] = clock.monotonic() + span_s
        await clock.advance(pause_s)
    await clock.advance(3)

    assert struck == expected
    assert len(deadlines) == 0
    assert clock.pending == 0


# Waiting for a name


async def test_a_wait_for_a_name_that_is_given_up_leaves_nothing(runtime, clock):
    for _ in range(3):
        waiting = asyncio.create_task(runtime.await_name("nobody", 1))
        await clock.advance(1)
        assert not await waiting
    cancelled = asyncio.create_task(runtime.await_name("nobody", 1))
    await settle()
    cancelled.cancel()
    await settle()

    assert not runtime._arrivals
    assert clock.pending == 0


async def test_a_wait_for_a_name_goes_on_when_its_holder_was_gone_at_once(runtime):
    waiting = asyncio.create_task(runtime.await_name("shy", 10))
    await settle()
    (await started(runtime, Scripted(), name="shy")).exit(KILLED)
    await settle()
    assert not waiting.done()
    await started(runtime, Scripted(), name="shy")

    assert await waiting
    assert not runtime._arrivals


async def test_all_who_wait_for_a_name_are_woken(runtime):
    waiting = [asyncio.create_task(runtime.await_name("popular", 10)) for _ in range(5)]
    await settle()
    await started(runtime, Scripted(), name="popular")

    assert await asyncio.gather(*waiting) == [True] * 5


async def test_a_name_whose_holder_is_about_to_end_is_waited_for_anew(runtime, clock):
    class Slow(Scripted):
        async def terminate(self, reason):
            await forever()

    process = await started(runtime, Slow(), name="leaving")
    process.request_stop(KILLED)
    await settle()
    waiting = asyncio.create_task(runtime.await_name("leaving", 1))
    await clock.advance(1)

    assert not await waiting


async def test_no_time_to_wait_still_looks(runtime):
    await started(runtime, Scripted(), name="here")

    assert await runtime.await_name("here", 0)
    assert not await runtime.await_name("nowhere", 0)


# Messages that meet a start


async def test_messages_sent_during_init_are_served_when_it_is_through(runtime):
    gate = asyncio.Event()
    diary: list[object] = []

    class Late(Scripted):
        async def init(self):
            await gate.wait()

    start = asyncio.create_task(spawn(runtime, Late(diary), name="late"))
    await settle()
    runtime.whereis("late").cast("early")
    gate.set()
    await start
    await settle()

    assert diary == ["early"]


async def test_a_call_of_a_half_started_actor_fails_with_its_start(runtime):
    class Failing(Scripted):
        async def init(self):
            await asyncio.sleep(0)
            boom()

    start = asyncio.create_task(spawn(runtime, Failing(), name="failing"))
    await asyncio.sleep(0)
    call = asyncio.create_task(runtime.named("failing").call(Ask(1), timeout_s=None))
    with pytest.raises(CallExit):
        await call
    await asyncio.wait([start])

    assert start.exception() is not None
    with pytest.raises(CallExit) as caught:
        await runtime.named("failing").call(Ask(1))
    assert caught.value.reason == NOPROC


async def test_no_message_is_lost_when_it_arrives_as_the_worker_parks(runtime):
    """Every interleaving of a message with the end of an async callback, pass by pass."""

    async def brief(_self) -> None:
        await asyncio.sleep(0)

    for passes in range(8):
        diary: list[object] = []
        process = await started(runtime, Scripted(diary))
        process.cast(brief)
        for _ in range(passes):
            await asyncio.sleep(0)
        process.cast("arrived")
        await settle()
        assert diary == ["arrived"]


async def test_what_a_pipe_cannot_wrap_ends_the_actor(runtime):
    process = await started(runtime, Scripted())
    future = runtime.loop.create_future()
    process.cast(lambda self: self.pipe(future, lambda done: done.result()))
    await settle()
    future.cancel()
    await settle()

    assert "CancelledError" in str(process.exit_reason)


async def test_a_pipe_brings_its_future_as_a_message(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    future = runtime.loop.create_future()
    process.cast(lambda self: self.pipe(future, lambda done: done.result()))
    await settle()
    future.set_result("here")
    await settle()

    assert diary == [("info", "here")]
