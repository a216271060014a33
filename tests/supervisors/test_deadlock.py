"""Calls that could never be answered: refused at once, with the ring they would have closed."""

import asyncio
from dataclasses import dataclass

import pytest

from supervisors import NO_REPLY, Actor, CallExit, Custom, From, Request
from supervisors.exits import CALLING_SELF
from supervisors.signals import Deadlock
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, started


@dataclass(frozen=True)
class Through(Request[str]):
    """Asks the named ones, each through the one before it."""

    names: tuple[str, ...]


class Asker(Actor):
    async def handle_call(self, request: Through, from_: From) -> str:
        if not request.names:
            return "answered"
        try:
            return await self.named(request.names[0]).call(Through(request.names[1:]))
        except CallExit as refused:
            return str(refused.reason.term.cycle if isinstance(refused.reason.term, Deadlock) else refused.reason)


async def askers(runtime, *names: str) -> None:
    for name in names:
        await started(runtime, Asker(), name=name)


@pytest.mark.parametrize(
    ("path", "ring"),
    [("ba", ("b", "a", "b")), ("bca", ("c", "a", "b", "c")), ("bcb", ("c", "b", "c"))],
)
async def test_a_call_that_closes_a_ring_is_refused_with_the_ring(runtime, clock, path, ring):
    await askers(runtime, *"abc")

    assert await runtime.named("a").call(Through(tuple(path))) == str(ring)
    assert clock.monotonic() == 0


async def test_after_the_refusal_everybody_answers_again(runtime):
    await askers(runtime, *"ab")
    await runtime.named("a").call(Through(("b", "a")))

    assert await runtime.named("b").call(Through(("a",))) == "answered"


async def test_a_call_of_oneself_is_refused(runtime):
    await askers(runtime, "a")

    assert await runtime.named("a").call(Through(("a",))) == str(CALLING_SELF)


async def test_who_has_been_answered_waits_for_nobody_any_more(runtime):
    async def reply_then_ask_back(self, from_):
        from_.reply("first")
        self.diary.append(await from_.caller.call(Ask("second")))
        return NO_REPLY

    async def ask(self):
        self.diary.append(await server.call(Ask(reply_then_ask_back)))

    client = await started(runtime, mine := Scripted())
    server = await started(runtime, theirs := Scripted())
    client.cast(ask)
    await settle()

    assert (mine.diary, theirs.diary) == (["first"], ["second"])


async def test_a_task_that_an_actor_has_merely_started_may_call_it(runtime):
    async def answer_later(self, from_):
        self.task = asyncio.create_task(self.me.call(Ask("to myself")))
        return "at once"

    process = await started(runtime, actor := Scripted())

    assert await process.call(Ask(answer_later)) == "at once"
    assert await actor.task == "to myself"


async def test_the_reason_names_the_ring_as_a_value(runtime):
    failed: list[object] = []

    async def call_back(self, from_):
        try:
            await from_.caller.call(Ask(1))
        except CallExit as refused:
            failed.append(refused.reason)

    async def ask(self):
        await server.call(Ask(call_back))

    client = await started(runtime, Scripted(), name="client")
    server = await started(runtime, Scripted(), name="server")
    client.cast(ask)
    await settle()

    assert failed == [Custom(Deadlock(("server", "client", "server")))]
