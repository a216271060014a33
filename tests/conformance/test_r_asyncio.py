"""Group R: where the semantics of processes meet asyncio. Cases that OTP does not have, for the BEAM answers them."""

import asyncio
import gc
import subprocess
import sys as python
import threading
import time
import weakref
from contextvars import ContextVar
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
import structlog
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    Custom,
    Error,
    Flags,
    MailboxFull,
    NotStarted,
    Overflow,
    Runtime,
    Stop,
    Strategy,
    Supervisor,
    Tasks,
    TaskSupervisor,
    actor,
    spawn,
    sys,
)
from supervisors.events import MailboxHigh, MailboxLow
from supervisors.exits import NOPROC, TIMEOUT, ExitWith
from supervisors.from_thread import call_from_thread, cast_from_thread, send_from_thread
from supervisors.loop_events import LoopBlocked
from supervisors.mailbox_watch import MailboxWatch
from supervisors.process import current_process
from supervisors.testing import Recorder, ScheduleFailed, VirtualClock, explore, settle
from supervisors.watchdog import Watchdog
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started

# Cancellation


@pytest.mark.parametrize("passes", range(6))
@pytest.mark.parametrize("end", [SHUTDOWN, KILLED, Custom("enough")], ids=str)
async def test_r01_an_end_in_the_tick_of_a_message_ends_the_process(runtime, end, passes):
    process = await started(runtime, Scripted())
    process.cast(forever)
    for _ in range(passes):
        await asyncio.sleep(0)
    process.cast("message")
    process.exit(end)
    await settle()

    assert process.exit_reason == end


@pytest.mark.parametrize("passes", range(6))
@pytest.mark.parametrize("end", [SHUTDOWN, KILLED], ids=str)
async def test_r01_an_end_in_the_tick_of_the_answer_a_callback_waits_for_ends_the_process(runtime, end, passes):
    answer = runtime.loop.create_future()

    async def wait(_self):
        await answer

    process = await started(runtime, Scripted())
    process.cast(wait)
    await settle()
    answer.set_result("answer")
    for _ in range(passes):
        await asyncio.sleep(0)
    process.exit(end)
    await settle()

    assert process.exit_reason == end


@pytest.mark.parametrize("passes", range(6))
async def test_r01_an_end_in_the_tick_of_a_time_out_ends_the_process(runtime, clock, passes):
    server = await started(runtime, Scripted())
    server.cast(forever)

    async def ask(_self):
        try:
            await server.call(Ask(1), timeout_s=1)
        except CallExit:
            await forever()

    process = await started(runtime, Scripted())
    process.cast(ask)
    await settle()
    clock.call_at(1, lambda: None)
    clock.ring(1)
    for _ in range(passes):
        await asyncio.sleep(0)
    process.exit(SHUTDOWN)
    await settle()

    assert process.exit_reason == SHUTDOWN
    server.exit(KILLED)


async def test_r01_an_end_at_any_moment_ends_the_process_under_every_schedule():
    async def scenario(world):
        process = await started(world.runtime, Scripted())
        for _ in range(3):
            process.cast(lambda _self: asyncio.sleep(0))
        for _ in range(world.random.randrange(10)):
            await asyncio.sleep(0)
        process.exit(SHUTDOWN)
        assert await process.ended(within_s=1) == SHUTDOWN

    await explore(scenario, seeds=range(60))


async def test_r02_what_was_not_handed_to_a_callback_is_still_queued_under_every_schedule():
    async def scenario(world):
        seen: list[object] = []

        def take(self):
            seen.append(self.me.reductions)
            return asyncio.sleep(0)

        process = await started(world.runtime, Scripted())
        for _ in range(8):
            process.cast(take)
        for _ in range(world.random.randrange(20)):
            await asyncio.sleep(0)
        queued, handed = process.queued, len(seen)
        assert queued + handed == 8
        process.exit(SHUTDOWN)
        await world.settle()
        assert len(seen) == handed

    await explore(scenario, seeds=range(60))


async def test_r02_a_cancelled_caller_costs_nobody_elses_message(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    calls = [asyncio.create_task(process.call(Ask(lambda self, _from, n=n: self.diary.append(n)))) for n in range(4)]
    process.cast("cast")
    calls[1].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await settle()

    assert diary in ([0, 2, 3, "cast"], ["cast", 0, 2, 3])


# Fairness

HUNDRED_THOUSAND = 100_000


class Busy(Scripted):
    mailbox_capacity = 200_000


async def test_r03_a_heart_beats_between_a_bounded_number_of_messages_of_another(runtime):
    hog, heart = await started(runtime, Busy()), await started(runtime, Scripted())
    beats: list[int] = []
    for _ in range(HUNDRED_THOUSAND):
        hog.cast(None)
    while hog.queued:
        heart.cast(lambda _self: beats.append(hog.reductions))
        await asyncio.sleep(0)

    assert beats[-1] > HUNDRED_THOUSAND / 2
    assert max(after - before for before, after in pairwise(beats)) <= 512


async def test_r03_the_loop_comes_round_in_time_while_an_actor_works_through_its_queue():
    runtime = Runtime(reporter=Recorder())
    hog = await started(runtime, Busy())
    for _ in range(HUNDRED_THOUSAND):
        hog.cast(None)
    rounds_s: list[float] = [time.monotonic()]
    while hog.queued:
        await asyncio.sleep(0)
        rounds_s.append(time.monotonic())
    gaps_s = sorted(after - before for before, after in pairwise(rounds_s))

    assert len(gaps_s) > 100
    assert gaps_s[len(gaps_s) * 9 // 10] < 0.005
    await hog.stop()


# The blocked loop


async def test_r04_a_callback_that_blocks_is_reported_with_its_actor_and_stack():
    told = threading.Event()
    blocked: list[LoopBlocked] = []

    def tell(event):
        if isinstance(event, LoopBlocked):
            blocked.append(event)
            told.set()

    def block_the_loop(_self) -> None:
        told.wait(timeout=10)  # until the thread has seen it

    runtime = Runtime(reporter=Recorder())
    process = await started(runtime, Scripted(), name="hog")
    with Watchdog(runtime, threshold_s=0.05, tell=tell):
        process.cast(block_the_loop)
        await process.call(Ask(1), timeout_s=None)

    assert [(event.process, event.pid) for event in blocked] == [("hog", process.pid)]
    assert "block_the_loop" in blocked[0].stack


# Bounded mailboxes


async def full(runtime, policy: Overflow) -> tuple:
    class Small(Scripted):
        mailbox_capacity = 3
        mailbox_overflow = policy

    diary: list[object] = []
    process = await started(runtime, Small(diary), name="small")
    await sys.suspend(process)
    for number in range(3):
        assert process.cast(number)
    return process, diary


@pytest.mark.parametrize(
    ("policy", "taken", "served"),
    [
        (Overflow.REJECT, False, [0, 1, 2]),
        (Overflow.DROP_NEW, True, [0, 1, 2]),
        (Overflow.DROP_OLDEST, True, [1, 2, 3]),
    ],
)
async def test_r05_beyond_the_bound_the_policy_decides_and_the_sender_knows_at_once(runtime, policy, taken, served):
    process, diary = await full(runtime, policy)
    assert process.cast(3) is taken
    await sys.resume(process)
    await settle()

    assert diary == served
    assert process.mailbox.refused == 1


async def test_r05_whoever_cannot_keep_up_may_be_ended(runtime):
    process, _ = await full(runtime, Overflow.KILL)

    assert process.cast(3) is False
    assert process.exit_reason == Custom("mailbox_full")


async def test_r05_a_call_of_a_full_mailbox_is_refused_without_waiting(runtime, clock):
    process, _ = await full(runtime, Overflow.REJECT)
    with pytest.raises(MailboxFull):
        await process.call(Ask(1))

    assert clock.monotonic() == 0


async def test_r05_exits_alarms_and_requests_of_sys_are_exempt(runtime, clock):
    process, diary = await full(runtime, Overflow.REJECT)
    process.send_after(1, "alarm")
    process.monitor(await started(runtime, Scripted(), name="other"))
    runtime.whereis("other").exit(KILLED)
    await clock.advance(1)
    assert (await sys.get_status(process)).is_suspended
    assert process.mailbox.depth == 5
    await sys.resume(process)
    await settle()

    assert diary[:3] == [0, 1, 2]
    assert [type(message).__name__ for _info, message in diary[3:]] == ["Down", "str"]


async def test_r05_an_alarm_is_raised_once_while_a_mailbox_is_nearly_full(runtime, clock, reports):
    await started(runtime, MailboxWatch(every_s=1, high=0.9, low=0.5))
    process, _ = await full(runtime, Overflow.REJECT)
    await clock.advance(3)
    await sys.resume(process)
    await clock.advance(3)

    assert reports.events == [MailboxHigh("small", process.pid, 3, 3), MailboxLow("small", process.pid, 0)]


async def test_r05_an_alarm_ends_with_its_process(runtime, clock, reports):
    await started(runtime, MailboxWatch())
    process, _ = await full(runtime, Overflow.REJECT)
    await clock.advance(1)
    process.exit(KILLED)
    await clock.advance(1)

    assert [type(event) for event in reports.events] == [MailboxHigh, MailboxLow]


# Tasks and futures


def pending_futures() -> int:
    gc.collect()
    return sum(isinstance(each, asyncio.Future) and not each.done() for each in gc.get_objects())


async def lives(runtime, count: int) -> None:
    """Starts, crashes, kills, stops and calls that end with their callee; the worker of an async callback each."""
    for number in range(count):
        process = await started(runtime, Tidy())
        process.cast(lambda _self: asyncio.sleep(0))
        call = asyncio.create_task(process.call(Ask(forever), timeout_s=None))
        await asyncio.sleep(0)
        ends = (
            lambda p: p.cast(boom),
            lambda p: p.exit(KILLED),
            lambda p: p.request_stop(NORMAL),
            lambda p: p.kill(SHUTDOWN),
        )
        ends[number % 4](process)
        await settle()
        process.kill(KILLED)
        await asyncio.wait([call])
        assert isinstance(call.exception(), CallExit)


async def test_r06_a_thousand_lives_leave_no_task_and_no_future(runtime):
    await lives(runtime, 8)
    await settle()
    tasks, futures = asyncio.all_tasks(), pending_futures()
    await lives(runtime, 1_000)
    await settle()

    assert asyncio.all_tasks() == tasks
    assert pending_futures() == futures
    assert runtime.processes == {}


async def test_r06_a_thousand_restarts_leave_no_task_and_no_future(runtime, clock):
    leaf = ChildSpec("leaf", actor(Tidy, name="leaf"))
    await spawn(runtime, Supervisor(Flags(Strategy.ONE_FOR_ALL, intensity=2_000, period_s=1), [leaf]))
    runtime.named("leaf").cast(boom)
    await settle()
    tasks, futures = len(asyncio.all_tasks()), pending_futures()
    for _ in range(1_000):
        runtime.named("leaf").cast(boom)
        await asyncio.sleep(0)
    await settle()

    assert (len(asyncio.all_tasks()), pending_futures()) == (tasks, futures)
    assert clock.pending == 0


async def test_r07_a_task_that_only_its_own_frame_knows_is_not_collected_while_its_process_is_alive(runtime):
    ended: list[str] = []

    async def wait_in_vain(_self):
        try:
            await runtime.loop.create_future()  # a ring: future → task → frame → future
        finally:
            ended.append("finally")

    tasks: list[weakref.ref] = []
    for _ in range(50):
        process = await started(runtime, Scripted())
        process.cast(wait_in_vain)
        await settle()
        tasks.append(weakref.ref(process.running_task()))
        del process
        gc.collect()

    assert all(task() is not None and not task().done() for task in tasks)
    assert ended == []
    for process in list(runtime.processes.values()):
        process.exit(KILLED)
    await settle()
    assert ended == ["finally"] * 50
    del process
    gc.collect()
    assert [task() for task in tasks] == [None] * 50


async def test_r08_no_path_leaves_an_exception_or_a_task_behind_that_asyncio_complains_of(runtime, clock, recwarn):
    complaints: list[object] = []
    runtime.loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    await lives(runtime, 4)

    class Late(Actor):
        async def init(self):
            await asyncio.sleep(0)
            boom()

    with pytest.raises(NotStarted):
        await spawn(runtime, Late())
    start = asyncio.create_task(spawn(runtime, Late()))
    await asyncio.sleep(0)
    start.cancel()
    process = await started(runtime, Scripted())
    process.post_call(Ask(boom), None)  # nobody looks at the answer
    timed_out = await started(runtime, Scripted())
    timed_out.post_call(Ask(forever), 1)
    piping = await started(runtime, Scripted())
    failed = runtime.loop.create_future()
    piping.instance.pipe(failed, lambda done: done.result())
    failed.set_exception(ValueError("piped"))
    await spawn(runtime, TaskSupervisor(), name="tasks")
    await Tasks(runtime.named("tasks")).start_child(boom, label="failing")
    await clock.advance(2)
    timed_out.exit(KILLED)
    del process, timed_out, piping, failed, start
    await settle()
    gc.collect()
    await settle()

    assert complaints == []
    assert [str(warning.message) for warning in recwarn] == []


# Context

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def test_r09_an_actor_has_a_context_of_its_own_that_lasts_and_does_not_leak(runtime):
    def become(name):
        return Ask(lambda _self, _from: WHO.set(name) and None)

    async def late(_self, _from):
        await asyncio.sleep(0)
        return WHO.get()

    a, b = await started(runtime, Scripted()), await started(runtime, Scripted())
    await a.call(become("a"))
    await b.call(become("b"))

    assert [await each.call(Ask(lambda _self, _from: WHO.get())) for each in (a, b)] == ["a", "b"]
    assert [await each.call(Ask(late)) for each in (a, b)] == ["a", "b"]
    assert WHO.get() == "nobody"


async def test_r09_an_actor_begins_with_the_context_of_its_starter(runtime):
    token = WHO.set("starter")
    process = await started(runtime, Scripted())
    WHO.reset(token)

    assert await process.call(Ask(lambda _self, _from: WHO.get())) == "starter"


async def test_r09_tasks_and_coroutines_know_whose_they_are_and_what_was_bound(runtime):
    await spawn(runtime, TaskSupervisor(), name="tasks")

    async def report():
        me = current_process()
        return me.label, [each.label for each in me.on_behalf_of], structlog.contextvars.get_contextvars()

    async def ask(self, _from):
        structlog.contextvars.bind_contextvars(request="r-1")
        handle = await Tasks(self.runtime.named("tasks")).async_nolink(report, label="job")
        inner = asyncio.create_task(asyncio.sleep(0, current_process()))
        return await handle.result(), await inner is None, current_process() is self.me

    server = await started(runtime, Scripted(), name="server")
    (label, callers, bound), _, is_me = await server.call(Ask(ask))

    assert (label, callers, bound, is_me) == ("job", ["server"], {"request": "r-1"}, True)
    assert structlog.contextvars.get_contextvars() == {}


# Threads


@pytest.fixture
async def real():
    runtime = Runtime(reporter=Recorder())
    yield runtime
    for process in list(runtime.processes.values()):
        process.exit(KILLED)
    await settle()


async def test_r10_what_a_thread_sends_arrives_in_order_in_the_thread_of_the_loop(real):
    diary: list[object] = []
    process = await started(real, Scripted(diary))

    def talk() -> object:
        for number in range(50):
            cast_from_thread(real, process, number)
            send_from_thread(real, process, number)
        answer = call_from_thread(real, process, Ask(lambda self, _from: len(self.diary)))
        cast_from_thread(real, process, lambda self: diary.append(threading.get_ident()))
        return answer

    assert await asyncio.to_thread(talk) == 100
    await process.call(Ask(1))
    assert diary[:100] == [each for number in range(50) for each in (number, ("info", number))]
    assert diary[100:] == [threading.get_ident()]


async def test_r10_a_cast_after_a_call_does_not_overtake_it(real):
    diary: list[object] = []
    process = await started(real, Scripted(diary))
    call = threading.Thread(
        target=lambda: (
            call_from_thread(real, process, Ask(lambda self, _from: self.diary.append("call"))),
            cast_from_thread(real, process, "cast"),
        )
    )
    call.start()
    await asyncio.to_thread(call.join)
    await settle()

    assert diary == ["call", "cast"]


async def test_r10_a_call_from_a_thread_fails_as_any_other(real):
    async def caught(target, timeout_s=5.0) -> object:
        def call() -> object:
            try:
                return call_from_thread(real, target, Ask(forever), timeout_s)
            except CallExit as error:
                return error.reason

        return await asyncio.to_thread(call)

    process = await started(real, Scripted())
    assert await caught(real.named("nobody")) == NOPROC
    assert await caught(process, 0.01) == TIMEOUT
    call = asyncio.create_task(caught(process))
    while process.queued == 0:
        await asyncio.sleep(0.001)
    process.exit(Custom("gone"))
    assert await call == Custom("gone")


async def test_r10_a_call_from_the_loops_own_thread_is_refused_instead_of_blocking_it(real):
    process = await started(real, Scripted())
    with pytest.raises(RuntimeError, match="another thread"):
        call_from_thread(real, process, Ask(1))


async def test_r10_an_actor_may_be_called_by_a_thread_it_has_started_itself(real):
    """The thread inherits its context, and is not it all the same."""
    answers: list[object] = []
    process = await started(real, Scripted())

    def from_thread() -> None:
        answers.append(call_from_thread(real, process, Ask(42)))

    process.cast(lambda _self: answers.append(asyncio.ensure_future(asyncio.to_thread(from_thread))))
    await settle()
    await answers[0]

    assert answers[1] == 42


def test_r10_after_the_loop_nobody_is_there():
    async def main() -> tuple:
        runtime = Runtime(reporter=Recorder())
        return runtime, await started(runtime, Scripted())

    runtime, process = asyncio.run(main())
    outcome: list[object] = []

    def call() -> None:
        outcome.append(cast_from_thread(runtime, process, 1))
        try:
            call_from_thread(runtime, process, Ask(1))
        except CallExit as error:
            outcome.append(error.reason)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert outcome == [False, NOPROC]


# What is no Exception

PROGRAM = """
import asyncio, sys
from functools import partial
from supervisors import *
from supervisors.application import Application, run

class Child(Actor):
    def handle_cast(self, message):
        raise {error}
    def terminate(self, reason):
        print("child ends", flush=True)

class Shop(Application):
    async def start(self, runtime):
        specs = [ChildSpec(name, actor(Child, name=name)) for name in ("a", "b")]
        root = await spawn(runtime, Supervisor(Flags(), specs), name="root")
        runtime.named("a").cast("go")
        return root
    async def stop(self):
        print("application ends", flush=True)

sys.exit(run(Shop()))
"""


@pytest.mark.parametrize(("error", "code"), [("KeyboardInterrupt", 130), ("SystemExit(7)", 7)])
def test_r11_what_ends_the_program_stops_the_tree_in_order_first(error, code):
    program = subprocess.run(
        [python.executable, "-c", PROGRAM.format(error=error)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = [line for line in program.stdout.splitlines() if line.endswith("ends")]

    assert program.returncode == code
    assert said == ["child ends"] * 3 + ["application ends"]  # a in its first life, then b and a in reverse


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: BaseExceptionGroup("all", [error, OSError()])])
def test_r11_an_interrupt_ends_the_program_alone_and_in_a_group(wrap):
    async def interrupted(_self):
        await asyncio.sleep(0)
        raise wrap(KeyboardInterrupt())

    ended: list[object] = []

    async def main() -> None:
        process = await started(Runtime(reporter=Recorder()), Scripted())
        process.on_death(ended.append)
        process.cast(interrupted)
        await forever()

    with pytest.raises(KeyboardInterrupt), asyncio.Runner() as runner:
        runner.run(main())
    assert isinstance(ended[0], Error)


async def test_r11_running_out_of_memory_is_a_crash(runtime):
    def hungry(_self):
        raise MemoryError

    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]))
    old = runtime.whereis("leaf")
    old.cast(hungry)
    await settle()

    assert isinstance(old.exit_reason.exception, MemoryError)
    assert runtime.whereis("leaf").incarnation == 2


async def in_group(error: BaseException) -> None:
    async with anyio.create_task_group(), asyncio.TaskGroup():
        raise error


async def test_r11_a_group_of_one_is_that_one(runtime):
    process = await started(runtime, Scripted())
    process.cast(lambda _self: in_group(ValueError("inner")))
    await settle()
    assert str(process.exit_reason) == "ValueError: inner"
    assert process.exit_reason.where[-1][2] == "in_group"

    process = await started(runtime, Scripted())
    process.cast(lambda _self: in_group(ExitWith(SHUTDOWN)))
    await settle()
    assert process.exit_reason == SHUTDOWN


async def test_r11_a_group_of_several_is_one_reason_that_names_them(runtime):
    def several(_self):
        raise ExceptionGroup("all", [ValueError("a"), ExceptionGroup("more", [OSError("b")])])

    process = await started(runtime, Scripted())
    process.cast(several)
    await settle()

    assert str(process.exit_reason) == "ExceptionGroup: all (2 sub-exceptions): ValueError: a; OSError: b"


@pytest.mark.parametrize("is_async", [False, True])
async def test_r12_a_callback_that_raises_cancelled_error_itself_crashes(runtime, reports, is_async):
    def plain(_self):
        raise asyncio.CancelledError

    async def waiting(_self):
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Tidy, name="leaf"))]), name="root")
    old = runtime.whereis("leaf")
    old.cast(waiting if is_async else plain)
    await settle()

    assert isinstance(old.exit_reason.exception, asyncio.CancelledError)
    assert reports.kinds()[-4:] == ["Terminated", "Crashed", "ChildTerminated", "Progress"]


# anyio


async def given_up(_self):
    with anyio.move_on_after(0):
        await forever()


async def cancelled_scope(_self):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await forever()


async def cancelled_group(_self):
    async with anyio.create_task_group() as group:
        group.start_soon(forever)
        group.start_soon(asyncio.sleep, 0)
        group.cancel_scope.cancel()


async def failing_group(_self):
    async def fails() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            boom()

    with pytest.raises(ExceptionGroup):
        await fails()


async def shielded(_self):
    with anyio.move_on_after(0), anyio.CancelScope(shield=True):
        await asyncio.sleep(0)


USES = [given_up, cancelled_scope, cancelled_group, failing_group, shielded]


@pytest.mark.parametrize("use", USES)
async def test_r13_what_anyio_cancels_in_a_callback_cancels_nothing_else(runtime, use):
    process = await started(runtime, Scripted())
    for _ in range(3):
        process.cast(use)
        process.cast(lambda self: self.diary.append("next"))
    answer = await process.call(Ask(lambda _self, _from: asyncio.sleep(0, "answer")))

    assert answer == "answer"
    assert process.instance.diary == ["next"] * 3
    assert process.alive


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("passes", range(4))
async def test_r13_an_end_in_the_midst_of_a_scope_ends_the_process(runtime, use, passes):
    async def endlessly(self):
        while True:
            await use(self)

    process = await started(runtime, Scripted())
    process.cast(endlessly)
    for _ in range(passes):
        await asyncio.sleep(0)
    process.exit(SHUTDOWN)
    for _ in range(100):
        await asyncio.sleep(0)

    assert process.exit_reason == SHUTDOWN
    assert runtime.zombies == {}


# Loops, time, schedules


async def a_bad_hour(runtime: Runtime, clock: VirtualClock) -> None:
    names = ("a", "b", "c")
    specs = [ChildSpec(name, actor(Tidy, name=name)) for name in names]
    root = await spawn(runtime, Supervisor(Flags(Strategy.REST_FOR_ONE, 3, 60), specs), name="root")
    for name in ("b", "c", "a"):
        runtime.named(name).cast(lambda _self: asyncio.sleep(0))
        runtime.whereis(name).send_after(5, "alarm")
        runtime.named(name).cast(boom)
        await clock.advance(20)
    runtime.named("b").cast(lambda _self: Stop(Custom("last")))
    await clock.advance(1)
    assert root.exit_reason == SHUTDOWN


def events_of(loop_factory) -> list[str]:
    async def main() -> list[str]:
        clock, reports = VirtualClock(), Recorder()
        await a_bad_hour(Runtime(clock=clock, reporter=reports), clock)
        return [f"{type(event).__name__} {event}" for event in reports.events]

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def test_r14_the_same_scenario_leaves_the_same_events_on_both_loops():
    plain = events_of(asyncio.SelectorEventLoop)

    assert plain == events_of(uvloop.new_event_loop)
    assert len(plain) > 15


async def test_r14_every_test_of_this_suite_runs_on_both_loops(request):
    is_uvloop = isinstance(asyncio.get_running_loop(), uvloop.Loop)

    assert request.node.name.endswith("[uvloop]" if is_uvloop else "[asyncio]")


def test_r15_on_virtual_time_every_run_is_the_same():
    assert events_of(asyncio.SelectorEventLoop) == events_of(asyncio.SelectorEventLoop)


async def test_r15_timers_fire_at_their_moments_and_in_their_order(runtime, clock):
    rung: list[tuple[float, str]] = []
    for moment_s, name in ((3, "c"), (1, "a"), (1, "b"), (3_600, "d")):
        runtime.call_later(moment_s, lambda name=name: rung.append((clock.monotonic(), name)))
    began_s = time.monotonic()
    await clock.advance(3_600)

    assert rung == [(1, "a"), (1, "b"), (3, "c"), (3_600, "d")]
    assert time.monotonic() - began_s < 10


async def test_r15_a_schedule_that_fails_is_found_and_repeated_by_its_seed():
    async def racing(world):
        diary: list[object] = []
        third = await started(world.runtime, Scripted(diary))
        for number in range(3):
            (await started(world.runtime, Scripted())).cast(lambda _self, number=number: third.cast(number) and None)
        await world.settle()
        assert diary == [0, 1, 2]

    with pytest.raises(ScheduleFailed) as found:
        await explore(racing)
    with pytest.raises(ScheduleFailed) as again:
        await explore(racing, seeds=[found.value.seed])
    assert again.value.turns == found.value.turns


async def test_r15_a_tree_keeps_its_word_under_every_schedule():
    async def scenario(world):
        await a_bad_hour(world.runtime, world.clock)
        assert world.runtime.processes == {}

    await explore(scenario, seeds=range(25))


def test_r17_random_schedules_agree_with_the_model_of_the_supervisor():
    from tests.supervisors.test_supervisor_against_model import SupervisorMachine

    few = settings(
        max_examples=15,
        stateful_step_count=10,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    run_state_machine_as_test(SupervisorMachine, settings=few)
