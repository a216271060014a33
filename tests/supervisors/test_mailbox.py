"""The mailbox of an actor: order, bound, and what a full one does."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import KILLED, SHUTDOWN, CallExit, Custom, MailboxFull
from supervisors.exits import TIMEOUT
from supervisors.inbox import Overflow
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, started


def limited(capacity: int, overflow: Overflow) -> type[Scripted]:
    return type("Limited", (Scripted,), {"mailbox_capacity": capacity, "mailbox_overflow": overflow})


async def busy(runtime, capacity: int = 2, overflow: Overflow = Overflow.REJECT):
    """An actor in a callback that waits for the gate, and its diary."""
    gate, diary = asyncio.Event(), []
    process = await started(runtime, limited(capacity, overflow)(diary))

    async def wait(_self) -> None:
        await gate.wait()

    process.cast(wait)
    await settle()
    return process, gate, diary


async def opened(gate: asyncio.Event) -> None:
    gate.set()
    await settle()


async def test_what_is_sent_is_worked_on_in_the_order_of_arrival(runtime):
    process, gate, diary = await busy(runtime, capacity=100)
    for number in range(50):
        process.cast(number)
        process.send(number)
    await opened(gate)

    assert diary == [each for number in range(50) for each in (number, ("info", number))]


async def test_a_full_mailbox_rejects_and_says_so(runtime):
    process, gate, diary = await busy(runtime)
    taken = [process.cast(number) for number in range(4)]
    with pytest.raises(MailboxFull):
        await process.call(Ask(1))
    await opened(gate)

    assert taken == [True, True, False, False]
    assert diary == [0, 1]
    assert process.mailbox.refused == 3


async def test_what_has_left_makes_room_at_once(runtime):
    process, gate, diary = await busy(runtime)
    process.cast(lambda self: self.me.cast("again") and None)
    process.cast("second")
    await opened(gate)

    assert diary == ["second", "again"]


async def test_a_mailbox_that_drops_the_new_lets_the_sender_believe(runtime, clock):
    process, gate, diary = await busy(runtime, overflow=Overflow.DROP_NEW)
    taken = [process.send(number) for number in range(3)]
    call = asyncio.create_task(process.call(Ask(1), timeout_s=1))
    await clock.advance(1)
    await opened(gate)

    assert taken == [True, True, True]
    assert diary == [("info", 0), ("info", 1)]
    assert call.exception().reason == TIMEOUT


async def test_a_mailbox_that_drops_the_oldest_keeps_the_newest_and_fails_an_old_call(runtime):
    process, gate, diary = await busy(runtime, overflow=Overflow.DROP_OLDEST)
    call = asyncio.create_task(process.call(Ask(1)))
    await settle()
    for number in range(4):
        process.cast(number)
    await opened(gate)

    assert diary == [2, 3]
    assert call.exception().reason == Custom("mailbox_full")


async def test_an_actor_that_cannot_keep_up_is_killed_if_its_class_says_so(runtime):
    process, _, _ = await busy(runtime, overflow=Overflow.KILL)
    taken = [process.cast(number) for number in range(3)]
    await settle()

    assert taken == [True, True, False]
    assert process.exit_reason == Custom("mailbox_full")


@pytest.mark.parametrize("overflow", Overflow)
async def test_a_full_mailbox_takes_exits_alarms_and_stops(runtime, clock, overflow):
    process, gate, diary = await busy(runtime, overflow=overflow)
    process.cast(0)
    process.cast(1)
    process.send_after(1, "alarm")
    await clock.advance(1)
    process.request_stop(SHUTDOWN)
    await opened(gate)

    assert diary == [0, 1, ("info", "alarm")]
    assert process.exit_reason == SHUTDOWN


async def test_nothing_is_taken_after_the_end(runtime):
    process = await started(runtime, Scripted())
    process.exit(KILLED)

    assert not process.cast(1)
    assert not process.send(1)
    with pytest.raises(CallExit):
        await process.call(Ask(1))


async def test_peak_and_depth_are_shown(runtime):
    process, gate, _ = await busy(runtime, capacity=10)
    for number in range(7):
        process.cast(number)
    before = process.mailbox
    await opened(gate)

    assert (before.depth, before.peak, before.capacity) == (7, 7, 10)
    assert (process.mailbox.depth, process.mailbox.peak) == (0, 7)


@given(st.lists(st.integers(0, 5), max_size=30))
async def test_never_more_than_its_capacity_and_never_less(bursts):
    from supervisors import Runtime
    from supervisors.testing import VirtualClock

    runtime = Runtime(clock=VirtualClock(), reporter=lambda _event: None)
    diary: list[object] = []
    process = await started(runtime, limited(3, Overflow.REJECT)(diary))
    expected: list[object] = []
    for burst in bursts:
        for number in range(burst):
            assert process.cast(number) is (number < 3)
        expected += range(min(burst, 3))
        await settle()

    assert diary == expected
