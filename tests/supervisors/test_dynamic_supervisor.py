"""Children that come and go: restarts, budget, retries, and an end in parallel."""

import asyncio
from functools import partial

import pytest

from supervisors import (
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    ChildSpec,
    ChildType,
    Custom,
    DynamicSupervisor,
    Flags,
    Process,
    Restart,
    Stop,
    actor,
    spawn,
)
from supervisors.admin import Answer, StartFailed
from supervisors.application import stop_tree
from supervisors.dynamic import CountDynamic, ListChildren, StartDynamic, StopChild, TooManyChildren
from supervisors.spec import Started
from supervisors.testing import settle
from tests.supervisors.scripted import Scripted, forever


class Moody(Actor):
    """Takes each `init` from a list shared by all its lives."""

    def __init__(self, moods: list[object]) -> None:
        self.moods = moods

    def init(self) -> object:
        return self.moods.pop(0) if self.moods else None


def moody(*moods: object, **more: object) -> ChildSpec:
    left = list(moods)
    return ChildSpec("moody", actor(partial(Moody, left)), **more)


NOT_NOW = Stop(Custom("not now"))


@pytest.fixture
def dynamic(runtime):
    async def start(**more: object) -> Process:
        process = await spawn(runtime, DynamicSupervisor(**more), name="dynamic")
        assert process is not None
        return process

    return start


async def up(root: Process, spec: ChildSpec) -> Process:
    answer = await root.call(StartDynamic(spec))
    assert isinstance(answer, Started), answer
    return answer.process


async def crash(process: Process, reason: object = Custom("crash")) -> None:
    process.die(reason)
    await settle()


async def processes(root: Process) -> list[Process | None]:
    return [child.process for child in await root.call(ListChildren())]


@pytest.mark.parametrize(
    ("restart", "reason", "is_restarted"),
    [
        (Restart.PERMANENT, NORMAL, True),
        (Restart.TRANSIENT, SHUTDOWN, False),
        (Restart.TRANSIENT, KILLED, True),
        (Restart.TEMPORARY, Custom("x"), False),
    ],
)
async def test_restart_types_mean_what_they_mean_in_a_static_supervisor(dynamic, restart, reason, is_restarted):
    root = await dynamic()
    child = await up(root, moody(restart=restart))
    await crash(child, reason)

    left = await processes(root)
    assert len(left) == is_restarted
    assert child not in left


async def test_a_permanent_child_that_ended_well_is_reported_and_restarted(dynamic, reports):
    root = await dynamic()
    child = await up(root, moody())
    await crash(child, NORMAL)

    assert reports.kinds() == ["ChildTerminated"]


async def test_a_child_that_is_not_needed_is_never_kept(dynamic):
    root = await dynamic()

    assert await root.call(StartDynamic(moody(IGNORE))) == Answer.IGNORED
    assert await processes(root) == []


async def test_a_restart_that_finds_itself_not_needed_drops_the_child(dynamic):
    root = await dynamic()
    await crash(await up(root, moody(None, IGNORE)))

    assert await processes(root) == []
    assert root.alive


async def test_a_start_that_fails_is_answered_with_the_reason_and_kept_nowhere(dynamic):
    root = await dynamic()
    answer = await root.call(StartDynamic(moody(NOT_NOW)))

    assert answer == StartFailed(Custom("not now"))
    assert await processes(root) == []


async def test_a_start_function_that_raises_does_not_end_the_supervisor(dynamic):
    async def broken(_runtime, _parent):
        raise ZeroDivisionError

    root = await dynamic()

    assert isinstance(await root.call(StartDynamic(ChildSpec("broken", broken))), StartFailed)
    assert root.alive


async def test_a_failed_restart_is_tried_again_until_it_succeeds(dynamic):
    root = await dynamic(flags=Flags(intensity=5))
    await crash(await up(root, moody(None, NOT_NOW, NOT_NOW)))

    (successor,) = await processes(root)
    assert successor is not None
    assert successor.alive


async def test_every_attempt_costs_and_the_last_one_ends_the_supervisor_with_its_other_children(dynamic):
    root = await dynamic(flags=Flags(intensity=2))
    other = await up(root, moody())
    await crash(await up(root, moody(None, *[NOT_NOW] * 9)))

    assert root.exit_reason == SHUTDOWN
    assert not other.alive


async def test_the_budget_is_that_of_the_supervisor(dynamic, clock):
    root = await dynamic(flags=Flags(intensity=2, period_s=10))
    children = [await up(root, moody()) for _ in range(3)]
    await crash(children[0])
    await crash(children[1])
    await clock.advance(10.1)
    await crash(children[2])

    assert root.alive


async def retrying(root: Process) -> Process:
    """A child whose restart fails for ever; the supervisor is between two attempts."""
    child = await up(root, moody(None, *[NOT_NOW] * 10_000))
    child.die(Custom("crash"))
    return child


async def test_a_child_being_restarted_is_listed_and_counts(dynamic):
    root = await dynamic(max_children=1, flags=Flags(intensity=100_000))
    await retrying(root)
    listed, counted, refused = [
        root.post_call(request, None) for request in (ListChildren(), CountDynamic(), StartDynamic(moody()))
    ]

    (info,) = await listed
    assert (info.process, info.restarting) == (None, True)
    assert ((await counted).specs, (await counted).active) == (1, 0)
    assert await refused == TooManyChildren(1)
    root.exit(KILLED)


async def test_a_restart_may_be_called_off(dynamic):
    root = await dynamic(flags=Flags(intensity=100_000))
    child = await retrying(root)
    await root.call(ListChildren())

    assert await root.call(StopChild(child)) == "ok"
    assert await root.call(StopChild(child)) == "not_found"
    await settle()
    assert await processes(root) == []


async def test_no_more_children_than_allowed_and_an_end_makes_room(dynamic):
    root = await dynamic(max_children=1)
    child = await up(root, moody(restart=Restart.TEMPORARY))

    assert await root.call(StartDynamic(moody())) == TooManyChildren(1)
    await crash(child)
    assert (await up(root, moody())).alive


async def test_a_child_is_stopped_by_its_process_and_its_exit_forgotten(dynamic, reports):
    root = await dynamic()
    child = await up(root, moody())

    assert await root.call(StopChild(child)) == "ok"
    assert await root.call(StopChild(child)) == "not_found"
    assert child.exit_reason == SHUTDOWN
    assert root.queued == 0
    assert reports.events == []


async def test_a_foreign_process_is_not_found_and_lives_on(dynamic, runtime):
    root = await dynamic()
    stranger = await spawn(runtime, Scripted())

    assert await root.call(StopChild(stranger)) == "not_found"
    assert stranger.alive


async def test_at_the_end_all_children_are_stopped_at_the_same_time_each_with_its_patience(dynamic, clock):
    class Slow(Actor):
        async def terminate(self, reason):
            await forever()

    root = await dynamic()
    specs = [ChildSpec(f"{n}", actor(Slow), shutdown_s=n) for n in (1, 2, 3)]
    children = [await up(root, spec) for spec in specs]
    stopping = asyncio.create_task(stop_tree(root, SHUTDOWN, within_s=60))
    await clock.advance(2)
    after_two_seconds = [child.exit_reason for child in children]
    await clock.advance(1)

    assert await stopping
    assert after_two_seconds == [KILLED, KILLED, None]
    assert root.exit_reason == SHUTDOWN


async def test_children_are_counted_by_type(dynamic):
    root = await dynamic()
    await up(root, moody())
    await up(root, moody(type=ChildType.SUPERVISOR))

    counts = await root.call(CountDynamic())
    assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (2, 2, 1, 1)


async def test_what_it_does_not_know_is_reported_and_dropped(dynamic, reports):
    root = await dynamic()
    root.cast("what")
    root.send("is")

    assert await root.call("this") == "unknown_call"
    assert reports.kinds() == ["Unexpected"] * 3
    assert root.alive


@pytest.mark.parametrize("count", [1_000])
async def test_many_children_end_together_quickly(dynamic, count):
    root = await dynamic()
    for _ in range(count):
        await up(root, moody(restart=Restart.TEMPORARY))
    await stop_tree(root, SHUTDOWN, within_s=60)

    assert root.runtime.processes == {}
