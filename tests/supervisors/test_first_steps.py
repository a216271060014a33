"""The first step of a callback that may wait is taken at once, in the name of the actor's task: asyncio must not notice."""

import asyncio

import anyio
import pytest

from supervisors import KILLED, Custom, Error
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, started


async def warm(runtime, actor: Scripted | None = None):
    """An actor whose task is there and parked."""

    async def nothing(_self) -> None:
        await asyncio.sleep(0)

    process = await started(runtime, actor or Scripted())
    process.cast(nothing)
    await settle()
    return process


async def test_a_callback_that_does_not_wait_is_through_within_the_step_of_its_caller(runtime):
    async def quick(_self, _from):
        return "at once"

    process = await warm(runtime)
    call = process.call(Ask(quick))
    with pytest.raises(StopIteration) as ended:
        call.send(None)

    assert ended.value.value == "at once"


async def test_every_step_of_a_callback_runs_in_the_same_task_and_never_in_the_callers(runtime):
    async def tasks(_self, _from):
        first = asyncio.current_task()
        await asyncio.sleep(0)
        return first, asyncio.current_task()

    process = await warm(runtime)
    mine = asyncio.current_task()
    first, second = await process.call(Ask(tasks))

    assert first is second
    assert first is not mine
    assert asyncio.current_task() is mine


async def test_a_time_out_begun_in_the_first_step_strikes_later_ones(runtime):
    async def patient(_self, _from):
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "too late"

    process = await warm(runtime)

    assert await process.call(Ask(patient)) == "too late"
    assert await process.call(Ask("and goes on")) == "and goes on"


async def test_groups_and_scopes_begun_in_the_first_step_work(runtime):
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def grouped(_self, _from):
        async with asyncio.TaskGroup() as group:
            one = group.create_task(double(1))
        with anyio.move_on_after(0) as scope:
            await anyio.sleep(60)
        return one.result(), scope.cancelled_caught

    process = await warm(runtime)

    assert await process.call(Ask(grouped)) == (2, True)


async def test_a_callback_that_cancels_its_own_task_and_waits_is_a_crash(runtime):
    async def gives_up(_self):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    process = await warm(runtime)
    process.cast(gives_up)
    await settle()

    assert isinstance(process.exit_reason, Error)
    assert isinstance(process.exit_reason.exception, asyncio.CancelledError)


async def test_a_callback_that_cancels_its_own_task_and_does_not_wait_hurts_nobody(runtime):
    async def changes_its_mind(_self, _from):
        asyncio.current_task().cancel()
        return "never mind"

    async def waits(_self, _from):
        await asyncio.sleep(0)
        return "waited"

    process = await warm(runtime)

    assert await process.call(Ask(changes_its_mind)) == "never mind"
    await settle()
    assert await process.call(Ask(waits)) == "waited"


@pytest.mark.parametrize("passes", range(4))
async def test_an_exit_at_any_moment_after_the_first_step_is_felt_where_the_callback_waits(runtime, passes):
    felt: list[str] = []

    async def holds(_self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            felt.append("cancelled")
            raise
        finally:
            felt.append("cleaned up")

    process = await warm(runtime)
    process.cast(holds)
    for _ in range(passes):
        await asyncio.sleep(0)
    process.exit(Custom("enough"))
    await settle()

    assert process.exit_reason == Custom("enough")
    assert felt in ([], ["cancelled", "cleaned up"])
    assert felt or passes == 0


async def test_what_the_callback_waits_for_is_cancelled_with_it(runtime):
    inner: list[asyncio.Task[None]] = []

    async def forever() -> None:
        await asyncio.Event().wait()

    async def holds(_self):
        inner.append(asyncio.create_task(forever()))
        await inner[0]

    process = await warm(runtime)
    process.cast(holds)
    while not inner:
        await asyncio.sleep(0)
    process.exit(KILLED)
    await settle()

    assert inner[0].cancelled()
    assert process.exit_reason == KILLED


async def test_a_callback_may_swallow_a_cancellation_in_the_gap_and_still_ends_the_actor(runtime):
    async def stubborn(_self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    process = await warm(runtime)
    process.cast(stubborn)
    while not process.running_task():
        await asyncio.sleep(0)
    process.exit(Custom("enough"))
    await settle()

    assert process.exit_reason == Custom("enough")
