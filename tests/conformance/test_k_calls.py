"""Group K: calls, casts, replies; requests answered later, and requests to many."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

import pytest

from supervisors import (
    HIBERNATE,
    KILLED,
    NO_REPLY,
    NORMAL,
    SHUTDOWN,
    Actor,
    After,
    CallExit,
    Continue,
    Custom,
    Error,
    MailboxFull,
    Reply,
    Request,
    RequestIds,
    Stop,
    abcast,
    multi_call,
    send_request,
)
from supervisors.exits import CALLING_SELF, NOPROC, TIMEOUT
from supervisors.signals import Deadlock
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, started

GARBAGE = Custom(("bad_return_value", "str"))


async def failure(answer) -> object:
    with pytest.raises(CallExit) as caught:
        await answer
    return caught.value.reason


class Clerk(Scripted):
    """Leaves calls of `Keep` unanswered, and keeps their tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[object] = []

    def handle_call(self, request, from_):
        if not isinstance(request, Keep):
            return super().handle_call(request, from_)
        self.kept.append(from_)
        return NO_REPLY


class Keep(Request[object]):
    """Is not answered unless somebody does."""


@pytest.fixture
def clerk():
    return Clerk()


@pytest.fixture
async def server(runtime, clerk):
    return await started(runtime, clerk, name="server")


@pytest.fixture
async def dead(runtime):
    process = await started(runtime, Scripted(), name="dead")
    process.exit(KILLED)
    return process


# call


@pytest.mark.parametrize(
    ("result", "diary"),
    [
        ("reply", []),
        (Reply("reply"), []),
        (Reply("reply", Continue(1)), [("continue", 1)]),
        (Reply("reply", After(0, 1)), [("info", 1)]),
        (Reply("reply", HIBERNATE), []),
        (Reply("reply", Stop(NORMAL)), [("terminate", NORMAL)]),
        (Stop(SHUTDOWN, "reply"), [("terminate", SHUTDOWN)]),
    ],
    ids=str,
)
async def test_k01_whatever_shape_an_answer_has_it_arrives(runtime, result, diary):
    process = await started(runtime, actor := Tidy())

    assert await process.call(Ask(result)) == "reply"
    await settle()
    assert actor.diary == diary


async def test_k01_an_answer_may_be_given_later(server, clerk):
    call = asyncio.create_task(server.call(Keep()))
    await settle()
    assert not call.done()
    clerk.kept[0].reply("delayed")

    assert await call == "delayed"


@pytest.mark.parametrize(("takes_s", "outcome"), [(0.9, "in time"), (1.1, TIMEOUT)])
async def test_k01_a_call_waits_as_long_as_it_is_told_to(runtime, clock, server, clerk, takes_s, outcome):
    call = asyncio.create_task(server.call(Keep(), timeout_s=1))
    await settle()
    clock.call_at(takes_s, lambda: clerk.kept[0].reply("in time"))
    await clock.advance(2)

    assert await (failure(call) if outcome == TIMEOUT else call) == outcome


async def test_k01_an_action_that_is_none_ends_the_server_after_it_has_answered(runtime):
    process = await started(runtime, Scripted())

    assert await process.call(Ask(Reply("reply", "garbage"))) == "reply"
    assert process.exit_reason == GARBAGE


@pytest.mark.parametrize("action", [Continue(1), After(1, 1), HIBERNATE], ids=str)
async def test_k01_an_action_alone_is_no_answer_and_a_crash(runtime, action):
    process = await started(runtime, Scripted())
    reason = await failure(process.call(Ask(action)))

    assert reason == process.exit_reason
    assert str(reason).startswith("TypeError: expected handle_call to return Reply(value, ")


@pytest.mark.parametrize("timeout_s", [5, None])
async def test_k02_a_call_of_oneself_fails_at_once_however_long_it_would_wait(runtime, clock, timeout_s):
    async def call_myself(self):
        self.diary.append(await failure(self.me.call(Ask(1), timeout_s=timeout_s)))

    process = await started(runtime, actor := Scripted())
    process.cast(call_myself)
    await settle()

    assert (actor.diary, process.alive, clock.monotonic()) == ([CALLING_SELF], True, 0)


# Requests answered later


async def test_k03_a_request_is_answered_while_its_sender_does_something_else(runtime, server, clerk):
    pending = send_request(runtime, server, Keep())
    await settle()
    assert not pending.check()
    clerk.kept[0].reply("answer")

    assert pending.check()
    assert [await pending.wait(0), await pending.receive(0)] == ["answer", "answer"]


async def test_k03_a_wait_that_was_too_short_may_be_repeated(runtime, server, clerk):
    pending = send_request(runtime, server, Keep())
    assert [await failure(pending.wait(0)), await failure(pending.wait(0))] == [TIMEOUT, TIMEOUT]
    clerk.kept[0].reply("answer")

    assert await pending.wait(0) == "answer"


async def test_k03_a_receive_that_was_too_short_gives_the_request_up(runtime, server, clerk):
    pending = send_request(runtime, server, Keep())
    assert await failure(pending.receive(0)) == TIMEOUT
    clerk.kept[0].reply("too late")

    assert await failure(pending.wait(0)) == TIMEOUT
    await settle()
    assert not server.callers


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda self: self.me.exit(KILLED), KILLED),
        (lambda _self: Stop(SHUTDOWN), SHUTDOWN),
        (lambda _self: Stop(NORMAL), NORMAL),
        (lambda _self: Stop(Custom("crashed")), Custom("crashed")),
    ],
    ids=["killed", "shutdown", "normal", "custom"],
)
@pytest.mark.parametrize("is_fetched_late", [False, True])
async def test_k03_the_end_of_the_server_comes_instead_of_an_answer(runtime, server, end, reason, is_fetched_late):
    pending = send_request(runtime, server, Keep())
    server.cast(end)
    if is_fetched_late:
        await settle()

    assert await failure(pending.wait()) == reason
    assert pending.check()


async def test_k03_what_cannot_be_sent_is_told_with_the_answer(runtime, dead):
    class Small(Scripted):
        mailbox_capacity = 0

    full = send_request(runtime, await started(runtime, Small()), Ask(1))

    assert await failure(send_request(runtime, dead, Ask(1)).wait()) == NOPROC
    assert await failure(send_request(runtime, runtime.named("nobody"), Ask(1)).wait()) == NOPROC
    with pytest.raises(MailboxFull):
        await full.wait()


@pytest.fixture
def requests(runtime, server, dead):
    """Under way: one to nobody, and three that the clerk keeps."""
    ids = RequestIds(runtime)
    ids.send(dead, Keep(), "nobody")
    for label in ("first", "second", "third"):
        ids.send(server, Keep(), label)
    return ids


async def of_nobody(ids) -> None:
    label, failed = await ids.next()
    assert (label, failed.reason) == ("nobody", NOPROC)


async def test_k04_answers_are_received_with_their_labels_as_they_come(requests, clerk):
    label, failed = await requests.receive()
    assert (label, failed.reason, len(requests)) == ("nobody", NOPROC, 3)
    for number in (1, 0, 2):
        clerk.kept[number].reply(number)
        assert await requests.receive() == (["first", "second", "third"][number], number)

    assert (await requests.receive(), len(requests)) == (None, 0)


async def test_k04_a_receive_whose_time_is_up_gives_all_requests_up(clock, requests, server, clerk):
    await of_nobody(requests)
    receiving = asyncio.create_task(requests.receive(1))
    await clock.advance(1)
    with pytest.raises(TimeoutError):
        await receiving
    clerk.kept[0].reply("too late")

    assert (await requests.receive(0), len(requests), len(server.callers)) == (None, 0, 0)


async def test_k04_several_receives_may_share_one_deadline(clock, requests, clerk):
    clock.call_at(0.6, lambda: clerk.kept[0].reply("answer"))

    async def receive_all() -> None:
        while await requests.receive(until_s=1) is not None:
            pass

    receiving = asyncio.create_task(receive_all())
    await clock.advance(0.99)
    assert (receiving.done(), len(requests)) == (False, 2)
    await clock.advance(0.01)

    assert receiving.done()
    with pytest.raises(TimeoutError):
        await receiving


async def test_k05_a_wait_whose_time_is_up_keeps_the_requests(clock, requests, clerk):
    await of_nobody(requests)
    for limit in ({"timeout_s": 0}, {"until_s": 0}, {"until_s": -1}):
        with pytest.raises(TimeoutError):
            await requests.next(**limit)
    clerk.kept[1].reply("answer")

    assert (await requests.next(until_s=-1), len(requests)) == (("second", "answer"), 2)


async def test_k05_an_answered_request_may_be_kept(requests, clerk):
    await of_nobody(requests)
    clerk.kept[2].reply("answer")

    assert [await requests.next(delete=False), await requests.next(delete=False)] == [("third", "answer")] * 2
    assert (await requests.next(), len(requests)) == (("third", "answer"), 2)


async def test_k05_the_end_of_the_server_answers_every_request_to_it(requests, server):
    server.exit(KILLED)
    await of_nobody(requests)
    answers = [await requests.next() for _ in range(3)]

    assert [(label, failed.reason) for label, failed in answers] == [
        (each, KILLED) for each in ("first", "second", "third")
    ]


async def test_k06_a_check_takes_what_is_there_and_never_waits(requests, clerk):
    await of_nobody(requests)
    await settle()
    assert (requests.check(), len(requests)) == (None, 3)
    clerk.kept[0].reply("answer")

    assert (requests.check(delete=False), len(requests)) == (("first", "answer"), 3)
    assert (requests.check(), len(requests)) == (("first", "answer"), 2)
    assert requests.check() is None


async def test_k06_requests_sent_elsewhere_can_be_added(runtime, server, clerk):
    ids = RequestIds(runtime)
    ids.add(send_request(runtime, server, Ask("answer")), "label")
    await settle()

    assert (ids.check(), ids.check()) == (("label", "answer"), None)


# cast


@pytest.mark.parametrize(
    ("result", "diary", "reason"),
    [
        (None, ["next"], None),
        (Continue(1), [("continue", 1), "next"], None),
        (After(0, 1), [("info", 1), "next"], None),
        (After(9, 1), ["next"], None),
        (HIBERNATE, ["next"], None),
        (Stop(NORMAL), [("terminate", NORMAL)], NORMAL),
        (Stop(Custom("crashed")), [("terminate", Custom("crashed"))], Custom("crashed")),
        ("garbage", [("terminate", GARBAGE)], GARBAGE),
        (NO_REPLY, [("terminate", Custom(("bad_return_value", "_Signal")))], Custom(("bad_return_value", "_Signal"))),
    ],
    ids=str,
)
async def test_k07_what_handle_cast_returns_is_what_happens_next(runtime, result, diary, reason):
    process = await started(runtime, actor := Tidy())
    process.cast(lambda _self: result)
    process.cast("next")
    await settle()

    assert (actor.diary, process.exit_reason) == (diary, reason)


async def test_k07_a_cast_to_a_name_that_nobody_holds_is_no_error(runtime, dead):
    assert [runtime.named("nobody").cast(1), runtime.named("dead").cast(1), dead.cast(1)] == [False] * 3


async def test_k08_a_message_is_cast_to_all_who_are_there(runtime, server, clerk, dead):
    other = await started(runtime, Scripted(diary := []))
    abcast([dead, runtime.named("nobody"), runtime.named("server"), other], "hello")
    await settle()

    assert (clerk.diary, diary) == (["hello"], ["hello"])


# Requests to many


async def test_k09_many_are_asked_at_once(runtime, clock):
    async def slowly(_self, _from) -> str:
        woken = asyncio.Event()
        clock.call_at(1, woken.set)
        await woken.wait()
        return "slow"

    servers = [await started(runtime, Scripted()) for _ in range(3)]
    asking = asyncio.create_task(multi_call(runtime, servers, Ask(slowly)))
    await clock.advance(1)

    assert asking.done()
    assert await asking == (dict.fromkeys(servers, "slow"), ())


async def test_k10_the_dead_and_the_late_are_told_apart_from_those_who_answered(runtime, clock, server, clerk, dead):
    class Client(Scripted):
        async def handle_cast(self, _message):
            self.diary.append(await multi_call(runtime, asked, Ask(keep_or_answer), timeout_s=1))

    def keep_or_answer(self, from_):
        return self.handle_call(Keep(), from_) if self is clerk else "answer"

    asked = [dead, quick := await started(runtime, Scripted()), server, nobody := runtime.named("nobody")]
    client = await started(runtime, actor := Client())
    client.cast("ask")
    await clock.advance(1)
    clerk.kept[0].reply("too late")
    await settle()

    assert actor.diary == [({quick: "answer"}, (dead, server, nobody))]
    assert (client.queued, len(server.callers)) == (0, 0)


async def test_k10_one_that_dies_before_it_answers_does_not_hold_up_the_others(runtime, clock, server):
    other = await started(runtime, Clerk())
    asking = asyncio.create_task(multi_call(runtime, [server, other], Keep(), None))
    await settle()
    other.instance.kept[0].reply("answer")
    await settle()
    assert not asking.done()
    server.exit(KILLED)

    assert (await asking, clock.monotonic()) == (({other: "answer"}, (server,)), 0)


# Replies


async def test_k11_whoever_has_the_token_may_answer_and_something_may_travel_with_it(runtime, server, clerk):
    def take_over(self, message) -> None:
        from_, payload = message
        from_.reply(("through another", payload))

    assistant = await started(runtime, Scripted())
    call = asyncio.create_task(server.call(Keep()))
    await settle()
    assistant.cast(partial(take_over, message=(clerk.kept[0], "payload")))

    assert await call == ("through another", "payload")


async def test_k11_tokens_of_equal_requests_are_told_apart(server, clerk):
    calls = [asyncio.create_task(server.call(Keep())) for _ in range(3)]
    await settle()
    numbers = {from_: number for number, from_ in enumerate(clerk.kept)}
    for from_ in reversed(clerk.kept):
        from_.reply(numbers[from_])

    assert await asyncio.gather(*calls) == [0, 1, 2]


class Popular(Scripted):
    mailbox_capacity = 500_000


async def fastest_call_s(runtime, server, waiting: int) -> float:
    """What a call costs whose caller has so many unread messages."""
    took_s: list[float] = []

    async def measure(self) -> None:
        assert self.me.queued >= waiting
        for _ in range(100):
            begun_s = time.process_time()
            await server.call(Ask(1))
            took_s.append(time.process_time() - begun_s)

    client = await started(runtime, Popular())
    client.cast(measure)
    for number in range(waiting):
        client.cast(number)
    while len(took_s) < 100:
        await settle()
    client.exit(KILLED)
    return min(took_s)


async def test_k12_a_call_takes_no_longer_for_messages_that_wait_for_its_caller(runtime, server):
    alone_s = await fastest_call_s(runtime, server, 0)

    assert await fastest_call_s(runtime, server, 499_999) < 100 * alone_s  # looking through them: ten thousand times


class Stack(Actor):
    def __init__(self, *items: object) -> None:
        self.items = list(items)

    def handle_call(self, request, from_):
        return self.items.pop() if isinstance(request, Pop) else Stop(Custom("unknown"))

    def handle_cast(self, message):
        self.items.append(message)


class Pop(Request[object]):
    pass


async def test_k13_an_actor_is_started_called_cast_to_and_stopped(runtime):
    stack = await started(runtime, Stack("hello"), name="stack")
    assert await stack.call(Pop()) == "hello"
    assert stack.cast("world")
    assert await stack.call(Pop()) == "world"
    await stack.stop()

    assert (stack.exit_reason, runtime.whereis("stack"), stack.cast("more")) == (NORMAL, None, False)


@dataclass(frozen=True)
class Please(Request[object]):
    secret: str = "secret"


async def test_k14_a_failed_call_says_whom_it_called_with_what_and_why(runtime, clock, server, dead):
    async def call_myself(self):
        self.diary.append(await text_of(self.me.call(Please())))

    async def text_of(call) -> str:
        with pytest.raises(CallExit) as caught:
            await call
        return str(caught.value)

    client = await started(runtime, actor := Scripted(), name="client")
    client.cast(call_myself)
    late = asyncio.create_task(server.call(Keep(), timeout_s=5))
    await clock.advance(5)

    assert [*actor.diary, await text_of(late), await text_of(dead.call(Please()))] == [
        "call of client with Please ended: Custom(term='calling_self')",
        "call of server with Keep ended: Timeout()",
        "call of dead with Please ended: NoProc()",
    ]


async def test_k14_a_call_that_ended_with_the_server_says_how_that_ended(runtime, server):
    with pytest.raises(CallExit) as caught:
        await server.call(Ask(boom))

    assert str(caught.value) == "call of server with Ask ended: ValueError: boom"
    assert (caught.value.target, caught.value.request) == ("server", Ask(boom))
    assert caught.value.reason == server.exit_reason


async def test_k15_a_cast_to_all_reaches_names_through_whoever_holds_them_now(runtime):
    first = await started(runtime, old := Scripted(), name="held")
    name = runtime.named("held")
    first.exit(KILLED)
    await started(runtime, new := Scripted(), name="held")
    abcast([name, name], "hello")
    await settle()

    assert (old.diary, new.diary) == ([], ["hello", "hello"])


async def test_k16_a_request_to_many_answers_by_address(runtime, server):
    name, nobody = runtime.named("server"), runtime.named("nobody")

    assert await multi_call(runtime, [name, nobody], Ask("answer")) == ({name: "answer"}, (nobody,))
    assert await multi_call(runtime, [], Ask("answer")) == ({}, ())


# Traces recorded from OTP


async def test_k17_a_call_fails_exactly_when_its_time_is_up_and_the_server_knows_nothing_of_it(clock, server, clerk):
    call = asyncio.create_task(server.call(Keep()))
    await clock.advance(4.999)
    assert not call.done()
    await clock.advance(0.001)

    assert (await failure(call), clock.monotonic()) == (TIMEOUT, 5)
    assert await server.call(Ask("still there")) == "still there"


async def test_k18_a_late_reply_reaches_neither_the_caller_nor_its_next_call(runtime, clock, server, clerk):
    async def call_twice(self):
        self.diary.append(await failure(server.call(Keep(), timeout_s=1)))
        clerk.kept[0].reply("late")
        self.diary.append(await server.call(Ask("second")))

    client = await started(runtime, actor := Scripted())
    client.cast(call_twice)
    await clock.advance(1)

    assert (actor.diary, client.queued) == ([TIMEOUT, "second"], 0)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Custom("crashed")], ids=str)
async def test_k19_a_server_that_stops_without_a_reply_fails_the_call_with_its_reason(server, reason):
    assert await failure(server.call(Ask(Stop(reason)))) == reason


async def test_k20_a_call_of_the_dead_or_of_a_free_name_fails_at_once(runtime, clock, dead):
    nobodies = (dead, runtime.named("dead"), runtime.named("never held"))

    assert [await failure(each.call(Ask(1), timeout_s=None)) for each in nobodies] == [NOPROC] * 3
    assert clock.monotonic() == 0


async def test_k21_a_cast_to_the_dead_is_no_error_and_no_report(dead, reports):
    reports.events.clear()

    assert (dead.cast("hello"), dead.send("hello")) == (False, False)
    await settle()
    assert reports.events == []


async def test_k22_a_last_reply_goes_out_after_terminate_ran_and_before_the_name_is_free(runtime):
    order: list[object] = []

    class Last(Scripted):
        def terminate(self, reason):
            order.append((reason, pending.check()))

    process = await started(runtime, Last())
    process.on_release(lambda: order.append(("released", pending.check())))
    pending = send_request(runtime, process, Ask(Stop(NORMAL, "bye")))

    assert await pending.wait() == "bye"
    assert order == [(NORMAL, False), ("released", True)]


async def test_k23_a_result_that_means_nothing_ends_the_server_and_fails_the_calls_that_wait(runtime, server):
    before = send_request(runtime, server, Ask("answer"))
    server.cast(lambda _self: "garbage")
    after = send_request(runtime, server, Ask("answer"))

    assert (await before.wait(), await failure(after.wait()), server.exit_reason) == ("answer", GARBAGE, GARBAGE)


async def test_k24_a_call_of_oneself_ends_who_lets_it_out_and_says_so(runtime):
    async def call_myself(self):
        await self.me.call(Ask(1))

    process = await started(runtime, Scripted(), name="narcissus")
    process.cast(call_myself)
    await settle()

    assert isinstance(process.exit_reason, Error)
    assert process.exit_reason.exception.reason == CALLING_SELF


# Beyond OTP's suites


async def test_k25_a_reply_to_a_caller_that_died_is_nothing_to_the_server(runtime, server, clerk):
    async def ask(_self):
        await server.call(Keep())

    client = await started(runtime, Scripted())
    client.cast(ask)
    await settle()
    client.exit(KILLED)
    await settle()
    server.cast(lambda self: self.kept[0].reply("to nobody"))

    assert await server.call(Ask("alive")) == "alive"


async def test_k25_a_reply_to_a_caller_that_gave_up_is_nothing_to_the_server(clock, server):
    call = asyncio.create_task(server.call(Keep(), timeout_s=1))
    await clock.advance(1)
    assert await failure(call) == TIMEOUT
    server.cast(lambda self: self.kept[0].reply("too late"))
    server.cast(lambda self: self.kept[0].reply("and again"))

    assert await server.call(Ask("alive")) == "alive"


async def test_k26_a_cancelled_caller_leaves_nothing_behind_and_the_server_alone(runtime, server, clerk):
    call = asyncio.create_task(server.call(Keep()))
    await settle()
    assert (len(server.callers), len(runtime.deadlines)) == (1, 1)
    call.cancel()
    await asyncio.wait([call])

    assert (call.cancelled(), len(server.callers), len(runtime.deadlines)) == (True, 0, 0)
    clerk.kept[0].reply("to nobody")
    assert await server.call(Ask("alive")) == "alive"


async def test_k27_a_call_that_closes_a_ring_fails_at_once_and_names_the_ring(runtime, clock):
    async def call_back(self, _from):
        return await failure(runtime.named("a").call(Ask(1)))

    async def ask(_self, _from):
        return await runtime.named("b").call(Ask(call_back))

    a = await started(runtime, Scripted(), name="a")
    await started(runtime, Scripted(), name="b")

    assert await a.call(Ask(ask)) == Custom(Deadlock(("b", "a", "b")))
    assert clock.monotonic() == 0


async def test_k28_what_waits_for_a_caller_waits_on_in_order(runtime, server, clerk):
    async def ask(self):
        self.diary.append(await server.call(Keep()))

    client = await started(runtime, actor := Scripted())
    client.cast(ask)
    client.cast("first")
    await settle()
    client.send("second")
    client.cast("third")
    await settle()
    assert (actor.diary, client.queued) == ([], 3)
    clerk.kept[0].reply("answer")
    await settle()

    assert actor.diary == ["answer", "first", ("info", "second"), "third"]
