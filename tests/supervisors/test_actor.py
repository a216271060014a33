"""One actor: its callbacks, its calls, its end."""

import asyncio
import gc
from functools import partial

import pytest

from supervisors import (
    IGNORE,
    KILLED,
    NO_REPLY,
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    Continue,
    Custom,
    Error,
    ExitWith,
    From,
    MailboxFull,
    NameTaken,
    NotStarted,
    Reply,
    Runtime,
    Shutdown,
    Stop,
    spawn,
)
from supervisors.exits import CALLING_SELF, NOPROC, TIMEOUT
from supervisors.testing import Recorder, VirtualClock, settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, started


async def test_a_call_returns_what_a_plain_callback_returns(runtime):
    process = await started(runtime, Scripted())

    assert await process.call(Ask(42)) == 42


async def test_a_call_returns_what_an_async_callback_returns(runtime):
    async def slowly(_self, _from):
        await asyncio.sleep(0)
        return "late"

    process = await started(runtime, Scripted())

    assert await process.call(Ask(slowly)) == "late"


async def test_messages_are_handled_one_at_a_time_in_order_even_across_async_callbacks(runtime):
    diary: list[object] = []

    async def slow(actor):
        await asyncio.sleep(0)
        actor.diary.append("slow")

    process = await started(runtime, Scripted(diary))
    for message in ("first", slow, "last"):
        process.cast(message)
    await settle()

    assert diary == ["first", "slow", "last"]


async def test_a_deferred_reply_may_come_from_anywhere_and_only_the_first_counts(runtime):
    kept: list[From] = []
    process = await started(runtime, Scripted())

    def keep(_self, from_):
        kept.append(from_)
        return NO_REPLY

    call = asyncio.create_task(process.call(Ask(keep)))
    await settle()
    kept[0].reply("first")
    kept[0].reply("second")

    assert await call == "first"


async def test_a_reply_to_a_caller_that_gave_up_is_dropped(runtime, clock):
    kept: list[From] = []
    process = await started(runtime, Scripted())

    def keep(_self, from_):
        kept.append(from_)
        return NO_REPLY

    call = asyncio.create_task(process.call(Ask(keep), timeout_s=5))
    await clock.advance(5)
    with pytest.raises(CallExit) as caught:
        await call
    kept[0].reply("too late")

    assert caught.value.reason == TIMEOUT
    assert await process.call(Ask("alive")) == "alive"


async def test_a_call_fails_at_once_when_nobody_is_there(runtime):
    with pytest.raises(CallExit) as caught:
        await runtime.named("nobody").call(Ask(1), timeout_s=None)

    assert caught.value.reason == NOPROC


async def test_a_call_fails_at_once_when_the_callee_dies_while_working_on_it(runtime):
    process = await started(runtime, Scripted())

    with pytest.raises(CallExit) as caught:
        await process.call(Ask(boom), timeout_s=None)

    assert isinstance(caught.value.reason, Error)
    assert str(caught.value.reason) == "ValueError: boom"


async def test_a_queued_call_fails_with_the_reason_of_the_death_before_it(runtime):
    process = await started(runtime, Scripted())
    queued = asyncio.create_task(process.call(Ask(1), timeout_s=None))
    process.exit(Shutdown("enough"))

    with pytest.raises(CallExit) as caught:
        await queued

    assert caught.value.reason in {Shutdown("enough"), NOPROC}


async def test_calling_oneself_fails_at_once_instead_of_hanging(runtime):
    async def selfish(actor, _from):
        return await actor.me.call(Ask(1), timeout_s=None)

    process = await started(runtime, Scripted())
    with pytest.raises(CallExit) as caught:
        await process.call(Ask(selfish), timeout_s=None)

    reason = caught.value.reason
    assert isinstance(reason, Error)
    assert isinstance(reason.exception, CallExit)
    assert reason.exception.reason == CALLING_SELF


async def test_a_cancelled_caller_leaves_the_callee_alone_and_nothing_behind(runtime):
    gate = asyncio.Event()
    diary: list[object] = []

    async def wait(actor, _from):
        await gate.wait()
        actor.diary.append("worked on")

    process = await started(runtime, Scripted(diary))
    call = asyncio.create_task(process.call(Ask(wait), timeout_s=None))
    await settle()
    call.cancel()
    await settle()
    gate.set()
    await settle()

    assert diary == ["worked on"]
    assert process.alive


async def test_a_cast_to_the_dead_is_no_error(runtime):
    process = await started(runtime, Scripted())
    process.exit(KILLED)

    assert process.cast("hello") is False


async def test_continue_runs_before_any_queued_message(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    process.cast(lambda _self: Continue("next"))
    process.cast("queued")
    await settle()

    assert diary == [("continue", "next"), "queued"]


async def test_a_reply_may_be_followed_by_a_continue(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))

    assert await process.call(Ask(lambda *_: Reply(1, Continue("then")))) == 1
    await settle()
    assert diary == [("continue", "then")]


async def test_stop_runs_terminate_before_the_last_reply_goes_out(runtime):
    diary: list[object] = []
    process = await started(runtime, Tidy(diary))

    assert await process.call(Ask(lambda *_: Stop(NORMAL, reply="bye"))) == "bye"
    assert diary == [("terminate", NORMAL)]
    assert process.exit_reason == NORMAL


async def test_an_exception_ends_the_actor_after_terminate(runtime, reports):
    diary: list[object] = []
    process = await started(runtime, Tidy(diary))
    process.cast(boom)
    await settle()

    assert isinstance(process.exit_reason, Error)
    assert diary == [("terminate", process.exit_reason)]
    assert reports.kinds() == ["Terminated", "Crashed"]


async def test_an_exception_inside_terminate_becomes_the_reason(runtime):
    class Clumsy(Scripted):
        def terminate(self, reason):
            raise LookupError("dropped it")

    process = await started(runtime, Clumsy())
    process.cast(boom)
    await settle()

    assert str(process.exit_reason) == "LookupError: dropped it"


async def test_a_strange_return_value_is_a_crash(runtime):
    process = await started(runtime, Scripted())
    process.cast(lambda _self: "what?")
    await settle()

    assert process.exit_reason == Custom(("bad_return_value", "str"))


async def test_a_callback_that_raises_cancelled_itself_has_crashed(runtime):
    async def cancels_itself(_self):
        raise asyncio.CancelledError

    process = await started(runtime, Scripted())
    process.cast(cancels_itself)
    await settle()

    assert isinstance(process.exit_reason, Error)


@pytest.mark.parametrize("reason", [SHUTDOWN, Custom("go")])
async def test_who_does_not_trap_dies_of_an_exit_signal_without_terminate(runtime, reason):
    diary: list[object] = []

    class Plain(Tidy):
        trap_exit = False

    process = await started(runtime, Plain(diary))
    process.exit(reason)

    assert process.exit_reason == reason
    assert diary == []


async def test_a_normal_exit_signal_is_ignored_by_who_does_not_trap(runtime):
    process = await started(runtime, Scripted())
    process.exit(NORMAL)
    await settle()

    assert process.alive


async def test_who_traps_gets_the_exit_as_a_message(runtime):
    diary: list[object] = []
    process = await started(runtime, Tidy(diary))
    process.exit(Custom("hello"))
    await settle()

    assert process.alive
    assert len(diary) == 1


@pytest.mark.parametrize("actor", [Scripted, Tidy])
async def test_kill_cannot_be_trapped(runtime, actor):
    process = await started(runtime, actor())
    process.exit(KILLED)

    assert process.exit_reason == KILLED


async def test_a_busy_actor_is_interrupted_by_an_exit_signal(runtime):
    process = await started(runtime, Scripted())
    process.cast(lambda _self: asyncio.Event().wait())
    await settle()
    process.exit(SHUTDOWN)
    await settle()

    assert process.exit_reason == SHUTDOWN


async def test_code_that_swallows_every_cancellation_is_declared_dead_and_listed(runtime):
    release = asyncio.Event()

    async def stubborn(_self):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    process = await started(runtime, Scripted(), name="stubborn")
    process.cast(stubborn)
    await settle()
    process.exit(KILLED)
    await settle()

    assert process.exit_reason == KILLED
    assert runtime.whereis("stubborn") is None
    assert process.pid in runtime.zombies
    release.set()
    await settle()


async def test_a_name_belongs_to_one_living_process(runtime):
    first = await started(runtime, Scripted(), name="only")
    with pytest.raises(NameTaken):
        await spawn(runtime, Scripted(), name="only")
    first.exit(KILLED)

    assert (await started(runtime, Scripted(), name="only")).incarnation == 2


async def test_init_may_ignore_and_leaves_nothing(runtime):
    class Unneeded(Actor):
        def init(self):
            return IGNORE

    assert await spawn(runtime, Unneeded(), name="unneeded") is None
    assert runtime.whereis("unneeded") is None


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failed_init_leaves_the_name_free_and_tells_the_reason(runtime, is_async):
    class Broken(Actor):
        def init(self):
            return self.later() if is_async else boom()

        async def later(self):
            await asyncio.sleep(0)
            boom()

    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Broken(), name="broken")

    assert str(caught.value.reason) == "ValueError: boom"
    assert runtime.whereis("broken") is None


async def test_an_init_that_takes_too_long_is_given_up(runtime, clock):
    class Slow(Actor):
        async def init(self):
            await asyncio.Event().wait()

    start = asyncio.create_task(spawn(runtime, Slow(), name="slow", within_s=3))
    await clock.advance(3)

    with pytest.raises(NotStarted) as caught:
        await start
    assert caught.value.reason == TIMEOUT
    assert runtime.whereis("slow") is None


async def test_a_full_mailbox_refuses_calls_with_an_error_and_casts_silently(runtime):
    class Small(Scripted):
        mailbox_capacity = 2

    process = await started(runtime, Small())
    assert process.cast("a")
    assert process.cast("b")

    assert not process.cast("c")
    with pytest.raises(MailboxFull):
        await process.call(Ask(1))


async def test_a_timer_message_arrives_on_time_and_not_after_a_cancel(runtime, clock):
    diary: list[object] = []

    class Alarm(Scripted):
        def init(self):
            self.send_after(10, "ring")
            self.send_after(10, "never").cancel()

    await started(runtime, Alarm(diary))
    await clock.advance(9.9)
    before = list(diary)
    await clock.advance(0.1)

    assert before == []
    assert diary == [("info", "ring")]


async def test_a_flooded_actor_does_not_starve_another(runtime):
    served: list[int] = []
    flooded = await started(runtime, Scripted())
    other = await started(runtime, Scripted())
    for number in range(9_000):
        flooded.cast(lambda _self, number=number: served.append(number))

    assert await other.call(Ask("quick")) == "quick"
    assert len(served) < 9_000


async def test_crashes_leave_no_garbage_tasks_or_names(runtime):
    async def fail(_self):
        await asyncio.sleep(0)
        boom()

    before = len(asyncio.all_tasks())
    for _ in range(50):
        process = await started(runtime, Scripted(), name="crashing")
        process.cast(fail)
        await process.ended()
    await settle()
    gc.collect()

    assert len(asyncio.all_tasks()) == before
    assert runtime.processes == {}


async def test_the_actor_runs_in_its_own_process(runtime):
    from supervisors.process import current_process

    process = await started(runtime, Scripted())

    assert await process.call(Ask(lambda *_: current_process())) is process
    assert current_process() is None


async def test_a_reporter_that_raises_does_not_hurt(clock: VirtualClock):
    def broken(_event):
        raise RuntimeError("reporter")

    runtime = Runtime(clock=clock, reporter=broken)
    process = await started(runtime, Scripted())
    process.cast(boom)
    await settle()

    assert isinstance(process.exit_reason, Error)


def test_partial_builds_a_fresh_instance_for_every_life():
    make = partial(Scripted, None)
    assert make() is not make()


async def test_unexpected_plain_messages_are_reported_and_dropped(runtime, reports: Recorder):
    process = await started(runtime, Actor())
    process.send("what is this")
    await settle()

    assert process.alive
    assert reports.kinds() == ["Unexpected"]


@pytest.mark.parametrize("steps", [0, 1, 3])
async def test_what_an_init_that_waits_continues_with_is_done(runtime, steps):
    class Patient(Scripted):
        async def init(self) -> Continue:
            for _ in range(steps):
                await asyncio.sleep(0)
            return Continue("warm up")

    await started(runtime, patient := Patient())
    await settle()

    assert patient.diary == [("continue", "warm up")]


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("done"), Custom("enough")])
async def test_a_callback_may_choose_the_reason_it_ends_for(runtime, reports, reason):
    def leave(_self: Scripted) -> None:
        raise ExitWith(reason)

    process = await started(runtime, Tidy(diary := []))
    process.cast(leave)
    await settle()

    assert process.exit_reason == reason
    assert diary == [("terminate", reason)]
    assert reports.kinds() == (["Terminated", "Crashed"] if reason == Custom("enough") else [])


async def test_terminate_may_replace_the_reason(runtime):
    class Stubborn(Tidy):
        def terminate(self, reason: object) -> None:
            raise ExitWith(Custom("other"))

    process = await started(runtime, Stubborn())
    process.request_stop(SHUTDOWN)
    await settle()

    assert process.exit_reason == Custom("other")
