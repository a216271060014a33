"""Somebody else changes the ledger's or the queue's file while it is open: what cannot be written down is not begun."""

import asyncio

import pytest

from supervisors import Tasks
from symbiont.actors import names
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import AwaitFinal, Take
from symbiont.config.schema import Batching, Config
from tests.actors.system import JOURNALS, PUNCTUAL, System

WHY = "expected the file to be as it was left, got: another"
BOTH = pytest.mark.parametrize("name", ["ledger", "queue"])


@BOTH
async def test_nothing_new_is_taken_and_nothing_waiting_is_begun(start, name):
    system = await start(slots=1)
    held = system.worker.hold(kind="classify")
    await system.submit("under way")
    await system.submit("waiting")

    system.journals[name].spoil(WHY)
    held.release.set()
    await system.advance(600.0)

    assert len(system.worker.calls) == 1
    for refused in (await system.try_submit(), await system.ask(names.QUEUE, Take())):
        assert (type(refused), refused.code, refused.reason) == (Refused, "DATA_CORRUPT", WHY)


@BOTH
async def test_a_run_that_was_under_way_before_begins_no_call(start, name):
    patient = Config(dispatch=PUNCTUAL.dispatch, batching=Batching(enabled=True, patience_s=2.0))
    system = await start(config=patient, classifies=False)
    task_id = await system.submit(force_tier="haiku")
    assert ((await system.task(task_id)).status, system.worker.calls) == ("processing", [])  # it waits for company

    system.journals[name].spoil(WHY)
    await system.advance(60.0)

    assert system.worker.calls == []


@BOTH
async def test_whoever_waits_for_a_task_is_told(start, name):
    system = await start(slots=1)
    system.worker.hold(kind="classify")
    ids = [await system.submit(text, source="direct") for text in ("under way", "waiting")]
    waiting = [asyncio.ensure_future(system.runtime.named(names.QUEUE).call(AwaitFinal(id_))) for id_ in ids]
    await system.quiet()

    system.journals[name].spoil(WHY)
    await system.quiet()

    assert {(await each).code for each in waiting} == {"DATA_CORRUPT"}
    assert (await system.ask(names.QUEUE, AwaitFinal(ids[1]))).code == "DATA_CORRUPT"


async def test_a_call_that_cannot_be_booked_stays_open_and_a_start_settles_it(start):
    system = await start()
    held = system.worker.hold(kind="task")
    task_id = await system.submit()

    system.journals["ledger"].spoil(WHY)
    held.release.set()
    await system.advance(1_000.0)

    task = await system.task(task_id)
    assert (task.status, task.call is not None) == ("processing", True)
    assert await Tasks(system.runtime.named(names.TASKS)).children() == ()
    disk = system.on_disk()
    await system.stop()
    later = await start(disk=disk)
    await later.advance(600.0)
    assert (await later.task(task_id)).status == "done"
    interrupted = [line for line in later.ledger if line["error_code"] == "INTERRUPTED"]
    assert [(line["kind"], line["attempt"]) for line in interrupted] == [("task", 1)]


async def test_a_new_life_of_the_queue_hears_of_it_from_the_ledger(start):
    system = await start()
    system.journals["ledger"].spoil(WHY)
    await system.quiet()
    await system.crash(names.QUEUE)
    assert (await system.try_submit()).reason == WHY


@pytest.mark.parametrize("name", sorted(set(JOURNALS) - {"ledger", "queue"}))
async def test_any_other_journal_does_not_stop_the_work(start, name):
    system: System = await start()
    system.journals[name].spoil(WHY)
    task_id = await system.submit()
    await system.advance(600.0)
    assert (await system.task(task_id)).status == "done"
