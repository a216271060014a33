"""Group P, tasks under a supervisor: linked to their caller or not, forgotten, restarted; what is reported of a crash."""

import asyncio
import gc
import weakref
from contextvars import ContextVar
from functools import partial

import pytest

from supervisors import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    Custom,
    Error,
    Exited,
    Flags,
    MaxChildren,
    Restart,
    Supervisor,
    Tasks,
    TaskStart,
    TaskSupervisor,
    actor,
    spawn,
    sys,
)
from supervisors.dynamic import CountDynamic
from supervisors.events import Crashed
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.signals import current_process
from supervisors.task import ancestors, async_, callers, start_link
from supervisors.testing import settle
from tests.conformance.errands import Boss, Mortal, boom, deaf, done, exit_of, forever, leave


@pytest.fixture
async def boss(runtime):
    return await spawn(runtime, Boss(), name="boss")


@pytest.fixture
async def mortal(runtime):
    return await spawn(runtime, Mortal(), name="mortal")


@pytest.fixture
async def supervisor(runtime):
    return await spawn(runtime, TaskSupervisor(), name="tasks")


@pytest.fixture
def tasks(runtime, supervisor):
    return Tasks(runtime.named("tasks"))


@pytest.fixture
async def full(runtime):
    """A supervisor with room for one task, which it has."""
    await spawn(runtime, TaskSupervisor(max_children=1), name="small")
    small = Tasks(runtime.named("small"))
    await small.start_child(forever)
    return small


async def processes(tasks):
    return [child.process for child in await tasks.children()]


async def who():
    me = current_process()
    return me, callers(), ancestors()


# The report of a crash


async def test_p80_a_crash_is_reported_with_what_ran_and_who_started_it(mortal, reports):
    async def errand():
        process = start_link(boom, label="burglary")
        mortal.unlink(process)
        return process

    process = await mortal.call(errand)
    reason = await process.ended()
    [report] = [event for event in reports.events if isinstance(event, Crashed)]

    assert (report.process, report.pid, report.reason) == ("burglary", process.pid, reason)
    assert (report.runs, report.parent, report.ancestors) == ("boom, started from mortal", "mortal", ("mortal",))
    assert isinstance(reason, Error)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED, Custom("told to")])
async def test_p80_a_task_that_is_ended_by_a_signal_is_not_reported(tasks, reports, reason):
    async def ends_itself():
        current_process().exit(reason)
        await forever()

    process = await tasks.start_child(ends_itself)

    assert await process.ended() == reason

    assert [event for event in reports.events if isinstance(event, Crashed)] == []


# async_


async def test_p81_async_runs_under_the_supervisor_and_is_linked_to_the_caller_too(boss, tasks, supervisor):
    async def errand():
        handle = await tasks.async_(done)
        return await processes(tasks) == [handle.process], set(handle.process.links), await handle

    assert await boss.call(errand) == (True, {boss, supervisor}, "done")
    assert boss.instance.inbox == []


async def test_p81_async_takes_its_caller_along_when_it_crashes(mortal, tasks, supervisor):
    async def errand():
        return await (await tasks.async_(boom))

    assert isinstance(await exit_of(mortal.call(errand)), Error)
    assert isinstance(await mortal.ended(), Error)
    assert supervisor.alive


@pytest.mark.parametrize("kind", ["async_", "async_nolink", "start_child"])
async def test_p82_a_task_may_be_killed_at_once_when_its_supervisor_ends(tasks, supervisor, kind):
    started = await getattr(tasks, kind)(deaf, shutdown_s=BRUTAL_KILL)
    process = getattr(started, "process", started)
    await settle()
    supervisor.request_stop(SHUTDOWN)

    assert await process.ended() == KILLED


async def test_p83_async_is_refused_by_a_full_supervisor(full):
    with pytest.raises(MaxChildren, match="at most 1 tasks"):
        await full.async_(done)


async def test_p84_async_knows_on_whose_behalf_it_runs(boss, tasks, supervisor):
    async def outer():
        return await who(), await (await tasks.async_(who))

    async def errand():
        return await (await tasks.async_(outer))

    (parent, its_callers, its_ancestors), (_, callers_, ancestors_) = await boss.call(errand)

    assert (its_callers, its_ancestors) == ((boss,), (supervisor,))
    assert (callers_, ancestors_) == ((parent, boss), (supervisor,))


# async_nolink


async def test_p85_async_nolink_runs_under_the_supervisor_alone(mortal, tasks, supervisor):
    async def errand():
        handle = await tasks.async_nolink(boom)
        return await processes(tasks) == [handle.process], handle.process.links, await handle.poll(within_s=1)

    is_child, links, outcome = await mortal.call(errand)

    assert (is_child, links) == (True, (supervisor,))
    assert isinstance(outcome, Exited)
    assert mortal.alive


async def test_p86_async_nolink_is_killed_after_its_own_patience_when_its_supervisor_ends(tasks, supervisor, clock):
    handle = await tasks.async_nolink(deaf, shutdown_s=2)
    await settle()
    supervisor.request_stop(SHUTDOWN)
    await clock.advance(1.9)
    assert handle.process.alive
    await clock.advance(0.1)

    assert await exit_of(handle) == KILLED


async def test_p87_async_nolink_is_refused_by_a_full_supervisor(full):
    with pytest.raises(MaxChildren, match="at most 1 tasks"):
        await full.async_nolink(done)


async def test_p88_async_nolink_takes_a_function_with_its_arguments(tasks):
    async def total(*numbers):
        return sum(numbers)

    assert await (await tasks.async_nolink(partial(total, 1, 2, 3))) == 6


# start_child


async def test_p89_start_child_runs_under_the_supervisor_alone(mortal, tasks, supervisor):
    async def errand():
        process = await tasks.start_child(boom)
        return process, await processes(tasks)

    process, children = await mortal.call(errand)

    assert children == [process]
    assert isinstance(await process.ended(), Error)
    await settle()
    assert (await tasks.children(), mortal.alive, supervisor.alive) == ((), True, True)


async def test_p90_start_child_takes_a_function_with_its_arguments(tasks):
    seen = []

    async def note(*words):
        seen.append(words)

    process = await tasks.start_child(partial(note, "a", "b"))

    assert await process.ended() == NORMAL
    assert seen == [("a", "b")]


async def test_p91_start_child_is_asked_to_end_with_its_supervisor(tasks, supervisor):
    process = await tasks.start_child(forever)
    supervisor.request_stop(SHUTDOWN)

    assert await process.ended() == SHUTDOWN


@pytest.mark.parametrize(
    ("restart", "reason", "lives"),
    [
        (Restart.PERMANENT, SHUTDOWN, 2),
        (Restart.TRANSIENT, SHUTDOWN, 1),
        (Restart.TRANSIENT, Custom("crash"), 2),
        (Restart.TEMPORARY, Custom("crash"), 1),
    ],
)
async def test_p92_start_child_is_run_again_as_its_restart_says(tasks, restart, reason, lives):
    lived = []

    async def live():
        lived.append(callers())
        await forever()

    process = await tasks.start_child(live, restart=restart)
    await settle()
    process.exit(reason)
    assert await process.ended() == reason
    await settle()

    assert lived == [()] * lives
    assert len(await tasks.children()) == lives - 1


async def test_p93_start_child_knows_on_whose_behalf_it_runs(boss, tasks, supervisor):
    seen = []

    async def inner():
        seen.append(await who())

    async def outer():
        seen.append(await who())
        await (await tasks.start_child(inner)).ended()

    async def errand():
        await (await tasks.start_child(outer)).ended()

    await boss.call(errand)
    (parent, *first), (_, *second) = seen

    assert first == [(boss,), (supervisor,)]
    assert second == [(parent, boss), (supervisor,)]


async def test_p93_context_variables_travel_with_a_task_through_its_restarts(tasks):
    mood = ContextVar("mood", default="none")
    seen = []

    async def note():
        seen.append(mood.get())
        await forever()

    mood.set("cheerful")
    process = await tasks.start_child(note, restart=Restart.PERMANENT)
    mood.set("gloomy")
    await settle()
    process.exit(SHUTDOWN)
    await settle()

    assert seen == ["cheerful", "cheerful"]


async def test_p94_a_child_is_terminated_once(tasks):
    process = await tasks.start_child(forever)
    assert await processes(tasks) == [process]

    assert await tasks.stop(process) == "ok"
    assert await tasks.children() == ()
    assert await tasks.stop(process) == "not_found"


# await


async def test_p95_a_late_result_of_a_supervised_task_is_dropped(boss, tasks):
    gate = asyncio.Event()

    async def errand():
        handle = await tasks.async_(gate.wait)
        reason = await exit_of(handle.result(within_s=0))
        gate.set()
        return reason, await handle.process.ended(), handle.outcome

    assert await boss.call(errand) == (TIMEOUT, NORMAL, Exited(NOPROC))


async def test_p96_await_fails_when_a_supervised_task_throws_what_is_no_error(tasks):
    async def throw():
        raise GeneratorExit

    assert isinstance((await exit_of(await tasks.async_(throw))).exception, GeneratorExit)


async def test_p97_await_fails_with_the_error_of_a_supervised_task(boss, tasks):
    async def errand():
        return await exit_of(await tasks.async_(boom))

    assert isinstance((await boss.call(errand)).exception, ValueError)


async def test_p98_await_fails_with_the_reason_a_supervised_task_chose(boss, tasks):
    async def errand():
        return await exit_of(await tasks.async_(partial(leave, Custom("unknown"))))

    assert await boss.call(errand) == Custom("unknown")


# The supervisor


async def test_p113_a_task_supervisor_is_a_child_like_any_other(runtime):
    child = ChildSpec("tasks", actor(TaskSupervisor, name="tasks"))
    await spawn(runtime, Supervisor(Flags(), (child,)), name="root")

    assert await (await Tasks(runtime.named("tasks")).async_nolink(done)) == "done"


async def test_p113_a_task_is_a_child_like_any_other(runtime):
    seen = []

    async def note():
        seen.append(ancestors()[0].label)

    child = ChildSpec("note", TaskStart(note), Restart.TEMPORARY)
    await spawn(runtime, Supervisor(Flags(), (child,)), name="root")
    await settle()

    assert seen == ["root"]


async def test_p114_a_task_supervisor_counts_and_lists_its_children(tasks, supervisor):
    async def count():
        counts = await supervisor.call(CountDynamic())
        return counts.specs, counts.active, counts.supervisors, counts.workers

    assert (await count(), await tasks.children()) == ((0, 0, 0, 0), ())
    process = await tasks.start_child(forever, label="work")

    assert await count() == (1, 1, 0, 1)
    assert [(child.id, child.process) for child in await tasks.children()] == [("work", process)]


# The owner ends


async def test_p115_a_linked_task_ends_with_its_owner(mortal, tasks):
    async def errand():
        return async_(forever).process, (await tasks.async_(forever)).process

    alone, supervised = await mortal.call(errand)
    mortal.exit(Custom("gone"))

    assert await alone.ended() == await supervised.ended() == Custom("gone")


async def test_p115_an_unlinked_task_outlives_its_owner_and_its_result_is_dropped_silently(mortal, tasks, reports):
    class Result:
        pass

    gate, results = asyncio.Event(), []

    async def work():
        await gate.wait()
        result = Result()
        results.append(weakref.ref(result))
        return result

    async def errand():
        return (await tasks.async_nolink(work)).process

    process = await mortal.call(errand)
    mortal.exit(SHUTDOWN)
    await settle()
    assert process.alive
    gate.set()
    assert await process.ended() == NORMAL
    del process
    await settle()
    gc.collect()

    assert results[0]() is None
    assert reports.events == []


@pytest.mark.parametrize("kind", ["async_", "async_nolink"])
async def test_p115_a_caller_that_is_cancelled_before_its_task_is_started_leaves_none_behind(supervisor, tasks, kind):
    await sys.suspend(supervisor)
    caller = asyncio.create_task(getattr(tasks, kind)(forever))
    await settle()
    assert not caller.done()
    caller.cancel()
    await asyncio.wait([caller])
    await sys.resume(supervisor)
    await settle()

    assert await tasks.children() == ()
