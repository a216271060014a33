"""Who runs when: the order of messages, the shortcut of calls, the bounds of a turn and of a pass."""

import asyncio
from contextvars import copy_context
from dataclasses import dataclass

import pytest

from supervisors import Actor, CallExit, Continue, Error, From, Process, Request, Runtime
from supervisors.process import current_process
from supervisors.scheduler import PASS_TURNS, TURN_MESSAGES, Scheduler
from supervisors.testing import VirtualClock, settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started


async def test_a_call_never_overtakes_a_message_of_the_same_sender(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    for number in range(100):
        process.cast(number)
        await process.call(Ask(lambda self, _from, number=number: self.diary.append(-number)))

    assert diary == [each for number in range(100) for each in (number, -number)]


async def test_a_call_of_a_busy_actor_waits_for_its_turn(runtime):
    gate = asyncio.Event()

    async def hold(self):
        await gate.wait()
        self.diary.append("held")

    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(hold)
    await settle()
    call = asyncio.create_task(process.call(Ask(lambda self, _from: self.diary.append("called"))))
    await settle()
    gate.set()
    await call

    assert diary == ["held", "called"]


async def test_what_a_callback_continues_with_comes_before_the_next_call(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(lambda _self: Continue("first"))
    await settle()
    process.cast(lambda _self: Continue("second"))
    await process.call(Ask(lambda self, _from: self.diary.append("called")))

    assert diary == [("continue", "first"), ("continue", "second"), "called"]


async def test_a_client_that_calls_without_end_lets_others_run(runtime):
    process = await started(runtime, Scripted())
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    for number in range(10 * TURN_MESSAGES):
        await process.call(Ask(number))
    ticking.cancel()

    assert ticks >= 9


async def test_a_callback_that_fails_within_the_step_of_its_caller_fails_the_call_alone(runtime):
    process = await started(runtime, Scripted())
    with pytest.raises(CallExit) as caught:
        await process.call(Ask(boom))

    assert isinstance(caught.value.reason, Error)
    assert current_process() is None


async def test_a_call_within_the_step_of_its_caller_may_still_be_answered_later(runtime):
    async def later(_self, _from):
        await asyncio.sleep(0)
        return "later"

    process = await started(runtime, Scripted())

    assert await process.call(Ask(later)) == "later"


async def test_a_cancelled_caller_does_not_cancel_the_callback_it_started(runtime):
    process = await started(runtime, Scripted())
    call = asyncio.create_task(process.call(Ask(forever)))
    await settle()
    call.cancel()
    await settle()

    assert process.alive
    assert process.running_task()


class Turns:
    """A runnable that is never through."""

    busy_s = 0.0

    def __init__(self, scheduler: Scheduler, log: list[str], name: str) -> None:
        self.context = copy_context()
        self.scheduler, self.log, self.name = scheduler, log, name

    def work(self, until_s: float) -> None:
        self.log.append(self.name)
        if len(self.log) < 10:
            self.scheduler.enqueue_again(self)


async def test_who_has_used_up_a_turn_waits_for_the_next_pass_behind_everybody(runtime):
    scheduler, log = runtime.scheduler, []
    for name in "ab":
        scheduler.enqueue(Turns(scheduler, log, name))
    passes = scheduler.passes
    await settle()

    assert log[:10] == list("ababababab")
    assert scheduler.passes - passes >= 5


async def test_whoever_is_woken_in_a_pass_is_served_in_the_same_pass(runtime):
    diary: list[object] = []
    last = await started(runtime, Scripted(diary))
    first = await started(runtime, Scripted())
    passes = runtime.scheduler.passes
    first.cast(lambda _self: last.cast("passed on") and None)
    await settle()

    assert diary == ["passed on"]
    assert runtime.scheduler.passes - passes == 1


async def test_a_pass_is_bounded_even_where_time_stands_still():
    runtime = Runtime(clock=VirtualClock(), reporter=lambda _event: None)
    left, right = await started(runtime, Scripted()), await started(runtime, Scripted())
    rallies = 0

    def ping(_self) -> None:
        nonlocal rallies
        rallies += 1
        if rallies < 5 * PASS_TURNS:
            (right if rallies % 2 else left).cast(ping)

    left.cast(ping)
    await settle()

    assert rallies == 5 * PASS_TURNS
    assert runtime.scheduler.passes >= 5


async def test_one_that_breaks_its_promise_not_to_raise_costs_nobody_else_a_turn(clock, reports):
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["exception"]))
    runtime = Runtime(clock=clock, reporter=reports)

    class Broken:
        busy_s = 0.0
        context = copy_context()

        def work(self, until_s: float) -> None:
            raise LookupError

    process = await started(runtime, diary := Scripted())
    runtime.scheduler.enqueue(Broken())
    process.cast("served")
    await settle()

    assert diary.diary == ["served"]
    assert len(complaints) == 1


@dataclass(frozen=True)
class Ahead(Request[int]):
    """Asks the next in a row, and so on."""

    row: "list[Process]"


class Link(Actor):
    async def handle_call(self, request: Ahead, from_: From) -> int:
        if not request.row:
            return 0
        return 1 + await request.row[0].call(Ahead(request.row[1:]))


async def test_a_row_of_calls_within_calls_longer_than_the_stack_is_deep_is_answered(runtime):
    row = [await started(runtime, Link()) for _ in range(500)]

    for _ in range(2):  # the first of each actor is begun by its new worker, the second at once
        assert await row[0].call(Ahead(row[1:])) == 499


async def test_a_sparse_caller_is_served_at_once_and_not_by_the_queue(runtime):
    process = await started(runtime, Scripted())
    for number in range(50):
        await process.call(Ask(number))
        for _ in range(5):
            await asyncio.sleep(0)

    assert process.mailbox.peak == 0
