"""A disk that is full: new work is refused and leaves nothing behind, work under way waits and is finished, none is lost."""

import errno

import pytest

from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.heartbeat import BeatNow, LastBeat
from symbiont.actors.ledger import Refused
from symbiont.actors.queue_messages import CountTasks
from symbiont.domain.outcome import Overloaded, UsageLimited


def full():
    return OSError(errno.ENOSPC, "No space left on device")


async def test_a_task_the_disk_refuses_is_refused_and_nothing_of_it_remains(system):
    system.journals["queue"].fail_next(full())
    answer = await system.try_submit("too much", force_tier="haiku")
    assert isinstance(answer, Refused)
    assert "No space left" in answer.reason
    assert system.lines("queue") == []
    assert (await system.ask(names.QUEUE, CountTasks())).pending == 0
    assert system.worker.calls == []


async def test_after_a_refusal_the_next_task_is_taken(system):
    system.journals["queue"].fail_next(full())
    await system.try_submit("refused", force_tier="haiku")
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


@pytest.mark.parametrize("journal", ["ledger", "queue"])
async def test_a_run_waits_for_space_and_finishes_when_there_is_some(system, journal):
    held = system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    for _ in range(3):
        system.journals[journal].fail_next(full())
    held.release.set()
    await system.quiet()
    assert (await system.task(task_id)).status == "processing"
    await system.advance(5.0)
    assert ((await system.task(task_id)).status, len(system.ledger)) == ("done", 1)
    assert len(system.worker.calls) == 1


async def test_no_model_is_called_while_the_call_cannot_be_written_down(system):
    system.worker.script(Overloaded(529))
    task_id = await system.submit(force_tier="haiku")
    for _ in range(2):
        system.journals["queue"].fail_next(full())
    await system.advance(2.0)
    assert len(system.worker.calls) == 1
    await system.advance(15.0)
    assert (await system.task(task_id)).status == "done"


async def test_a_lease_the_disk_refuses_is_not_asked_for_without_end(system):
    system.worker.script(Overloaded(529))
    await system.submit(force_tier="haiku")
    for _ in range(50):
        system.journals["queue"].fail_next(full())
    await system.advance(100.0)
    assert len(system.journals["queue"]._failures) >= 30


async def test_a_limit_that_cannot_be_noted_is_in_force_all_the_same(system):
    system.journals["limits"].fail_next(full())
    system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + 60.0))
    await system.submit(force_tier="haiku")
    assert len(await system.ask(names.DISPATCHER, ReadLimits())) == 1
    assert system.lines("limits") == []


async def test_a_call_that_cannot_be_settled_after_a_crash_of_its_run_is_settled_later(system):
    held = system.worker.hold(RuntimeError("a bug"))
    task_id = await system.submit(force_tier="haiku")
    system.journals["ledger"].fail_next(full())
    held.release.set()
    await system.quiet()
    assert system.ledger == []
    await system.advance(400.0)
    assert [line["error_code"] for line in system.ledger if line["attempt"] == 1] == ["INTERRUPTED"]
    assert (await system.task(task_id)).status in {"done", "failed"}


async def test_a_start_on_a_full_disk_comes_up_and_loses_no_interrupted_call(start):
    killed = await start()
    killed.worker.hold()
    task_id = await killed.submit(force_tier="haiku")

    class FullAtStart(type(killed.journals["ledger"])):
        async def open(self, fold):
            opened = await super().open(fold)
            if self.opened == 1 and self.name in {"ledger", "queue"}:
                self.fail_next(full())
            return opened

    later = await start(disk=killed.on_disk(), journal=FullAtStart)
    await later.advance(400.0)
    assert (await later.task(task_id)).status == "done"
    assert [line["error_code"] for line in later.ledger] == ["INTERRUPTED", None]


# Looking after it


async def test_a_beat_that_cannot_be_kept_is_still_known(system):
    system.journals["heartbeat"].fail_next(full())
    beat = await system.ask(names.HEARTBEAT, BeatNow())
    assert await system.ask(names.HEARTBEAT, LastBeat()) == beat
