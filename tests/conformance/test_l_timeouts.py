"""Group L: plain messages, what comes before the next message, what comes when none does, and hibernation."""

import asyncio
from dataclasses import dataclass
from functools import partial
from math import inf

import pytest

from supervisors import (
    HIBERNATE,
    KILLED,
    NORMAL,
    Actor,
    After,
    CallExit,
    Continue,
    Custom,
    Error,
    Reply,
    Stop,
    sys,
)
from supervisors.events import Crashed, Terminated, Unexpected
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, started

GARBAGE = Custom(("bad_return_value", "str"))
FROM_A_CALLBACK = ["call", "cast", "info", "continue", "async cast"]


@dataclass(frozen=True)
class Once:
    """A message that `result` follows from."""

    result: object


class Patient(Scripted):
    """Does in every callback what a `Once` says, and keeps what else it is told."""

    def __init__(self, at_first: object = None, *casts: object) -> None:
        super().__init__()
        self.at_first, self.casts = at_first, casts

    def init(self):
        for message in self.casts:
            self.me.cast(message)
        return self.at_first

    def handle_call(self, request: Ask, from_):
        script = request.script
        return Reply("reply", script.result) if isinstance(script, Once) else super().handle_call(request, from_)

    def handle_cast(self, message):
        return self.told("cast", message)

    def handle_info(self, message):
        return self.told("info", message)

    def handle_continue(self, term):
        return self.told("continue", term)

    def terminate(self, reason):
        self.diary.append(("terminate", reason))

    def told(self, kind: str, message: object) -> object:
        if isinstance(message, Once):
            return message.result
        if callable(message):
            return message(self)
        self.diary.append((kind, message))
        return None


async def waits_and(result: object, _self) -> object:
    await asyncio.sleep(0)
    return result


def returns_from(process, callback: str, result: object) -> "asyncio.Task[object] | None":
    """Let `callback` of `process` return `result`."""
    if callback == "call":
        return asyncio.create_task(process.call(Ask(Once(result))))
    if callback == "info":
        process.send(Once(result))
    else:
        process.cast(
            {"cast": Once(result), "continue": Once(Continue(Once(result)))}.get(callback, partial(waits_and, result))
        )
    return None


@pytest.fixture
def patient():
    return Patient()


@pytest.fixture
async def process(runtime, patient):
    return await started(runtime, patient, name="patient")


# Plain messages


@pytest.mark.parametrize(
    ("result", "diary", "reason"),
    [
        (None, [("info", "next")], None),
        (Continue(1), [("continue", 1), ("info", "next")], None),
        (After(0, 1), [("info", 1), ("info", "next")], None),
        (After(9, 1), [("info", "next")], None),
        (HIBERNATE, [("info", "next")], None),
        (Stop(NORMAL), [("terminate", NORMAL)], NORMAL),
        (Stop(Custom("crashed")), [("terminate", Custom("crashed"))], Custom("crashed")),
        ("garbage", [("terminate", GARBAGE)], GARBAGE),
        (Reply(1), [("terminate", Custom(("bad_return_value", "Reply")))], Custom(("bad_return_value", "Reply"))),
    ],
    ids=str,
)
async def test_l01_what_handle_info_returns_is_what_happens_next(clock, process, patient, result, diary, reason):
    process.send(Once(result))
    process.send("next")
    await clock.advance(10)

    assert (patient.diary, process.exit_reason) == (diary, reason)


# Before the next message


async def test_l02_an_init_that_continues_does_so_before_any_message(runtime):
    await started(runtime, actor := Patient(Continue("first"), "queued"))
    await settle()

    assert actor.diary == [("continue", "first"), ("cast", "queued")]


@pytest.mark.parametrize("callback", FROM_A_CALLBACK)
async def test_l02_a_callback_that_continues_does_so_before_any_message(process, patient, callback):
    returns_from(process, callback, Continue("first"))
    if callback == "call":
        await asyncio.sleep(0)
    process.cast("queued")
    await settle()

    assert patient.diary == [("continue", "first"), ("cast", "queued")]


async def test_l02_continues_may_follow_one_another(process, patient):
    process.cast(Once(Continue(Once(Continue(Once(Continue("last")))))))
    process.cast("queued")
    await settle()

    assert patient.diary == [("continue", "last"), ("cast", "queued")]


async def test_l02_a_reply_goes_out_before_what_it_continues_with(process):
    call = returns_from(process, "call", Continue(lambda _self: Stop(Custom("continued"))))

    assert await call == "reply"
    assert process.exit_reason == Custom("continued")


# When no message comes


async def test_l03_an_init_may_be_told_that_nothing_came(runtime, clock):
    await started(runtime, actor := Patient(After(1, "nothing came")))
    await clock.advance(0.999)
    assert actor.diary == []
    await clock.advance(0.001)

    assert actor.diary == [("info", "nothing came")]


async def test_l03_a_message_in_time_is_all_that_an_init_gets(runtime, clock):
    process = await started(runtime, actor := Patient(After(1, "nothing came")))
    await clock.advance(0.5)
    process.cast("something")
    await clock.advance(9)

    assert actor.diary == [("cast", "something")]


async def test_l03_an_init_that_waits_may_be_told_too(runtime, clock):
    class Slow(Patient):
        async def init(self):
            return await waits_and(After(1, "nothing came"), self)

    await started(runtime, actor := Slow())
    await clock.advance(1)

    assert actor.diary == [("info", "nothing came")]


async def test_l04_no_time_at_all_after_init_comes_before_what_is_queued(runtime):
    await started(runtime, actor := Patient(After(0, "first"), "queued"))
    await settle()

    assert actor.diary == [("info", "first"), ("cast", "queued")]


@pytest.mark.parametrize("callback", FROM_A_CALLBACK)
async def test_l05_a_callback_may_be_told_once_that_nothing_came(clock, process, patient, callback):
    returns_from(process, callback, After(1, "nothing came"))
    await clock.advance(0.999)
    assert patient.diary == []
    await clock.advance(9)

    assert patient.diary == [("info", "nothing came")]


async def test_l05_whoever_is_told_may_ask_to_be_told_again(clock, process, patient):
    def again(self) -> After:
        self.diary.append(clock.monotonic())
        return After(2, again)

    process.cast(again)
    await clock.advance(5)

    assert patient.diary == [0, 2, 4]


async def test_l05_a_later_time_takes_the_place_of_an_earlier_one(clock, process, patient):
    process.cast(Once(After(1, "first")))
    await clock.advance(0.5)
    process.cast(Once(After(1, "second")))
    await clock.advance(0.999)
    assert patient.diary == []
    await clock.advance(9)

    assert patient.diary == [("info", "second")]


async def test_l05_what_came_before_the_time_was_up_counts_though_it_is_served_afterwards(clock, process, patient):
    gate = asyncio.Event()

    async def hold(_self) -> After:
        await gate.wait()
        return After(1, "nothing came")

    process.cast(hold)
    process.cast("queued")
    await clock.advance(5)
    gate.set()
    await clock.advance(9)

    assert patient.diary == [("cast", "queued")]


@pytest.mark.parametrize("callback", FROM_A_CALLBACK)
async def test_l06_an_infinite_time_is_never_up(clock, process, patient, callback):
    returns_from(process, callback, After(inf, "never"))
    await clock.advance(10**9)

    assert (patient.diary, clock.pending) == ([], 0)


@pytest.mark.parametrize("callback", FROM_A_CALLBACK)
async def test_l07_no_time_at_all_comes_before_what_is_queued(process, patient, callback):
    returns_from(process, callback, After(0, "first"))
    if callback == "call":
        await asyncio.sleep(0)
    process.cast("queued")
    await settle()

    assert patient.diary == [("info", "first"), ("cast", "queued")]


MESSAGES = {
    "call": lambda process, _other: asyncio.create_task(process.call(Ask(1))),
    "cast": lambda process, _other: process.cast("something"),
    "info": lambda process, _other: process.send("something"),
    "exit": lambda _process, other: other.exit(Custom("linked")),
    "down": lambda _process, other: other.exit(KILLED),
}


@pytest.mark.parametrize("kind", MESSAGES)
async def test_l08_any_message_calls_the_time_off(runtime, clock, process, patient, kind):
    other = await started(runtime, Scripted())
    (process.monitor if kind == "down" else process.link)(other)
    process.cast(Once(After(1, "nothing came")))
    await clock.advance(0.5)
    sent = MESSAGES[kind](process, other)
    await clock.advance(9)

    assert ("info", "nothing came") not in patient.diary
    assert sent.result() == 1 if kind == "call" else len(patient.diary) == 1


async def test_l08_an_alarm_calls_the_time_off_like_any_message(clock, process, patient):
    process.send_after(0.5, "alarm")
    process.cast(Once(After(1, "nothing came")))
    await clock.advance(9)

    assert patient.diary == [("info", "alarm")]


async def test_l08_requests_of_sys_neither_call_the_time_off_nor_prolong_it(clock, process, patient):
    process.cast(Once(After(1, "nothing came")))
    await clock.advance(0.5)
    await sys.get_state(process)
    await sys.get_status(process)
    await sys.statistics(process)
    await clock.advance(0.499)
    assert patient.diary == []
    await clock.advance(0.001)

    assert patient.diary == [("info", "nothing came")]


async def test_l08_a_time_that_is_up_while_suspended_is_told_on_resumption(clock, process, patient):
    process.cast(Once(After(1, "nothing came")))
    await settle()
    await sys.suspend(process)
    await clock.advance(9)
    assert patient.diary == []
    await sys.resume(process)
    await settle()

    assert patient.diary == [("info", "nothing came")]


async def test_l08_a_time_ends_with_its_actor(clock, process, patient):
    process.cast(Once(After(1, "nothing came")))
    await settle()
    process.exit(KILLED)

    assert clock.pending == 0


# Hibernation


def tasks_of(process) -> int:
    return sum(task.get_name() == process.label for task in asyncio.all_tasks())


@pytest.mark.parametrize("callback", FROM_A_CALLBACK)
async def test_l09_who_hibernates_lets_go_of_its_task_and_keeps_its_state(process, patient, callback):
    process.cast(partial(waits_and, None))
    process.cast("before")
    await settle()
    assert tasks_of(process) == 1
    returns_from(process, callback, HIBERNATE)
    await settle()
    assert tasks_of(process) == 0
    process.cast(partial(waits_and, None))
    process.cast("after")
    await settle()

    assert (patient.diary, tasks_of(process)) == ([("cast", "before"), ("cast", "after")], 1)


async def test_l09_an_actor_may_hibernate_from_its_start(runtime):
    class Slow(Patient):
        async def init(self):
            return await waits_and(HIBERNATE, self)

    process = await started(runtime, actor := Slow(), name="slow")
    await settle()
    assert tasks_of(process) == 0
    process.cast("awake")
    await settle()

    assert actor.diary == [("cast", "awake")]


@pytest.mark.parametrize("use", [lambda each: each.call(Ask("awake")), sys.get_state, lambda each: each.stop()])
async def test_l09_who_hibernates_answers_calls_sys_and_stops(process, patient, use):
    process.cast(Once(HIBERNATE))
    await settle()

    assert await use(process) in ("awake", patient, None)
    assert patient.diary == ([] if process.alive else [("terminate", NORMAL)])


async def test_l09_what_is_queued_is_served_before_anybody_sleeps(process, patient):
    process.cast(Once(HIBERNATE))
    process.cast("queued")
    await settle()

    assert patient.diary == [("cast", "queued")]


class Drowsy(Patient):
    """Hibernates when a minute has passed without a message."""

    def init(self):
        return After(60, Once(HIBERNATE))

    async def handle_cast(self, message):
        await waits_and(None, self)
        self.told("cast", message)
        return After(60, Once(HIBERNATE))


async def test_l10_an_actor_hibernates_when_nothing_came_for_long_and_wakes_at_a_message(runtime, clock):
    process = await started(runtime, actor := Drowsy(), name="drowsy")
    process.cast(1)
    for awake in (1, 1, 0):
        await clock.advance(29)
        assert tasks_of(process) == awake
    for number in (2, 3):
        process.cast(number)
        await clock.advance(59)
        assert tasks_of(process) == 1
    await clock.advance(1)

    assert (tasks_of(process), actor.diary) == (0, [("cast", 1), ("cast", 2), ("cast", 3)])


# Callbacks that are not there


class Bare(Actor):
    """Has no callback of its own."""


async def crash(process) -> str:
    await settle()
    assert isinstance(process.exit_reason, Error)
    return str(process.exit_reason)


async def test_l11_a_call_of_who_answers_none_is_a_crash(runtime, reports):
    process = await started(runtime, Bare())
    with pytest.raises(CallExit) as caught:
        await process.call(Ask(1))

    assert await crash(process) == "TypeError: Bare does not answer calls, got: Ask"
    assert caught.value.reason == process.exit_reason
    assert [type(each) for each in reports.events] == [Terminated, Crashed]


async def test_l12_a_cast_to_who_takes_none_is_a_crash(runtime, reports):
    process = await started(runtime, Bare())
    process.cast(1)

    assert await crash(process) == "TypeError: Bare takes no casts, got: int"
    assert [type(each) for each in reports.events] == [Terminated, Crashed]


async def test_l13_a_continue_without_a_callback_is_a_crash(runtime, reports):
    class Continuing(Actor):
        def init(self):
            return Continue(1)

    process = await started(runtime, Continuing())

    assert await crash(process) == "TypeError: Continuing has no handle_continue, got: int"
    assert [type(each) for each in reports.events] == [Terminated, Crashed]


async def test_l14_a_plain_message_that_nobody_handles_is_reported_and_dropped(runtime, reports):
    process = await started(runtime, Bare(), name="bare")
    process.send("secret")
    process.send(1)
    await settle()

    assert process.alive
    assert reports.events == [Unexpected("bare", "str"), Unexpected("bare", "int")]


@pytest.mark.parametrize(
    ("function", "error"),
    [(lambda _self: undefined(), "NameError"), (lambda self: self.undefined(), "AttributeError")],  # noqa: F821
    ids=["name", "attribute"],
)
async def test_l15_a_function_that_is_not_there_is_a_crash_in_handle_info_too(process, patient, function, error):
    process.send(function)

    assert (await crash(process)).startswith(f"{error}: ")
    assert patient.diary == [("terminate", process.exit_reason)]


async def test_l15_a_missing_method_of_the_same_name_elsewhere_is_no_missing_callback(runtime, reports):
    class Calls(Actor):
        def handle_info(self, message):
            message.handle_info(1)

    process = await started(runtime, Calls())
    process.send("has none")

    assert await crash(process) == "AttributeError: 'str' object has no attribute 'handle_info'"
    assert [type(each) for each in reports.events] == [Terminated, Crashed]
