"""Group P, one task or several: starting, awaiting, polling, ending, ignoring."""

import asyncio
from functools import partial

import pytest

from supervisors import BRUTAL_KILL, KILLED, NORMAL, SHUTDOWN, Custom, Error, Exit, Exited, Ok, TaskHandle, spawn
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.signals import current_process
from supervisors.task import NotOwner, async_, await_many, poll_many, start, start_link
from supervisors.task_handle import async_nolink
from supervisors.testing import settle
from tests.conformance.errands import Boss, Mortal, boom, deaf, done, exit_of, forever, leave


@pytest.fixture
async def boss(runtime):
    return await spawn(runtime, Boss(), name="boss")


@pytest.fixture
async def mortal(runtime):
    return await spawn(runtime, Mortal(), name="mortal")


class Gate:
    """Work that waits until it is let go."""

    def __init__(self, outcome=done):
        self.opened, self.outcome = asyncio.Event(), outcome

    def open(self):
        self.opened.set()

    async def __call__(self):
        await self.opened.wait()
        return await self.outcome()


@pytest.fixture
def begin(runtime):
    """A task of nobody's, so that what happens to it touches nothing but its handle."""
    return partial(async_nolink, runtime=runtime)


@pytest.fixture
def ended(begin):
    async def ended(job):
        handle = begin(job)
        await handle.process.ended()
        return handle

    return ended


async def done_in_spite(reason, begin):
    """A task that brought its result although it ended for `reason`."""

    async def stubborn():
        try:
            await forever()
        except asyncio.CancelledError:
            return "done"

    handle = begin(stubborn)
    await settle()
    handle.process.exit(reason)
    assert await handle.process.ended() == reason
    return handle


async def is_refused(boss, ask):
    """Whether `boss`, asking for a task that is not its own, ends for that mistake."""
    return isinstance((await exit_of(boss.call(ask))).exception, NotOwner)


# Starting


async def test_p01_async_links_the_task_to_its_caller_and_brings_the_result(boss):
    async def errand():
        handle = async_(done)
        return handle.process in current_process().links, handle.owner is current_process(), await handle

    assert await boss.call(errand) == (True, True, "done")


async def test_p02_async_takes_a_function_with_its_arguments(runtime):
    async def total(*numbers):
        return sum(numbers)

    handle = async_(partial(total, 1, 2, 3), runtime=runtime)

    assert await handle == 6
    assert handle.process.label.endswith("total")


async def test_p03_start_links_to_nobody(mortal):
    async def errand():
        return start(boom)

    process = await mortal.call(errand)

    assert process.links == ()
    assert isinstance(await process.ended(), Error)
    assert mortal.alive


async def test_p04_start_takes_a_function_with_its_arguments(runtime):
    seen = []

    async def note(*words):
        seen.append(words)

    assert await start(partial(note, "a", "b"), runtime=runtime).ended() == NORMAL
    assert seen == [("a", "b")]


async def test_p05_start_link_links_to_the_caller(mortal):
    async def errand():
        return start_link(boom)

    process = await mortal.call(errand)
    assert process.links == (mortal,)

    assert await mortal.ended() == await process.ended()


async def test_p06_start_link_takes_a_function_with_its_arguments(boss):
    seen = []

    async def note(*words):
        seen.append(words)

    async def errand():
        return start_link(partial(note, "a", "b"))

    process = await boss.call(errand)
    assert await process.ended() == NORMAL
    await settle()
    assert seen == [("a", "b")]
    assert boss.instance.inbox == [Exit(process, NORMAL)]


async def test_p07_a_completed_task_has_its_result_and_no_process():
    handle = TaskHandle.completed("done")

    assert handle.process is None
    assert await handle == "done"
    assert await handle.poll() == Ok("done")


async def test_p08_ignore_answers_a_result_that_is_there(ended):
    assert (await ended(done)).ignore() == Ok("done")
    assert TaskHandle.completed("done").ignore() == Ok("done")


@pytest.mark.parametrize("outcome", [done, boom])
async def test_p09_ignore_drops_what_comes_late(boss, outcome):
    gate = Gate(outcome)

    async def errand():
        handle = async_(gate)
        answer = handle.ignore()
        gate.open()
        await handle.process.ended()
        return answer, await handle.poll()

    assert await boss.call(errand) == (None, Exited(NOPROC))
    assert boss.instance.inbox == []


async def test_p10_ignore_answers_a_failure_that_is_there(ended):
    handle = await ended(partial(leave, Custom("oops")))

    assert handle.ignore() == Exited(Custom("oops"))


# await


async def test_p11_a_result_that_comes_after_the_time_out_is_dropped(begin):
    gate = Gate()
    handle = begin(gate)
    assert await exit_of(handle.result(within_s=0)) == TIMEOUT
    gate.open()

    assert await handle.process.ended() == NORMAL
    assert handle.outcome == Exited(NOPROC)


async def test_p12_await_fails_when_the_time_is_up_and_not_before(begin, clock):
    waiting = asyncio.create_task(exit_of(begin(forever).result(within_s=5)))
    await clock.advance(4.999)
    assert not waiting.done()
    await clock.advance(0.001)

    assert await waiting == TIMEOUT
    assert clock.pending == 0


async def test_p13_await_fails_when_the_task_ends_normally_without_a_result(boss):
    async def errand():
        return await exit_of(async_(partial(leave, NORMAL)))

    assert await boss.call(errand) == NORMAL


async def test_p14_await_fails_when_something_is_thrown_that_is_no_error(begin):
    class Thrown(BaseException):
        pass

    async def throw():
        raise Thrown

    assert isinstance((await exit_of(begin(throw))).exception, Thrown)


async def test_p15_await_fails_with_the_error_of_the_task(boss):
    async def errand():
        return await exit_of(async_(boom))

    assert isinstance((await boss.call(errand)).exception, ValueError)


async def test_p15_a_caller_that_does_not_trap_exits_ends_with_its_task(mortal):
    async def errand():
        await async_(boom)

    reason = await exit_of(mortal.call(errand))

    assert isinstance(reason.exception, ValueError)
    assert await mortal.ended() == reason


async def test_p16_await_fails_with_the_reason_the_task_chose(begin):
    assert await exit_of(begin(partial(leave, Custom("unknown")))) == Custom("unknown")


async def test_p17_only_the_owner_may_await(boss, begin):
    async def errand():
        return async_(done)

    handle = await boss.call(errand)
    with pytest.raises(NotOwner, match="asked by boss"):
        await handle
    assert await is_refused(boss, begin(done).result)


async def test_p18_await_fails_when_the_job_is_no_coroutine_function(begin):
    assert isinstance((await exit_of(begin(lambda: 42))).exception, TypeError)


async def test_p19_await_fails_when_the_job_cannot_be_called(begin):
    assert isinstance((await exit_of(begin(partial(done, "one argument too many")))).exception, TypeError)


# await_many


async def word(value):
    return value


async def test_p20_await_many_brings_all_results(begin):
    assert await await_many([begin(partial(word, n)) for n in (1, 3, 9)]) == [1, 3, 9]


async def test_p21_await_many_keeps_the_order_of_the_tasks_whatever_the_order_of_their_ends(begin):
    gates = [Gate(partial(word, n)) for n in (1, 3, 9)]
    waiting = asyncio.create_task(await_many([begin(gate) for gate in gates]))
    for index in (1, 2, 0):
        gates[index].open()
        await settle()

    assert await waiting == [1, 3, 9]


async def test_p22_await_many_of_none_returns_at_once():
    assert await await_many([]) == []


async def test_p23_await_many_leaves_other_messages_alone(boss):
    async def errand():
        boss.send("a word")
        return await await_many([async_(partial(word, n)) for n in (1, 2)])

    assert await boss.call(errand) == [1, 2]
    await settle()
    assert boss.instance.inbox == ["a word"]


async def test_p24_a_task_has_one_result_and_its_handle_one_answer(begin):
    handles = [begin(partial(word, n)) for n in (1, 2)]
    await await_many(handles)
    for handle in handles:
        handle.process.exit(KILLED)

    assert await await_many([*handles, handles[0]]) == [1, 2, 1]


async def test_p25_await_many_has_one_deadline(begin, clock):
    handles = [begin(done), begin(forever)]
    waiting = asyncio.create_task(exit_of(await_many(handles, within_s=3)))
    await clock.advance(3)

    assert await waiting == TIMEOUT
    assert [handle.outcome for handle in handles] == [Ok("done"), Exited(NOPROC)]


async def test_p26_await_many_fails_for_the_reason_of_the_task(begin):
    assert await exit_of(await_many([begin(partial(leave, NORMAL))])) == NORMAL


async def test_p27_await_many_fails_at_once_when_any_task_ends_without_a_result(begin):
    assert await exit_of(await_many([begin(forever), begin(partial(leave, NORMAL))])) == NORMAL


async def test_p28_await_many_fails_at_once_when_any_task_crashes_and_watches_the_others_no_more(begin):
    handles = [begin(forever), begin(boom)]
    assert isinstance(await exit_of(await_many(handles)), Error)

    assert handles[0].process.alive
    assert handles[0].outcome == Exited(NOPROC)


async def test_p29_await_many_refuses_a_task_of_somebody_else(boss, begin):
    async def errand():
        return async_(forever)

    with pytest.raises(NotOwner):
        await await_many([begin(done), await boss.call(errand)], within_s=1)


# poll, poll_many


async def test_p30_poll_answers_the_result_even_if_the_task_ended_badly(begin):
    assert await (await done_in_spite(Custom("abnormal"), begin)).poll() == Ok("done")


async def test_p31_poll_answers_none_when_the_time_is_up_and_may_be_asked_again(begin, clock):
    gate = Gate()
    handle = begin(gate)
    waiting = asyncio.create_task(handle.poll(within_s=2))
    await clock.advance(2)
    assert await waiting is None
    gate.open()

    assert await handle.poll(within_s=2) == Ok("done")
    assert clock.pending == 0


async def test_p32_poll_answers_a_normal_end_without_a_result(begin):
    assert await begin(partial(leave, NORMAL)).poll(within_s=5) == Exited(NORMAL)


async def test_p34_only_the_owner_may_poll(boss, begin):
    assert await is_refused(boss, begin(done).poll)


async def test_p35_poll_many_answers_the_result_even_if_the_task_ended_badly(begin):
    assert await poll_many([await done_in_spite(Custom("abnormal"), begin)], 0) == [Ok("done")]


async def test_p36_poll_many_answers_none_when_the_time_is_up_and_leaves_the_task_alone(begin, clock):
    handle = begin(forever)
    waiting = asyncio.create_task(poll_many([handle], 4))
    await clock.advance(4)

    assert await waiting == [None]
    assert (handle.process.alive, handle.outcome) == (True, None)


async def test_p37_poll_many_kills_on_time_out_when_told_to(begin):
    handle = begin(deaf)

    assert await poll_many([handle], 0, on_timeout="kill_task") == [None]
    assert await handle.process.ended() == KILLED


async def test_p38_poll_many_ignores_on_time_out_when_told_to(begin):
    gate = Gate()
    handle = begin(gate)
    assert await poll_many([handle], 0, on_timeout="ignore") == [None]
    assert handle.process.alive
    gate.open()
    await handle.process.ended()

    assert await handle.poll() == Exited(NOPROC)


async def test_p39_poll_many_answers_a_normal_end_without_a_result(begin):
    assert await poll_many([begin(partial(leave, NORMAL))]) == [Exited(NORMAL)]


async def test_p41_poll_many_refuses_a_task_of_somebody_else(boss, begin):
    assert await is_refused(boss, partial(poll_many, [begin(done)], 1))


async def test_p42_poll_many_answers_what_there_is(ended, begin):
    handles = [await ended(done), begin(forever), await ended(partial(leave, NORMAL))]

    assert await poll_many(handles, 0) == [Ok("done"), None, Exited(NORMAL)]


async def test_p43_poll_many_answers_no_more_than_the_limit(ended, begin):
    first, second, third = await ended(done), begin(forever), await ended(partial(leave, NORMAL))

    assert await poll_many([first, second, third], None, limit=1) == [Ok("done"), None, None]
    assert await poll_many([second, third], None, limit=1) == [None, Exited(NORMAL)]


async def test_p44_poll_many_that_reached_its_limit_kills_nobody(begin):
    handles = [begin(forever), begin(done)]
    assert await poll_many(handles, None, on_timeout="kill_task", limit=1) == [None, Ok("done")]
    assert handles[0].process.alive

    assert await poll_many(handles[:1], 0, on_timeout="kill_task", limit=1) == [None]
    assert not handles[0].process.alive


async def test_p45_poll_many_without_a_deadline_waits_for_all(begin):
    jobs = [done, done, partial(leave, NORMAL)]

    assert await poll_many([begin(job) for job in jobs], None) == [Ok("done"), Ok("done"), Exited(NORMAL)]


# shutdown


@pytest.mark.parametrize("within_s", [5, BRUTAL_KILL])
async def test_p46_shutdown_answers_a_result_even_if_the_task_ended_badly(begin, within_s):
    assert await (await done_in_spite(Custom("abnormal"), begin)).shutdown(within_s) == Ok("done")


async def test_p47_shutdown_answers_the_result_of_a_task_that_ended_normally(ended):
    assert await (await ended(done)).shutdown() == Ok("done")


async def test_p48_shutdown_answers_a_result_that_the_task_brings_while_it_is_ended(begin):
    async def obedient():
        try:
            await forever()
        except asyncio.CancelledError:
            return "just in time"

    handle = begin(obedient)
    await settle()

    assert await handle.shutdown() == Ok("just in time")
    assert handle.process.exit_reason == SHUTDOWN


async def test_p49_shutdown_answers_none_when_the_task_ends_as_it_is_told(boss):
    async def errand():
        handle = async_(forever)
        await settle()
        return await handle.shutdown(), handle.process.exit_reason

    assert await boss.call(errand) == (None, SHUTDOWN)
    assert boss.instance.inbox == []


async def test_p50_shutdown_answers_why_the_task_had_crashed(ended):
    assert await (await ended(partial(leave, Custom("abnormal")))).shutdown() == Exited(Custom("abnormal"))


async def test_p51_shutdown_answers_a_normal_end_without_a_result(ended):
    assert await (await ended(partial(leave, NORMAL))).shutdown() == Exited(NORMAL)


async def test_p52_shutdown_answers_none_if_the_task_had_been_shut_down(ended):
    assert await (await ended(partial(leave, SHUTDOWN))).shutdown() is None


async def test_p53_shutdown_answers_that_somebody_else_had_killed_the_task(ended):
    assert await (await ended(partial(leave, KILLED))).shutdown() == Exited(KILLED)


async def test_p54_shutdown_of_a_task_without_a_process_answers_its_result():
    assert await TaskHandle.completed("done").shutdown() == Ok("done")


async def test_p55_only_the_owner_may_shut_down(boss, begin):
    handle = begin(forever)

    assert await is_refused(boss, handle.shutdown)
    assert handle.process.alive


async def test_p56_shutdown_of_a_task_that_was_given_up_ends_it_and_knows_no_reason(begin):
    handle = begin(forever)
    await exit_of(handle.result(within_s=0))

    assert await handle.shutdown() == Exited(NOPROC)
    assert handle.process.exit_reason == SHUTDOWN


async def test_p57_a_brutal_shutdown_answers_the_result_of_a_task_that_has_ended(ended, begin):
    assert await (await ended(done)).shutdown(BRUTAL_KILL) == Ok("done")
    assert await (await done_in_spite(SHUTDOWN, begin)).shutdown(BRUTAL_KILL) == Ok("done")


async def test_p58_a_brutal_shutdown_answers_none_if_the_task_had_been_killed(ended):
    assert await (await ended(partial(leave, KILLED))).shutdown(BRUTAL_KILL) is None


async def test_p59_a_brutal_shutdown_answers_that_the_task_had_been_shut_down(ended):
    assert await (await ended(partial(leave, SHUTDOWN))).shutdown(BRUTAL_KILL) == Exited(SHUTDOWN)


async def test_p60_a_brutal_shutdown_kills_a_task_that_traps_exits(boss):
    async def errand():
        handle = async_(deaf)
        await settle()
        return await handle.shutdown(BRUTAL_KILL), handle.process.exit_reason

    assert await boss.call(errand) == (None, KILLED)
    assert boss.instance.inbox == []


async def test_p61_shutdown_kills_when_the_time_is_up_and_says_so(begin, clock):
    handle = begin(deaf)
    await settle()
    waiting = asyncio.create_task(handle.shutdown(within_s=5))
    await clock.advance(4.9)
    assert handle.process.alive
    await clock.advance(0.1)

    assert await waiting == Exited(KILLED)
    assert clock.pending == 0
