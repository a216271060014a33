"""Supervised tasks."""

import asyncio

import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    CallExit,
    Custom,
    Error,
    MaxChildren,
    Runtime,
    Tasks,
    TaskSupervisor,
    spawn,
)
from supervisors.application import stop_tree
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
