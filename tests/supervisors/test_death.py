"""What is left of a process when it has ended: nothing."""

import asyncio
import gc
import weakref
from itertools import pairwise

import pytest

from supervisors import KILLED, NORMAL, SHUTDOWN, Actor, CallExit, Custom, Error, Exit, Runtime, spawn
from supervisors.exits import error_of
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started


async def test_callers_fail_then_the_name_is_free_then_links_and_monitors_hear_of_it(runtime):
    order: list[str] = []

    class Witness(Actor):
        trap_exit = True

        def handle_info(self, message):
            order.append(f"{type(message).__name__} {runtime.whereis('victim')}")

    witness = await started(runtime, Witness())
    victim = await started(runtime, Scripted(), name="victim")
    witness.link(victim)
    witness.monitor(victim)
    call = victim.post_call(Ask(forever), None)
    call.add_done_callback(lambda _call: order.append(f"call {runtime.whereis('victim')}"))
    await settle()
    victim.exit(KILLED)
    await settle()

    assert sorted(order) == ["Down None", "Exit None", "call None"]
    assert order.index("Exit None") < order.index("Down None")
    assert isinstance(call.exception(), CallExit)


async def test_a_chain_of_a_thousand_links_dies_without_running_out_of_stack(runtime):
    chain = [await started(runtime, Scripted()) for _ in range(1_000)]
    for left, right in pairwise(chain):
        left.link(right)
    chain[0].exit(Custom("first"))

    assert {process.exit_reason for process in chain} == {Custom("first")}


async def test_a_death_that_causes_another_is_told_to_everybody_before_the_signal_returns(runtime):
    first, second = await started(runtime, Scripted()), await started(runtime, Scripted())
    heard: list[object] = []
    second.on_death(heard.append)
    first.link(second)
    first.exit(Custom("x"))

    assert heard == [Custom("x")]


async def test_a_timer_of_a_dead_actor_is_disarmed(runtime, clock):
    process = await started(runtime, Scripted())
    process.cast(lambda self: self.send_after(3_600, "never") and None)
    await settle()
    assert clock.pending == 1
    process.exit(KILLED)

    assert clock.pending == 0


async def test_a_timer_that_went_off_or_was_cancelled_is_forgotten(runtime, clock):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(lambda self: self.send_after(1, "now") and None)
    process.cast(lambda self: self.send_after(1, "never").cancel() and None)
    await clock.advance(1)

    assert diary == [("info", "now")]
    assert clock.pending == 0
    assert not process._alarms


async def test_a_dead_watcher_leaves_no_monitor_on_the_living(runtime):
    watched = await started(runtime, Scripted())
    for _ in range(3):
        watcher = await started(runtime, Scripted())
        watcher.monitor(watched)
        watcher.exit(KILLED)

    assert not watched._monitors


async def test_a_wait_for_an_end_that_is_cancelled_leaves_nothing(runtime):
    process = await started(runtime, Scripted())
    waiting = asyncio.create_task(process.ended())
    await settle()
    waiting.cancel()
    await settle()

    assert not process._at_death


async def test_a_callback_of_a_death_that_raises_hurts_nobody_else(clock, reports):
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["exception"]))
    runtime = Runtime(clock=clock, reporter=reports)
    heard: list[object] = []
    process = await started(runtime, Scripted())
    process.on_death(boom)
    process.on_death(heard.append)
    process.exit(KILLED)

    assert heard == [KILLED]
    assert [type(error) for error in complaints] == [ValueError]


async def test_the_last_message_is_not_kept_by_an_idle_actor(runtime):
    class Payload:
        pass

    process = await started(runtime, Actor())
    payload = Payload()
    kept = weakref.ref(payload)
    process.send(payload)
    del payload
    await settle()

    assert kept() is None


async def test_an_exit_reason_keeps_no_frame_of_any_exception_behind_it(runtime):
    def chained(_self):
        try:
            try:
                boom()
            except ValueError as error:
                raise KeyError("context") from error
        except KeyError as error:
            raise ExceptionGroup("all", [error]) from error

    process = await started(runtime, Scripted())
    process.cast(chained)
    reason = await process.ended()
    assert isinstance(reason, Error)
    group = reason.exception
    inner = group.exceptions[0]

    assert [each.__traceback__ for each in (group, inner, inner.__cause__, inner.__context__)] == [None] * 4
    assert reason.where


def test_an_exception_that_is_its_own_context_is_no_endless_loop():
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first

    assert error_of(first).exception is first


@pytest.mark.parametrize("how", ["crash", "async crash", "stop", "kill", "failed init"])
async def test_an_end_leaves_no_garbage_for_the_collector(runtime, how):
    async def one_life() -> None:
        if how == "failed init":

            class Broken(Actor):
                init = boom

            try:
                await spawn(runtime, Broken())
            except Exception:  # noqa: BLE001
                return
        process = await started(runtime, Tidy())
        if how == "kill":
            process.cast(forever)
            await settle()
            process.exit(KILLED)
        elif how == "stop":
            process.request_stop(SHUTDOWN)
        else:
            process.cast(boom if how == "crash" else crash_later)
        await process.ended()
        await settle()

    async def crash_later(_self):
        await asyncio.sleep(0)
        boom()

    await one_life()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20 if how != "failed init" else 0):
            await one_life()
        assert gc.collect() < 20
    finally:
        gc.enable()


async def test_whoever_traps_hears_of_a_normal_death_too(runtime):
    seen: list[object] = []

    class Trapping(Scripted):
        trap_exit = True

    watcher = await started(runtime, Trapping(seen))
    other = await started(runtime, Scripted())
    watcher.link(other)
    other.request_stop(NORMAL)
    await settle()

    assert seen == [("info", Exit(other, NORMAL))]
