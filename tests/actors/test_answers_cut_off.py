"""What whoever waits for a task is told when the tree is restarted or taken down under the request."""

import asyncio
import errno

import pytest

from supervisors import KILLED
from symbiont.actors import names
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import NewTask
from symbiont.http.actor_gate import ActorGate
from symbiont.ports import SyncFailed
from symbiont.service.commands import Commands
from tests.actors.system import TracedJournal

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


class Stubborn(TracedJournal):
    """Writes, and then cannot say so: the queue dies of it, and its next life finds the record."""

    def append(self, record):
        receipt = super().append(record)
        if not self.is_stubborn:
            return receipt
        self.is_stubborn = False
        failed = asyncio.get_running_loop().create_future()
        receipt.add_done_callback(lambda _: failed.set_exception(SyncFailed("no word from the disk")))
        return failed

    is_stubborn = False


async def test_a_task_that_the_queue_recorded_while_it_died_is_found_again_and_answered(start):
    system = await start(journal=Stubborn)
    system.journals["queue"].is_stubborn = True
    commands = Commands(system.runtime, tiers=system.world.tiers, clock=system.clock)
    answer = await (await asked(system, commands))
    assert answer.result == "answer to Say hello"
    assert {line["id"] for line in system.lines("queue")} == {answer.id}
    assert len(system.worker.calls) == 1


async def test_a_task_that_was_not_recorded_is_safe_to_send_again(system, commands):
    system.journals["queue"].fail_next(SyncFailed("the disk cannot tell"))
    refused = await refusal_of(await asked(system, commands))
    assert (refused.code, system.lines("queue")) == ("RESTARTING", [])


async def test_what_one_request_was_given_is_not_the_answer_of_another_with_the_same_words(system, commands):
    await (await asked(system, commands))
    system.journals["queue"].fail_next(SyncFailed("the disk cannot tell"))
    refused = await refusal_of(await asked(system, commands))

    assert (refused.code, len(system.worker.calls)) == ("RESTARTING", 1)


async def test_a_request_that_was_let_in_while_the_door_died_runs_once_and_is_answered(system, commands):
    asking = asyncio.ensure_future(ActorGate(system.runtime).run(lambda: commands.run_task(NEW, wait_s=900.0)))
    door = system.process(names.HTTP_SERVER)
    while door.alive and not door.queued:
        await asyncio.sleep(0)
    door.exit(KILLED)
    await system.quiet()
    outcome = await asyncio.gather(asking, return_exceptions=True)
    assert [getattr(one, "code", "answered") for one in outcome] in (["RESTARTING"], ["answered"])
    assert len(system.worker.calls) == ["RESTARTING", "answered"].index(getattr(outcome[0], "code", "answered"))


async def test_who_waits_for_a_task_whose_beginning_the_disk_refuses_is_told_at_once_and_the_task_is_kept(
    system, commands
):
    written = system.journals["queue"]
    written.when_durable = lambda: [written.fail_next(OSError(errno.ENOSPC, "No space left on device"))]
    asking = asyncio.ensure_future(commands.run_task(NEW, wait_s=900.0))
    await system.quiet()
    with pytest.raises(SymbiontError) as refused:
        await asking

    assert (refused.value.code, refused.value.details) == ("STORAGE_REFUSED", {"id": "task-1800000000"})
    assert refused.value.hint == "df -h; symbiont task wait task-1800000000"
    written.when_durable = lambda: None
    await system.advance(60.0)
    assert (await system.task("task-1800000000")).status == "done"
