"""Agents beyond the cases of group Q: refusals, order, and ends that do not come."""

import asyncio

import pytest

from supervisors import NORMAL, CallExit, Custom, NameTaken, NotStarted
from supervisors.agent import Agent, AgentProcess
from supervisors.exits import CALLING_SELF, TIMEOUT
from supervisors.testing import settle
from tests.supervisors.scripted import boom, started


async def waits(n):
    return n


async def test_functions_that_wait_are_refused_where_they_are_given(runtime):
    with pytest.raises(TypeError, match="plain function for an agent, got: async def waits"):
        await Agent.start(runtime, waits)
    agent = await Agent.start(runtime, lambda: 0)
    with pytest.raises(TypeError, match="got: async def waits"):
        await agent.get(waits)
    with pytest.raises(TypeError, match="got: async def waits"):
        agent.cast(waits)

    assert await agent.get(lambda n: n) == 0


async def test_changes_happen_in_order_of_arrival(runtime):
    agent = await Agent[list[int]].start(runtime, list)
    for n in range(5):
        agent.cast(lambda value, n=n: [*value, n])

    assert await agent.get(lambda value: value) == [0, 1, 2, 3, 4]


async def test_an_answer_of_any_type_is_just_an_answer(runtime):
    from supervisors import NO_REPLY, Stop

    agent = await Agent.start(runtime, lambda: 0)

    assert await agent.get(lambda _: None) is None
    assert await agent.get(lambda _: NO_REPLY) is NO_REPLY
    assert await agent.get(lambda _: Stop(NORMAL)) == Stop(NORMAL)


async def test_an_agent_whose_value_cannot_be_made_does_not_start(runtime):
    with pytest.raises(NotStarted):
        await Agent.start(runtime, boom, name="agent")
    await Agent.start(runtime, lambda: 0, name="agent")
    with pytest.raises(NameTaken):
        await Agent.start(runtime, lambda: 0, name="agent")


async def test_a_stop_that_takes_too_long_is_told_and_goes_on(runtime, clock):
    class Slow(AgentProcess):
        async def terminate(self, reason):
            await gate.wait()

    gate = asyncio.Event()
    agent = Agent[int](await started(runtime, Slow(lambda: 0)))
    stopping = asyncio.create_task(agent.stop(timeout_s=2))
    await clock.advance(2)
    with pytest.raises(CallExit) as late:
        await stopping
    assert (late.value.reason, agent.address.alive) == (TIMEOUT, True)
    gate.set()
    await settle()

    assert agent.address.exit_reason == NORMAL


async def test_an_end_for_another_reason_is_told(runtime):
    class Contrary(AgentProcess):
        def terminate(self, reason):
            self.me.die(Custom("otherwise"))

    agent = Agent[int](await started(runtime, Contrary(lambda: 0)))
    with pytest.raises(CallExit) as otherwise:
        await agent.stop()

    assert otherwise.value.reason == Custom("otherwise")


async def test_an_agent_cannot_wait_for_its_own_end(runtime):
    class Suicidal(AgentProcess):
        async def handle_info(self, message):
            with pytest.raises(CallExit) as itself:
                await Agent(self.me).stop()
            self.value = itself.value.reason

    agent = Agent(await started(runtime, Suicidal(lambda: 0)))
    agent.address.send("stop yourself")
    await settle()

    assert await agent.get(lambda value: value) == CALLING_SELF
