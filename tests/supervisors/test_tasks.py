"""Supervised tasks."""

import asyncio
import gc
import weakref
from functools import partial

import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    BadSpec,
    CallExit,
    Custom,
    Error,
    Flags,
    MaxChildren,
    Ok,
    Restart,
    Runtime,
    Tasks,
    TaskSupervisor,
    spawn,
)
from supervisors.admin import GetChildspec
from supervisors.application import stop_tree
from supervisors.exits import TIMEOUT
from supervisors.task import TaskProcess, TaskStart, async_, await_many, callers, poll_many, start
from supervisors.testing import settle


@pytest.fixture
async def tasks(runtime: Runtime) -> Tasks:
    await spawn(runtime, TaskSupervisor(max_children=3), name="tasks")
    return Tasks(runtime.named("tasks"))


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def crash() -> int:
    raise ValueError("boom")


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_gives_its_result(tasks):
    handle = await tasks.async_nolink(answer, label="answer")

    assert await handle.result() == 42
    assert handle.process.exit_reason == NORMAL


async def test_a_crashed_task_tells_why_and_touches_nobody(tasks, runtime):
    handle = await tasks.async_nolink(crash, label="crash")
    with pytest.raises(CallExit) as caught:
        await handle.result()

    assert isinstance(caught.value.reason, Error)
    assert runtime.whereis("tasks") is not None


async def test_no_more_tasks_than_allowed(tasks):
    for _ in range(3):
        await tasks.start_child(forever, label="forever")

    with pytest.raises(MaxChildren):
        await tasks.start_child(forever, label="one more")


async def test_a_finished_task_makes_room(tasks):
    for _ in range(10):
        handle = await tasks.async_nolink(answer, label="answer")
        await handle.result()
        await settle()

    assert await tasks.children() == ()


async def test_children_are_listed_by_label(tasks):
    await tasks.start_child(forever, label="life of task-1")

    assert [child.id for child in await tasks.children()] == ["life of task-1"]


async def test_a_task_that_catches_the_cancellation_may_end_in_order(tasks):
    async def orderly() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "settled"

    handle = await tasks.async_nolink(orderly, label="orderly")
    await settle()
    handle.process.exit(SHUTDOWN)

    assert await handle.result() == "settled"
    assert handle.process.exit_reason == SHUTDOWN


async def test_a_task_cancelled_before_its_first_step_still_ends_and_is_forgotten(tasks):
    process = await tasks.start_child(forever, label="stillborn")
    process.exit(Custom("no"))

    assert await process.ended() == Custom("no")
    await settle()
    assert await tasks.children() == ()


async def test_all_tasks_end_with_their_supervisor_in_parallel(runtime, tasks, clock):
    async def slow_to_end() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    processes = [await tasks.start_child(slow_to_end, label=f"{n}", shutdown_s=5) for n in range(3)]
    await settle()
    stopping = asyncio.create_task(stop_tree(runtime.whereis("tasks"), SHUTDOWN, within_s=60))
    await clock.advance(5)

    await stopping
    assert [process.exit_reason for process in processes] == [KILLED] * 3


async def test_a_task_that_dies_of_its_own_cancellation_has_crashed(tasks):
    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    process = await tasks.start_child(cancels_itself, label="odd")

    assert isinstance(await process.ended(), Error)


async def test_a_job_that_fails_when_it_is_called_is_a_crash_of_the_task_alone(tasks, runtime):
    handle = await tasks.async_nolink(partial(answer, "one argument too many"), label="misfit")
    with pytest.raises(CallExit) as caught:
        await handle.result()

    assert "TypeError" in str(caught.value)
    assert await tasks.children() == ()
    assert runtime.whereis("tasks").incarnation == 1


async def test_a_patience_that_makes_no_sense_is_refused_where_it_was_given(tasks, runtime):
    with pytest.raises(BadSpec):
        await tasks.start_child(forever, label="negative", shutdown_s=-1)

    assert runtime.whereis("tasks").incarnation == 1


async def test_a_task_that_swallows_every_cancellation_is_given_up_and_its_late_result_dropped(tasks, runtime):
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    handle = await tasks.async_nolink(stubborn, label="stubborn")
    await settle()
    handle.process.exit(KILLED)
    assert await handle.process.ended() == KILLED
    assert list(runtime.zombies) == [handle.process.pid]
    release.set()
    await settle()

    assert runtime.zombies == {}
    with pytest.raises(CallExit):
        await handle.result()


async def test_a_late_error_of_a_task_given_up_is_not_lost_on_the_loop(tasks, runtime):
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise ValueError("too late")

    handle = await tasks.async_nolink(stubborn, label="stubborn")
    await settle()
    handle.process.exit(KILLED)
    await handle.process.ended()
    release.set()
    await settle()

    assert handle.process.exit_reason == KILLED


async def test_tasks_of_a_killed_supervisor_are_killed_too(tasks, runtime):
    async def evasive() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    process = await tasks.start_child(evasive, label="evasive")
    await settle()
    runtime.whereis("tasks").exit(KILLED)

    assert await process.ended() == KILLED


async def test_a_result_that_races_the_end_wins(tasks):
    gate = asyncio.Event()

    async def wait() -> str:
        await gate.wait()
        return "made it"

    handle = await tasks.async_nolink(wait, label="race")
    await settle()
    gate.set()
    task = handle.process.running_task()
    while not task.done():
        await asyncio.sleep(0)
    handle.process.exit(SHUTDOWN)

    assert await handle.result() == "made it"


async def test_waiting_for_a_result_gives_up_in_time_and_the_task_runs_on(tasks, clock):
    handle = await tasks.async_nolink(forever, label="forever")
    waiting = asyncio.create_task(handle.result(within_s=3))
    await clock.advance(3)

    with pytest.raises(CallExit) as caught:
        await waiting
    assert caught.value.reason == TIMEOUT
    assert handle.process.alive


async def test_a_task_takes_no_messages(tasks):
    process = await tasks.start_child(forever, label="deaf")

    assert not process.cast("hello")
    assert not process.send("hello")
    with pytest.raises(CallExit):
        await process.call("hello")


async def test_a_task_may_be_stopped_by_hand(tasks):
    process = await tasks.start_child(forever, label="forever")

    assert await tasks.stop(process) == "ok"
    assert await tasks.stop(process) == "not_found"
    assert process.exit_reason == SHUTDOWN


async def test_a_caller_that_is_cancelled_while_it_waits_leaves_nothing_behind(tasks, clock):
    handle = await tasks.async_nolink(forever, label="forever")
    for wait in (handle.result(within_s=9), await_many([handle], 9), poll_many([handle], 9)):
        waiting = asyncio.create_task(wait)
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])

    assert handle._wakers == {}
    assert [due_s for due_s, _, timer in clock._heap if not timer.cancelled and due_s == 9] == []
    assert (handle.process.alive, handle.outcome) == (True, None)


async def test_a_caller_that_is_cancelled_while_it_ends_a_stubborn_task_leaves_it_killed(tasks):
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    handle = await tasks.async_nolink(stubborn, label="stubborn")
    await settle()
    ending = asyncio.create_task(handle.shutdown())
    await settle()
    assert handle.process.alive
    ending.cancel()
    await asyncio.wait([ending])

    assert await handle.process.ended() == KILLED


async def test_outside_of_any_process_a_task_has_to_be_told_its_runtime(runtime):
    with pytest.raises(LookupError):
        async_(answer)

    assert await async_(answer, runtime=runtime) == 42


async def test_a_handle_that_was_asked_answers_the_same_again(tasks):
    handle = await tasks.async_nolink(answer, label="answer")

    assert [await handle, await handle.poll(), handle.outcome] == [42, Ok(42), Ok(42)]


async def test_a_restarted_task_counts_against_the_budget_of_its_supervisor(runtime):
    supervisor = await spawn(runtime, TaskSupervisor(flags=Flags(intensity=2)), name="strict")
    await Tasks(supervisor).start_child(crash, label="crash", restart=Restart.PERMANENT)

    assert await supervisor.ended() == SHUTDOWN


async def test_a_task_that_has_ended_holds_none_of_its_arguments(tasks):
    class Cargo:
        pass

    cargo = Cargo()
    here = weakref.ref(cargo)
    handle = await tasks.async_nolink(partial(keep, cargo), label="keep")
    del cargo
    await handle
    await settle()
    gc.collect()

    assert here() is None


async def keep(cargo: object) -> None:
    await asyncio.sleep(0)


async def test_the_supervisor_of_a_temporary_task_keeps_nothing_it_was_started_with(tasks, runtime):
    process = await tasks.start_child(forever, label="forever")
    spec = await runtime.named("tasks").call(GetChildspec(process))

    assert not isinstance(spec.start, TaskStart)
    assert spec.modules == (TaskProcess,)


async def test_a_line_of_tasks_that_start_one_another_does_not_remember_all_of_them(runtime):
    seen = []

    async def relay(left: int) -> None:
        seen.append(len(callers()))
        if left:
            start(partial(relay, left - 1))

    start(partial(relay, 40), runtime=runtime)
    while len(seen) < 41:
        await settle()

    assert seen == [*range(33), *[32] * 8]
