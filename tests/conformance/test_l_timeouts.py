"""Group L: plain messages, what a callback continues with, time-outs, hibernation. Cases of `gen_server_SUITE`."""

import asyncio
from math import inf

import pytest

from supervisors import (
    HIBERNATE,
    KILLED,
    NO_REPLY,
    NORMAL,
    Actor,
    After,
    CallExit,
    Continue,
    Custom,
    Error,
    Exit,
    Reply,
    Stop,
    send_request,
    sys,
)
from supervisors.events import Unexpected
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Tidy, started

DONE = Custom("done")


class Open(Tidy):
    """Does what a message says, whichever way it comes, and notes all others."""

    def __init__(self, first: object = None) -> None:
        super().__init__()
        self.first = first

    def init(self):
        return self.first(self) if callable(self.first) else self.first

    def do(self, message):
        if callable(message):
            return message(self)
        self.diary.append(message)
        return None

    handle_cast = handle_info = handle_continue = do


def by_call(process, action):
    send_request(process.runtime, process, Ask(lambda *_: Reply("answer", action)))


def by_call_without_answer(process, action):
    def answers_by_hand(_actor, from_):
        from_.reply("answer")
        return Reply("not heard", action)

    send_request(process.runtime, process, Ask(answers_by_hand))


def by_cast(process, action):
    process.cast(lambda _: action)


def by_info(process, action):
    process.send(lambda _: action)


def by_continue(process, action):
    process.cast(lambda _: Continue(lambda _: action))


def by_waiting_cast(process, action):
    async def waits(_actor):
        await asyncio.sleep(0)
        return action

    process.cast(waits)


EVERY_WAY = [by_call, by_call_without_answer, by_cast, by_info, by_continue, by_waiting_cast]
every_way = pytest.mark.parametrize("way", EVERY_WAY)


@pytest.fixture
async def process(runtime):
    return await started(runtime, Open())


@pytest.fixture
def diary(process):
    return process.instance.diary


async def hold(process) -> asyncio.Event:
    """Keep it busy, so that messages queue."""
    gate = asyncio.Event()
    process.cast(lambda _: passes(gate))
    await settle()
    return gate


async def passes(gate):
    await gate.wait()


# Plain messages


async def test_l01_a_plain_message_is_handled_and_the_next_one_waited_for(process, diary):
    process.send("first")
    process.send("second")
    await settle()

    assert (diary, process.alive) == (["first", "second"], True)


async def test_l01_a_plain_message_may_ask_for_another_one_later(process, diary, clock):
    process.send(lambda _: After(2, "time is up"))
    await clock.advance(1.999)
    assert diary == []
    await clock.advance(0.001)

    assert diary == ["time is up"]


@pytest.mark.parametrize("reason", [NORMAL, DONE])
async def test_l01_a_plain_message_may_stop_the_actor(process, diary, reason):
    process.send(lambda _: Stop(reason))
    process.send("too late")
    await settle()

    assert (process.exit_reason, diary) == (reason, [("terminate", reason)])


async def test_l01_a_plain_message_has_no_answer(process):
    process.send(lambda _: "what?")
    await settle()

    assert process.exit_reason == Custom(("bad_return_value", "str"))


async def test_l01_no_reply_is_nothing_a_plain_message_can_answer(process):
    process.send(lambda _: NO_REPLY)
    await settle()

    assert process.exit_reason == Custom(("bad_return_value", "_Signal"))


# Continue


async def test_l02_what_init_continues_with_comes_before_what_was_sent_to_it_meanwhile(runtime):
    def sends_and_continues(actor):
        actor.me.send("queued")
        return Continue("continued")

    process = await started(runtime, Open(sends_and_continues))
    await settle()

    assert process.instance.diary == ["continued", "queued"]


@every_way
async def test_l02_what_a_callback_continues_with_comes_before_any_queued_message(process, diary, way):
    gate = await hold(process)
    way(process, Continue("continued"))
    process.cast("queued")
    process.send("queued, too")
    gate.set()
    await settle()

    assert diary == ["continued", "queued", "queued, too"]


async def test_l02_the_answer_is_out_before_the_caller_s_server_continues(process, diary):
    gate = await hold(process)
    pending = send_request(process.runtime, process, Ask(lambda *_: Reply("answer", Continue(look))))

    def look(actor):
        actor.diary.append(pending.check())

    gate.set()

    assert await pending.wait() == "answer"
    await settle()
    assert diary == [True]


async def test_l02_a_continuation_may_stop_the_actor(process, diary):
    process.cast(lambda _: Continue(lambda _: Stop(DONE)))
    process.cast("too late")
    await settle()

    assert (process.exit_reason, diary) == (DONE, [("terminate", DONE)])


async def test_l02_one_continuation_after_another_keeps_the_messages_waiting(process, diary):
    def count_down(left):
        def step(actor):
            actor.diary.append(left)
            return Continue(count_down(left - 1)) if left else None

        return step

    process.cast(count_down(200))
    process.cast("queued")
    await settle()

    assert diary == [*range(200, -1, -1), "queued"]


# Time-outs


async def test_l03_a_time_out_begun_by_init_comes_once(runtime, clock):
    process = await started(runtime, Open(After(1, "time is up")))
    diary = process.instance.diary
    await clock.advance(0.999)
    assert diary == []
    await clock.advance(0.001)
    assert diary == ["time is up"]
    await clock.advance(100)

    assert diary == ["time is up"]


async def test_l03_a_time_out_begun_by_an_init_that_waits_counts_from_its_end(runtime, clock):
    async def waits(_actor):
        woken = asyncio.Event()
        runtime.call_later(5, woken.set)
        await woken.wait()
        return After(1, "time is up")

    starting = asyncio.create_task(started(runtime, Open(waits)))
    await clock.advance(5.999)
    process = await starting
    assert process.instance.diary == []
    await clock.advance(0.001)

    assert process.instance.diary == ["time is up"]


async def test_l03_a_message_ends_a_time_out_begun_by_init(runtime, clock):
    process = await started(runtime, Open(After(1, "time is up")))
    await clock.advance(0.5)
    process.cast("message")
    await clock.advance(100)

    assert process.instance.diary == ["message"]


async def test_l04_no_time_at_all_after_init_is_before_anything_queued(runtime):
    def sends_and_waits(actor):
        actor.me.send("queued")
        return After(0, "at once")

    process = await started(runtime, Open(sends_and_waits))
    await settle()

    assert process.instance.diary == ["at once", "queued"]


@every_way
async def test_l05_a_time_out_begun_by_a_callback_comes_once(process, diary, clock, way):
    way(process, After(2, "time is up"))
    await clock.advance(1.999)
    assert diary == []
    await clock.advance(0.001)
    await clock.advance(100)

    assert diary == ["time is up"]


async def test_l05_a_time_out_may_begin_the_next(process, diary, clock):
    def tick(actor):
        actor.diary.append(clock.monotonic())
        return After(10, tick) if len(actor.diary) < 3 else None

    process.cast(lambda _: After(10, tick))
    await clock.advance(1000)

    assert diary == [10, 20, 30]


async def test_l05_a_later_time_out_replaces_an_earlier_one(process, diary, clock):
    process.cast(lambda _: After(10, "first"))
    await clock.advance(5)
    process.cast(lambda _: After(10, "second"))
    await clock.advance(100)

    assert diary == ["second"]


async def test_l05_a_time_out_ends_with_the_actor(process, clock):
    process.cast(lambda _: After(10, "time is up"))
    await settle()
    assert clock.pending == 1
    process.exit(KILLED)

    assert clock.pending == 0


@every_way
async def test_l06_an_endless_time_out_never_comes_and_arms_nothing(process, diary, clock, way):
    way(process, After(inf, "never"))
    await settle()
    assert clock.pending == 0
    await clock.advance(1e9)

    assert (diary, process.alive) == ([], True)


async def test_l06_an_endless_time_out_after_init_never_comes(runtime, clock):
    process = await started(runtime, Open(After(inf, "never")))
    await clock.advance(1e9)

    assert (process.instance.diary, process.alive) == ([], True)


@every_way
@pytest.mark.parametrize("delay_s", [0, 0.0, -1])
async def test_l07_no_time_at_all_is_before_anything_queued(process, diary, way, delay_s):
    gate = await hold(process)
    way(process, After(delay_s, "at once"))
    process.cast("queued")
    gate.set()
    await settle()

    assert diary == ["at once", "queued"]


async def test_l07_no_time_at_all_needs_no_passing_of_time(process, diary, clock):
    process.cast(lambda _: After(0, "at once"))
    await settle()

    assert (diary, clock.monotonic(), clock.pending) == (["at once"], 0, 0)


async def linked_and_ended(process):
    other = await started(process.runtime, Actor())
    process.link(other)
    other.exit(KILLED)


MESSAGES = {
    "call": lambda process: process.call(Ask("answer")),
    "cast": lambda process: process.cast(lambda _: None),
    "info": lambda process: process.send(lambda _: None),
    "exit": linked_and_ended,
    "alarm": lambda process: process.send_after(0.25, "alarm"),
}


@pytest.mark.parametrize("message", MESSAGES)
async def test_l08_any_message_ends_the_time_out(process, diary, clock, message):
    process.cast(lambda _: After(1, "time is up"))
    await clock.advance(0.5)
    sent = MESSAGES[message](process)
    if asyncio.iscoroutine(sent):
        await sent
    await clock.advance(100)

    assert (process.alive, "time is up" in diary) == (True, False)


async def test_l08_a_message_that_was_queued_already_ends_the_time_out(process, diary, clock):
    process.cast(lambda _: After(1, "time is up"))
    process.cast("queued")
    await clock.advance(100)

    assert diary == ["queued"]


async def test_l08_requests_of_sys_do_not_disturb_the_time_out(process, diary, clock):
    process.cast(lambda _: After(1, "time is up"))
    for _ in range(3):
        await clock.advance(0.25)
        await sys.get_state(process)
        await sys.get_status(process)
    assert diary == []
    await clock.advance(0.25)

    assert diary == ["time is up"]


async def test_l08_a_time_out_of_a_suspended_actor_comes_when_it_goes_on(process, diary, clock):
    process.cast(lambda _: After(1, "time is up"))
    await settle()
    await sys.suspend(process)
    await clock.advance(100)
    assert diary == []
    await sys.resume(process)
    await settle()

    assert diary == ["time is up"]


# Hibernation


@every_way
async def test_l09_a_hibernating_actor_keeps_its_state_and_wakes_for_anything(process, diary, way):
    diary.append("before")
    way(process, HIBERNATE)
    await settle()
    process.cast("cast")
    process.send("info")
    await settle()

    assert await process.call(Ask(lambda actor, _: list(actor.diary))) == ["before", "cast", "info"]
    assert (await sys.get_state(process)).diary is diary


async def test_l09_an_actor_may_hibernate_from_the_start(runtime):
    process = await started(runtime, Open(HIBERNATE))

    assert await process.call(Ask("awake")) == "awake"


async def test_l09_a_hibernating_actor_holds_no_task(process):
    before = asyncio.all_tasks()
    by_waiting_cast(process, None)
    await settle()
    assert len(asyncio.all_tasks() - before) == 1
    by_waiting_cast(process, HIBERNATE)
    await settle()

    assert asyncio.all_tasks() == before


async def test_l09_an_actor_that_hibernated_works_on_with_callbacks_that_wait(process, diary):
    for number in (1, 2):
        by_waiting_cast(process, HIBERNATE)
        process.cast(number)
    await settle()

    assert diary == [1, 2]


async def test_l09_an_exit_reaches_a_hibernating_actor(process, diary):
    process.cast(lambda _: HIBERNATE)
    await settle()
    process.exit(DONE)
    await settle()

    assert diary == [Exit(None, DONE)]


class Sleepy(Open):
    hibernate_after_s = 10


@pytest.fixture
async def sleepy(runtime):
    return await started(runtime, Sleepy())


async def test_l10_who_hears_nothing_for_long_hibernates_by_itself_and_keeps_its_state(sleepy, clock):
    before = asyncio.all_tasks()
    by_waiting_cast(sleepy, Continue("state"))
    await clock.advance(9.999)
    assert len(asyncio.all_tasks() - before) == 1
    await clock.advance(10.001)

    assert (asyncio.all_tasks(), clock.pending) == (before, 0)
    assert await sleepy.call(Ask(lambda actor, _: actor.diary)) == ["state"]


async def test_l10_who_has_heard_something_lately_stays_awake(sleepy, clock):
    before = asyncio.all_tasks()
    by_waiting_cast(sleepy, None)
    for _ in range(10):
        await clock.advance(9)
        await sleepy.call(Ask("a word"))
    assert len(asyncio.all_tasks() - before) == 1
    await clock.advance(20)

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("wakes", [by_call, by_cast, by_info, by_waiting_cast])
async def test_l10_anything_wakes_it_and_then_it_hibernates_again(sleepy, clock, wakes):
    before = asyncio.all_tasks()
    for _ in range(3):
        by_waiting_cast(sleepy, None)
        await clock.advance(20)
        wakes(sleepy, Continue("woken"))
        await clock.advance(20)
        assert (asyncio.all_tasks(), clock.pending) == (before, 0)

    assert sleepy.instance.diary == ["woken"] * 3


async def test_l10_a_callback_that_waits_for_long_is_left_alone(sleepy, clock):
    async def waits(actor):
        woken = asyncio.Event()
        actor.runtime.call_later(1000, woken.set)
        await woken.wait()
        actor.diary.append("through")

    sleepy.cast(waits)
    await clock.advance(1000)

    assert (sleepy.instance.diary, sleepy.alive) == (["through"], True)


async def test_l10_the_watch_ends_with_the_actor(sleepy, clock):
    by_waiting_cast(sleepy, None)
    await settle()
    assert clock.pending == 1
    sleepy.exit(KILLED)

    assert clock.pending == 0


# Callbacks that are not there


class Bare(Actor):
    """Has none."""


def missing(reason) -> str:
    assert isinstance(reason, Error)
    assert isinstance(reason.exception, TypeError)
    return str(reason.exception)


async def test_l11_who_has_no_handle_call_crashes_of_a_call_and_its_caller_hears_of_it(runtime, reports):
    process = await started(runtime, Bare())
    with pytest.raises(CallExit) as failed:
        await process.call(Ask(1))

    assert missing(failed.value.reason) == "Bare does not answer calls, got: Ask"
    assert process.exit_reason == failed.value.reason
    assert reports.kinds() == ["Terminated", "Crashed"]


async def test_l12_who_has_no_handle_cast_crashes_of_a_cast(runtime, reports):
    process = await started(runtime, Bare())
    process.cast("unknown")
    await settle()

    assert missing(process.exit_reason) == "Bare takes no casts, got: str"
    assert reports.kinds() == ["Terminated", "Crashed"]


async def test_l13_who_has_no_handle_continue_crashes_of_a_continue(runtime, reports):
    class Continues(Actor):
        def init(self):
            return Continue("on")

    process = await started(runtime, Continues())
    await settle()

    assert missing(process.exit_reason) == "Continues has no handle_continue, got: str"
    assert reports.kinds() == ["Terminated", "Crashed"]


async def test_l14_who_has_no_handle_info_drops_a_plain_message_with_a_warning(runtime, reports):
    process = await started(runtime, Bare())
    process.send("unknown")
    await settle()

    assert reports.events == [Unexpected("Bare", "str")]
    assert (process.alive, process.queued) == (True, 0)


async def test_l15_an_undefined_function_called_by_handle_info_is_a_crash(process, diary, reports):
    process.send(lambda _: no_such_function())  # noqa: F821
    await settle()

    assert str(process.exit_reason) == "NameError: name 'no_such_function' is not defined"
    assert diary == [("terminate", process.exit_reason)]
    assert reports.kinds() == ["Terminated", "Crashed"]
