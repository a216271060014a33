"""Where an end meets asyncio: kills and exits before, during and after every kind of step."""

import asyncio

import anyio
import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    Continue,
    Custom,
    Error,
    NotStarted,
    Shutdown,
    Stop,
    spawn,
)
from supervisors.exits import NOPROC, TIMEOUT, only_one_in
from supervisors.process import CURRENT
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started


class Gate:
    """An async callback that says when it is in, and is let out by hand."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, *_: object) -> object:
        self.entered.set()
        await self.open.wait()
        return None


class Beginner(Actor):
    """Runs `script` as its `init`."""

    def __init__(self, script) -> None:
        self.script = script

    def init(self) -> object:
        return self.script(self)


# While starting


async def starting(runtime, script, **more):
    """A start under way, and its process."""
    known = set(runtime.processes)
    start = asyncio.create_task(spawn(runtime, Beginner(script), name="beginner", **more))
    await asyncio.sleep(0)
    (pid,) = set(runtime.processes) - known
    return start, runtime.processes[pid]


@pytest.mark.parametrize("passes", [0, 1, 5])
async def test_a_kill_during_an_async_init_fails_the_start_with_killed(runtime, passes):
    start, process = await starting(runtime, forever)
    for _ in range(passes):
        await asyncio.sleep(0)
    process.exit(KILLED)

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == KILLED
    assert runtime.processes == {}


async def test_an_exit_signal_during_an_async_init_fails_the_start_with_its_reason(runtime):
    start, process = await starting(runtime, forever)
    process.exit(Custom("not now"))

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == Custom("not now")


async def test_an_init_that_answers_a_cancellation_with_another_error_fails_for_the_reason_of_the_signal(runtime):
    async def stumbles(_self):
        try:
            await forever()
        finally:
            boom()

    start, process = await starting(runtime, stumbles)
    await settle()
    process.exit(Custom("not now"))

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == Custom("not now")


async def test_an_init_that_swallows_the_signal_still_fails_the_start(runtime):
    gate = Gate()

    async def swallows(_self):
        try:
            await gate()
        except asyncio.CancelledError:
            return

    start, process = await starting(runtime, swallows)
    await gate.entered.wait()
    process.exit(SHUTDOWN)

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == SHUTDOWN
    assert runtime.processes == {}


async def test_an_actor_that_kills_itself_in_a_plain_init_has_not_started(runtime):
    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Beginner(lambda self: self.me.exit(KILLED)), name="suicidal")

    assert caught.value.reason == KILLED
    assert runtime.processes == {}


async def test_a_start_given_up_for_time_is_over_only_when_the_code_of_init_is(runtime, clock):
    cleaned_up: list[str] = []

    async def careful(_self):
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            cleaned_up.append("done")

    start, _ = await starting(runtime, careful, within_s=3)
    await clock.advance(3)

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == TIMEOUT
    assert cleaned_up == [] or runtime.processes == {}


async def test_the_name_of_a_late_starter_stays_taken_while_its_code_still_cleans_up(runtime, clock):
    overlaps: list[bool] = []

    async def slow_to_leave(_self):
        try:
            await forever()
        except asyncio.CancelledError:
            overlaps.append(runtime.whereis("beginner") is None)
            raise

    start, _ = await starting(runtime, slow_to_leave, within_s=3)
    await clock.advance(3)
    with pytest.raises(NotStarted):
        await start

    assert overlaps == [False]


async def test_an_init_that_swallows_every_cancellation_is_given_up_in_time_and_listed(runtime, clock):
    release = asyncio.Event()

    async def stubborn(_self):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    start, process = await starting(runtime, stubborn, within_s=3)
    await clock.advance(3)
    with pytest.raises(NotStarted) as caught:
        await start

    assert caught.value.reason == TIMEOUT
    assert list(runtime.zombies) == [process.pid]
    release.set()
    await settle()
    assert runtime.zombies == {}


async def test_a_cancelled_starter_takes_the_half_started_actor_along(runtime):
    start, process = await starting(runtime, forever)
    start.cancel()
    await settle()

    assert not process.alive
    assert runtime.processes == {}


async def test_a_starter_cancelled_as_init_ends_leaves_no_orphan_and_terminate_runs(runtime):
    gate = Gate()
    diary: list[object] = []

    class Late(Tidy):
        def init(self):
            return gate()

    start = asyncio.create_task(spawn(runtime, Late(diary)))
    await gate.entered.wait()
    (process,) = runtime.processes.values()
    gate.open.set()
    while process.state == "starting":
        await asyncio.sleep(0)
    start.cancel()
    await settle()

    assert not process.alive
    assert diary == [("terminate", SHUTDOWN)]


async def test_a_child_whose_starter_gave_up_does_not_take_its_parent_along(runtime):
    parent = await started(runtime, Scripted())

    async def impatient(_self, _from):
        with anyio.move_on_after(0):
            await spawn(runtime, Beginner(forever), parent=_self.me)
        return "fine"

    assert await parent.call(Ask(impatient)) == "fine"
    await settle()
    assert parent.alive


async def test_nothing_is_started_under_a_dead_parent(runtime):
    parent = await started(runtime, Scripted())
    parent.exit(KILLED)
    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Scripted(), name="orphan", parent=parent)

    assert caught.value.reason == NOPROC
    assert runtime.processes == {}


# While a callback runs


async def test_a_worker_cancelled_before_its_first_step_still_ends_its_actor(runtime):
    process = await started(runtime, Scripted())
    process.cast(forever)
    while not process.running_task():
        await asyncio.sleep(0)
    process.exit(SHUTDOWN)

    assert await process.ended() == SHUTDOWN


async def test_a_parked_worker_woken_and_killed_in_one_tick_leaves_its_coroutine_closed(runtime):
    process = await started(runtime, Scripted())
    process.cast(Gate())
    await settle()
    process.exit(KILLED)
    await process.ended()
    process = await started(runtime, Scripted())
    await process.call(Ask(lambda *_: asyncio.sleep(0)))
    process.cast(forever)
    while not process.running_task():
        await asyncio.sleep(0)
    process.exit(KILLED)

    assert await process.ended() == KILLED


async def test_a_signal_in_the_tick_in_which_the_callback_comes_through_still_ends_the_actor(runtime):
    gate = Gate()
    process = await started(runtime, Scripted())
    process.cast(gate)
    await gate.entered.wait()
    gate.open.set()
    process.exit(SHUTDOWN)

    assert await process.ended() == SHUTDOWN


async def test_a_handler_that_swallows_the_signal_ends_when_it_returns(runtime):
    async def swallows(self):
        try:
            await forever()
        except asyncio.CancelledError:
            self.diary.append("swallowed")

    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(swallows)
    await settle()
    process.exit(Shutdown("enough"))

    assert await process.ended() == Shutdown("enough")
    assert diary == ["swallowed"]


async def test_a_handler_that_fails_while_being_ended_dies_of_the_signal_without_terminate(runtime, reports):
    async def stumbles(_self):
        try:
            await forever()
        finally:
            boom()

    diary: list[object] = []

    class Plain(Tidy):
        trap_exit = False

    process = await started(runtime, Plain(diary))
    process.cast(stumbles)
    await settle()
    process.exit(SHUTDOWN)
    await settle()

    assert process.exit_reason == SHUTDOWN
    assert diary == []
    assert reports.events == []


@pytest.mark.parametrize("asked_for", [Continue("more"), None])
async def test_a_kill_between_a_callback_and_what_it_asked_for_leaves_nothing_to_do(runtime, asked_for):
    gate = Gate()

    async def then(_self):
        await gate()
        return asked_for

    process = await started(runtime, Scripted())
    process.cast(then)
    await gate.entered.wait()
    gate.open.set()
    while process.running_task():
        await asyncio.sleep(0)
    process.exit(KILLED)
    await settle()

    assert process.exit_reason == KILLED


async def test_a_kill_while_terminate_runs_ends_it_with_killed(runtime):
    gate = Gate()

    class Slow(Scripted):
        def terminate(self, reason):
            return gate()

    process = await started(runtime, Slow())
    process.request_stop(NORMAL)
    await gate.entered.wait()
    process.exit(KILLED)

    assert await process.ended() == KILLED


@pytest.mark.parametrize("result", [None, Continue("more"), Stop(NORMAL), "strange"])
async def test_an_actor_that_kills_itself_in_a_plain_callback_is_dead_whatever_it_returns(runtime, result):
    def suicidal(self):
        self.me.exit(KILLED)
        return result

    process = await started(runtime, Scripted())
    process.cast(suicidal)
    await settle()

    assert process.exit_reason == KILLED


async def test_a_coroutine_returned_by_an_actor_that_is_dead_already_is_not_run(runtime):
    diary: list[object] = []

    async def too_late() -> None:
        diary.append("ran")

    def suicidal(self):
        self.me.exit(KILLED)
        return too_late()

    process = await started(runtime, Scripted())
    process.cast(suicidal)
    await settle()

    assert diary == []


async def test_an_actor_may_end_itself_in_the_middle_of_an_async_callback(runtime):
    async def suicidal(self):
        self.me.exit(SHUTDOWN)
        await asyncio.sleep(0)
        self.diary.append("went on")

    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(suicidal)

    assert await process.ended() == SHUTDOWN
    assert diary == []


async def test_a_zombie_that_comes_back_is_struck_off_the_list_and_nothing_happens_twice(runtime, reports):
    release = asyncio.Event()

    async def stubborn(_self):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return Stop(Custom("at last"))

    process = await started(runtime, Tidy(), name="stubborn")
    ends: list[object] = []
    process.on_death(ends.append)
    process.cast(stubborn)
    await settle()
    process.exit(KILLED)
    await settle()
    assert list(runtime.zombies) == [process.pid]
    successor = await started(runtime, Scripted(), name="stubborn")
    release.set()
    await settle()

    assert runtime.zombies == {}
    assert ends == [KILLED]
    assert reports.events == []
    assert runtime.whereis("stubborn") is successor


async def test_whoever_is_killed_through_a_link_is_killed_for_good(runtime):
    release = asyncio.Event()

    async def stubborn(_self):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    parent = await started(runtime, Scripted())
    child = await spawn(runtime, Scripted(), name="child", parent=parent)
    child.cast(stubborn)
    await settle()
    parent.exit(KILLED)
    await settle()

    assert runtime.whereis("child") is None
    release.set()


async def test_killed_code_may_unwind_nested_task_groups_without_being_taken_for_a_zombie(runtime):
    async def nested(depth: int) -> None:
        if depth == 0:
            await forever()
        async with asyncio.TaskGroup() as group:
            group.create_task(nested(depth - 1))

    process = await started(runtime, Scripted())
    process.cast(lambda _self: nested(4))
    await settle()
    process.exit(KILLED)
    await settle()

    assert process.exit_reason == KILLED
    assert runtime.zombies == {}


# What callbacks do with asyncio themselves


@pytest.mark.parametrize("first", ["signal", "time"])
async def test_a_signal_is_not_taken_for_the_time_out_of_the_callback(runtime, first):
    outcome: list[str] = []

    async def impatient(_self):
        try:
            async with asyncio.timeout(0 if first == "time" else 60):
                await forever()
        except TimeoutError:
            outcome.append("timed out")
            await forever()

    process = await started(runtime, Scripted())
    process.cast(impatient)
    await settle()
    process.exit(Custom("end"))

    assert await process.ended() == Custom("end")
    assert outcome == (["timed out"] if first == "time" else [])


async def test_time_outs_and_task_groups_of_a_callback_stay_its_own_affair(runtime):
    async def busy(_self, _from):
        try:
            async with asyncio.timeout(0):
                await forever()
        except TimeoutError:
            pass
        with anyio.move_on_after(0):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            group.cancel_scope.cancel()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return "done"

    process = await started(runtime, Scripted())

    assert [await process.call(Ask(busy)) for _ in range(3)] == ["done"] * 3


@pytest.mark.parametrize(("failing_children", "error"), [(0, ValueError), (1, ExceptionGroup)])
async def test_a_group_that_fails_in_a_callback_is_the_reason_as_one(runtime, failing_children, error):
    async def fails():
        boom()

    async def failing(_self):
        async with asyncio.TaskGroup() as group:
            for _ in range(failing_children):
                group.create_task(fails())
            await asyncio.sleep(0)
            boom()

    process = await started(runtime, Scripted())
    process.cast(failing)
    reason = await process.ended()

    assert isinstance(reason, Error)
    assert type(reason.exception) is error


class Strange(BaseException):
    """Not an `Exception`: what test frameworks and cancel scopes raise."""


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "error", [Strange(), asyncio.CancelledError(), BaseExceptionGroup("both", [asyncio.CancelledError()])], ids=repr
)
async def test_whatever_leaves_a_callback_is_a_crash_that_runs_terminate(runtime, error, is_async):
    def plain(_self):
        raise error

    async def waiting(_self):
        await asyncio.sleep(0)
        raise error

    diary: list[object] = []
    process = await started(runtime, Tidy(diary))
    process.cast(waiting if is_async else plain)
    await settle()

    assert isinstance(process.exit_reason, Error)
    assert process.exit_reason.exception is only_one_in(error)
    assert diary == [("terminate", process.exit_reason)]


async def test_terminate_after_a_cancellation_of_the_callbacks_own_doing_has_a_clean_task(runtime):
    outcome: list[object] = []

    class Careful(Scripted):
        async def terminate(self, reason):
            task = asyncio.current_task()
            outcome.append(task.cancelling() if task else None)
            await asyncio.sleep(0)

    async def cancels_itself(_self):
        task = asyncio.current_task()
        if task is not None:
            task.cancel()
        await asyncio.sleep(0)

    process = await started(runtime, Careful())
    process.cast(cancels_itself)
    await settle()

    assert outcome == [0]
    assert isinstance(process.exit_reason, Error)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_callback_stops_the_program_and_the_actor_has_crashed(error, is_async):
    from supervisors import Runtime

    seen: list[object] = []

    def plain(_self):
        raise error

    async def waiting(_self):
        raise error

    async def main() -> None:
        process = await started(Runtime(reporter=lambda _event: None), Scripted())
        process.on_death(seen.append)
        process.cast(waiting if is_async else plain)
        await forever()

    with pytest.raises(error), asyncio.Runner() as runner:
        runner.run(main())

    assert [type(getattr(reason, "exception", None)) for reason in seen] == [error]


async def test_no_code_of_a_turn_runs_in_the_context_of_whoever_woke_it(runtime):
    seen: list[object] = []
    sender, receiver = await started(runtime, Scripted()), await started(runtime, Scripted())
    receiver.on_death(lambda _reason: seen.append(CURRENT.get()))
    sender.cast(lambda _self: receiver.request_stop(NORMAL) or None)
    await settle()

    assert seen == [None]
