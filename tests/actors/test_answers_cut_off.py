"""What whoever waits for a task is told when the tree is restarted or taken down under the request."""

import asyncio

import pytest

from supervisors import KILLED
from symbiont.actors import names
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import NewTask
from symbiont.http.actor_gate import ActorGate
from symbiont.ports import SyncFailed
from symbiont.service.commands import Commands

NEW = NewTask("Say hello", "direct", force_tier="haiku")


@pytest.fixture
def commands(system):
    return Commands(system.runtime, tiers=system.world.tiers, clock=system.clock)


async def asked(system, commands):
    """A request for a task, through the gate, under way."""
    asking = asyncio.ensure_future(ActorGate(system.runtime).run(lambda: commands.run_task(NEW, wait_s=900.0)))
    await system.quiet()
    return asking


async def refusal_of(asking):
    with pytest.raises(SymbiontError) as refused:
        await asking
    return refused.value


async def test_who_is_cut_off_learns_the_id_of_the_task_that_goes_on(system, commands):
    system.worker.hold()
    asking = await asked(system, commands)
    system.process(names.TASKS).exit(KILLED)
    await system.quiet()

    refused = await refusal_of(asking)
    assert refused.code == "STILL_PENDING"
    (task_id,) = {line["id"] for line in system.lines("queue")}
    assert (refused.details, refused.hint) == ({"id": task_id}, f"symbiont task wait {task_id}")
    assert "restarting; the task goes on" in refused.message


async def test_who_is_cut_off_by_a_shutdown_is_told_when_the_task_goes_on(system, commands):
    system.worker.hold()
    asking = await asked(system, commands)
    commands.is_closing = True
    await system.stop()

    refused = await refusal_of(asking)
    assert (refused.code, refused.details["id"]) == ("STILL_PENDING", system.lines("queue")[0]["id"])
    assert "shutting down; the task goes on at the next start" in refused.message


async def test_a_task_that_may_have_been_recorded_is_not_said_to_be_safe_to_send_again(system, commands):
    system.journals["queue"].fail_next(SyncFailed("the disk cannot tell"))
    asking = await asked(system, commands)

    refused = await refusal_of(asking)
    assert (refused.code, refused.hint) == ("RESTARTING", "before you send it again: symbiont task list")
