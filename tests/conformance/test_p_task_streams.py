"""Group P, streams of tasks: alone, and under a supervisor, linked and not."""

import asyncio
from functools import partial

import pytest

from supervisors import BadSpec, Custom, Exited, MaxChildren, Ok, Tasks, TaskSupervisor, spawn
from supervisors.exits import TIMEOUT
from supervisors.signals import current_process
from supervisors.task import async_stream, callers, start
from supervisors.testing import settle
from tests.conformance.errands import Boss, collect, exit_of, forever, leave, nap, oks


@pytest.fixture
async def boss(runtime):
    return await spawn(runtime, Boss(), name="boss")


@pytest.fixture
async def tasks(runtime):
    await spawn(runtime, TaskSupervisor(), name="tasks")
    return Tasks(runtime.named("tasks"))


@pytest.fixture
def sleep(runtime):
    """Sleeps so many seconds of virtual time and returns them; None: for ever."""

    async def sleep(seconds):
        return await (forever() if seconds is None else nap(runtime, seconds, seconds))

    return sleep


@pytest.fixture
def streams(runtime, tasks):
    """The three kinds, for code outside of any process."""
    return {
        "alone": partial(async_stream, runtime=runtime),
        "supervised": partial(tasks.async_stream, runtime=runtime),
        "nolink": partial(tasks.async_stream_nolink, runtime=runtime),
    }


@pytest.fixture
def at_rest(runtime, tasks, clock):
    """Whether nothing is left of any stream."""

    async def at_rest():
        await settle()
        return (
            sorted(process.label for process in runtime.processes.values()),
            clock.pending - idle(runtime),
            await tasks.children(),
        )

    return at_rest


def idle(runtime):
    """The timers that the runtime keeps for calls, with nothing to do."""
    return len(runtime.deadlines._spans) if len(runtime.deadlines) == 0 else 0


AT_REST = (["tasks"], 0, ())
AT_REST_WITH_BOSS = (["boss", "tasks"], 0, ())


async def all_of(stream, clock, seconds):
    taking = asyncio.create_task(collect(stream))
    await clock.advance(seconds)
    return await taking


async def first(stream):
    async for outcome in stream:
        return outcome
    return None


async def give_up(value):
    await leave(Custom(value))


# The three kinds have these in common


async def test_p62_a_task_that_takes_too_long_ends_the_stream(streams, sleep, clock, at_rest):
    taking = asyncio.create_task(exit_of(collect(streams["alone"]([None], sleep, timeout_s=2))))
    await clock.advance(1.9)
    assert not taking.done()
    await clock.advance(0.1)

    assert await taking == TIMEOUT
    assert await at_rest() == AT_REST


async def test_p63_an_unordered_stream_brings_results_as_they_come(streams, sleep, clock):
    one_by_one = streams["alone"]([4, 3, 2, 1], sleep, max_concurrency=1, ordered=False)
    together = streams["alone"]([4, 3, 2, 1], sleep, max_concurrency=4, ordered=False)

    assert await all_of(one_by_one, clock, 10) == oks(4, 3, 2, 1)
    assert await all_of(together, clock, 4) == oks(1, 2, 3, 4)


async def test_p64_an_unordered_stream_kills_what_takes_too_long(streams, sleep, clock, at_rest):
    stream = streams["alone"]([9, 1, 9, 1], sleep, ordered=False, on_timeout="kill_task", timeout_s=5)

    assert await all_of(stream, clock, 5) == [*oks(1, 1), Exited(TIMEOUT), Exited(TIMEOUT)]
    assert await at_rest() == AT_REST


async def test_p65_a_stream_may_have_no_time_out(streams, sleep, clock):
    stream = streams["alone"]([1_000_000], sleep, timeout_s=float("inf"))

    assert await all_of(stream, clock, 1_000_000) == oks(1_000_000)


async def test_p66_a_stream_needs_room_for_one_task(streams, sleep):
    with pytest.raises(BadSpec) as caught:
        streams["alone"]([1], sleep, max_concurrency=0)

    assert caught.value.code == "invalid_max_concurrency"


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ({"on_timeout": "unknown"}, "invalid_on_timeout"),
        ({"timeout_s": -1}, "invalid_timeout"),
        ({"shutdown_s": float("nan")}, "invalid_shutdown"),
    ],
)
async def test_p67_a_stream_refuses_options_that_make_no_sense(streams, sleep, option, code):
    for stream in streams.values():
        with pytest.raises(BadSpec) as caught:
            stream([], sleep, **option)
        assert caught.value.code == code


async def test_p68_a_stream_is_not_confused_by_other_ends(boss):
    async def work(value):
        boss.monitor(start(forever)).watched.exit(Custom("oops"))
        return value

    async def errand():
        return await collect(async_stream(["ok"], work))

    assert await boss.call(errand) == oks("ok")
    await settle()
    assert [down.reason for down in boss.instance.inbox] == [Custom("oops")]


async def test_p69_tasks_of_a_stream_know_on_whose_behalf_they_run(boss):
    async def inner(_):
        return callers()

    async def outer(_):
        return current_process(), await collect(async_stream([1], inner))

    async def errand():
        return (await collect(async_stream([1], outer)))[0].value

    parent, [innermost] = await boss.call(errand)
    assert innermost == Ok((parent, boss))


async def test_p70_a_stream_belongs_to_who_takes_the_results(boss, streams, sleep):
    async def work(value):
        return value, callers()[0].label

    stream = streams["alone"]([1, 2, 3], work)

    assert await boss.call(partial(collect, stream)) == oks((1, "boss"), (2, "boss"), (3, "boss"))


@pytest.mark.parametrize(("room", "most"), [(4, 4), (2, 2), (8, 4)])
async def test_p71_no_more_tasks_run_at_a_time_than_allowed(streams, sleep, clock, room, most):
    running = peak = 0

    async def work(value):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await sleep(value)
        running -= 1
        return value

    assert await all_of(streams["alone"](range(1, 5), work, max_concurrency=room), clock, 10) == oks(1, 2, 3, 4)
    assert peak == most


async def test_p72_a_stream_that_is_through_leaves_nothing_behind(boss, sleep, clock, at_rest):
    taking = asyncio.create_task(boss.call(lambda: collect(async_stream(range(1, 5), sleep)), None))
    await clock.advance(10)

    assert await taking == oks(1, 2, 3, 4)
    assert await at_rest() == AT_REST_WITH_BOSS
    assert (boss.instance.inbox, boss.links) == ([], ())


async def test_p73_an_ordered_stream_waits_for_the_slowest_first(streams, sleep, clock):
    assert await all_of(streams["alone"]([4, 3, 2, 1], sleep), clock, 4) == oks(4, 3, 2, 1)


async def test_p74_failures_are_results_to_who_traps_exits(boss):
    async def errand():
        return await collect(async_stream(range(1, 5), give_up))

    assert await boss.call(errand) == [Exited(Custom(n)) for n in (1, 2, 3, 4)]
    assert boss.instance.inbox == []


async def test_p74_a_failure_ends_who_does_not_trap_exits_and_the_other_tasks_with_it(boss, runtime, sleep):
    async def work(value):
        return await (give_up(value) if value == 2 else sleep(None))

    async def errand():
        current_process().trap_exit = False
        await collect(async_stream(range(1, 5), work))

    assert await exit_of(boss.call(errand)) == Custom(2)
    await settle()
    assert list(runtime.processes.values()) == []


async def test_p75_a_stream_that_is_left_early_shuts_its_tasks_down(boss, sleep, clock, at_rest):
    async def errand():
        return await first(async_stream([0, None, None, None], sleep))

    taking = asyncio.create_task(boss.call(errand))
    await clock.advance(0)

    assert await taking == Ok(0)
    assert await at_rest() == AT_REST_WITH_BOSS
    assert boss.links == ()


async def test_p76_a_stream_that_is_left_early_leaves_no_messages(boss, sleep, clock):
    async def errand():
        async with async_stream([0, None, None, None], sleep) as stream:
            return await first(stream)

    taking = asyncio.create_task(boss.call(errand))
    await clock.advance(0)

    assert await taking == Ok(0)
    await settle()
    assert boss.instance.inbox == []


async def test_p76_a_task_that_does_not_end_is_killed_when_the_patience_is_over(streams, clock, at_rest):
    async def deaf(value):
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    stream = streams["alone"]([1], deaf, shutdown_s=3)
    taking = asyncio.create_task(anext(stream))
    await settle()
    taking.cancel()
    await clock.advance(2.9)
    assert len((await at_rest())[0]) == 3
    await clock.advance(0.1)

    assert await at_rest() == AT_REST


async def test_p77_two_streams_may_be_taken_in_turn(streams, sleep, clock):
    async def pairs():
        one, two = (streams["alone"](range(1, 5), sleep) for _ in range(2))
        return [(left, await anext(two)) async for left in one]

    taking = asyncio.create_task(pairs())
    await clock.advance(10)

    assert await taking == [(Ok(n), Ok(n)) for n in (1, 2, 3, 4)]


async def test_p78_an_ordered_stream_kills_what_takes_too_long_and_keeps_its_place(streams, sleep, clock):
    stream = streams["alone"]([9, 1, 9, 1], sleep, on_timeout="kill_task", timeout_s=5)

    assert await all_of(stream, clock, 5) == [Exited(TIMEOUT), Ok(1), Exited(TIMEOUT), Ok(1)]


async def test_p79_a_failure_may_say_for_which_input(streams, sleep, clock):
    stream = streams["alone"]([1, 9], sleep, on_timeout="kill_task", timeout_s=5, zip_input_on_exit=True)
    failing = streams["alone"](range(1, 9), give_up, zip_input_on_exit=True)

    assert await all_of(stream, clock, 5) == [Ok(1), Exited(TIMEOUT, 9)]
    assert [await anext(failing) for _ in range(2)] == [Exited(Custom(n), n) for n in (1, 2)]


# Under a supervisor


async def test_p99_a_supervised_stream_brings_all_results(streams, sleep, clock):
    assert await all_of(streams["supervised"](range(1, 5), sleep), clock, 4) == oks(1, 2, 3, 4)


async def test_p100_a_supervised_stream_waits_for_the_slowest_first(streams, sleep, clock):
    assert await all_of(streams["supervised"]([4, 3, 2, 1], sleep), clock, 4) == oks(4, 3, 2, 1)


async def test_p101_failures_of_a_supervised_stream_are_results_to_who_traps_exits(boss, tasks):
    async def errand():
        return await collect(tasks.async_stream(range(1, 5), give_up))

    assert await boss.call(errand) == [Exited(Custom(n)) for n in (1, 2, 3, 4)]


async def test_p102_a_supervised_stream_that_is_left_early_shuts_its_tasks_down(streams, sleep, clock, at_rest):
    taking = asyncio.create_task(first(streams["supervised"]([0, None, None, None], sleep)))
    await clock.advance(0)

    assert await taking == Ok(0)
    assert await at_rest() == AT_REST


async def test_p103_a_supervised_stream_that_is_left_early_leaves_no_messages(boss, tasks, sleep, clock):
    await left_early(boss, partial(tasks.async_stream, [0, None, None], sleep), clock)


async def left_early(boss, stream, clock):
    async def errand():
        return await first(stream())

    taking = asyncio.create_task(boss.call(errand))
    await clock.advance(0)
    assert await taking == Ok(0)
    await settle()
    assert (boss.instance.inbox, boss.links) == ([], ())


async def test_p104_a_full_supervisor_ends_the_stream_and_its_tasks(boss, runtime, sleep):
    await full(boss, runtime, sleep, "async_stream")


async def full(boss, runtime, sleep, kind):
    await spawn(runtime, TaskSupervisor(max_children=1), name="small")
    small = Tasks(runtime.named("small"))

    async def errand():
        try:
            await collect(getattr(small, kind)([None] * 3, sleep, max_concurrency=2))
        except MaxChildren as error:
            return error.max_children

    assert await boss.call(errand) == 1
    await settle()
    assert await small.children() == ()
    assert (boss.instance.inbox, boss.links) == ([], ())


async def test_p105_tasks_of_a_supervised_stream_know_on_whose_behalf_they_run(boss, tasks):
    async def inner(_):
        return callers()

    async def outer(_):
        return current_process(), await collect(tasks.async_stream([1], inner))

    async def errand():
        return (await collect(tasks.async_stream([1], outer)))[0].value

    parent, [innermost] = await boss.call(errand)
    assert innermost == Ok((parent, boss))
    assert parent.parent.label == "tasks"


async def test_p106_an_unlinked_stream_brings_all_results(streams, sleep, clock):
    assert await all_of(streams["nolink"](range(1, 5), sleep, max_concurrency=4), clock, 4) == oks(1, 2, 3, 4)


async def test_p107_an_unlinked_stream_leaves_nothing_behind(boss, tasks, sleep, clock, at_rest):
    taking = asyncio.create_task(boss.call(lambda: collect(tasks.async_stream_nolink(range(1, 5), sleep))))
    await clock.advance(4)

    assert await taking == oks(1, 2, 3, 4)
    assert await at_rest() == AT_REST_WITH_BOSS
    assert (boss.instance.inbox, boss.links) == ([], ())


async def test_p108_an_unlinked_stream_waits_for_the_slowest_first(streams, sleep, clock):
    assert await all_of(streams["nolink"]([4, 3, 2, 1], sleep), clock, 4) == oks(4, 3, 2, 1)


async def test_p109_failures_of_an_unlinked_stream_are_results_to_everybody(boss, tasks):
    async def errand():
        current_process().trap_exit = False
        return await collect(tasks.async_stream_nolink(range(1, 5), give_up))

    assert await boss.call(errand) == [Exited(Custom(n)) for n in (1, 2, 3, 4)]
    assert boss.alive


async def test_p110_an_unlinked_stream_that_is_left_early_shuts_its_tasks_down(streams, sleep, clock, at_rest):
    taking = asyncio.create_task(first(streams["nolink"]([0, None, None, None], sleep)))
    await clock.advance(0)

    assert await taking == Ok(0)
    assert await at_rest() == AT_REST


async def test_p110_an_unlinked_stream_ends_with_its_owner(boss, tasks, sleep, at_rest):
    async def errand():
        return await collect(tasks.async_stream_nolink([None, None], sleep))

    asking = asyncio.create_task(exit_of(boss.call(errand)))
    await settle()
    assert len(await tasks.children()) == 2
    boss.kill(Custom("gone"))

    assert await asking == Custom("gone")
    assert await at_rest() == AT_REST


async def test_p111_an_unlinked_stream_that_is_left_early_leaves_no_messages(boss, tasks, sleep, clock):
    await left_early(boss, partial(tasks.async_stream_nolink, [0, None, None], sleep), clock)


async def test_p112_a_full_supervisor_ends_an_unlinked_stream_and_its_tasks(boss, runtime, sleep):
    await full(boss, runtime, sleep, "async_stream_nolink")


# What the inputs may be


async def test_p71_inputs_are_taken_only_when_there_is_room(streams, sleep, clock):
    taken = []

    def inputs():
        for number in range(1, 9):
            taken.append(number)
            yield number

    stream = streams["alone"](inputs(), sleep, max_concurrency=2)
    taking = asyncio.create_task(anext(stream))
    await clock.advance(1)

    assert await taking == Ok(1)
    assert taken == [1, 2]
    await stream.aclose()


async def test_p71_asynchronous_inputs_hold_up_no_result(streams, sleep, clock):
    async def inputs():
        yield 1
        await sleep(50)
        yield 2

    stream = streams["alone"](inputs(), sleep)
    taking = asyncio.create_task(anext(stream))
    await clock.advance(1)
    assert await taking == Ok(1)

    assert await all_of(stream, clock, 60) == oks(2)


@pytest.mark.parametrize("is_async", [False, True])
async def test_p75_the_source_of_a_stream_that_is_left_early_is_closed(streams, sleep, clock, is_async):
    closed = []

    def inputs():
        try:
            yield from (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
        finally:
            closed.append("plain")

    async def slow_inputs():
        try:
            yield 0
            await sleep(None)
        finally:
            closed.append("async")

    stream = streams["alone"](slow_inputs() if is_async else inputs(), sleep)
    taking = asyncio.create_task(anext(stream))
    await clock.advance(0)
    await taking
    await stream.aclose()

    assert closed == ["async" if is_async else "plain"]
    assert await collect(stream) == []


async def test_p75_a_source_that_fails_ends_the_stream_and_its_tasks(streams, sleep, at_rest):
    def inputs():
        yield None
        raise ValueError("broken source")

    with pytest.raises(ValueError, match="broken source"):
        await collect(streams["supervised"](inputs(), sleep))

    assert await at_rest() == AT_REST


async def test_p75_a_taker_that_is_cancelled_leaves_nothing_behind(streams, sleep, at_rest):
    for kind in streams.values():
        taking = asyncio.create_task(collect(kind([None, None], sleep)))
        await settle()
        taking.cancel()
        await asyncio.wait([taking])

    assert await at_rest() == AT_REST
