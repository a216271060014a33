"""Actors crash, the process is killed: nothing is lost, nothing is counted twice, and the runs under way go on."""

import asyncio

import pytest

from supervisors import Shutdown
from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.dispatcher import Drain, ReadLimits
from symbiont.actors.ledger import Append, ReadTotals, Recorded
from symbiont.actors.run_steps import Stale, Stopped
from symbiont.domain.ledger import decode
from symbiont.domain.outcome import Done, TooLong, UsageLimited
from symbiont.ports import SyncFailed
from tests.actors.worker_twin import ScriptedWorker

HOUR_S = 3_600.0


@pytest.mark.parametrize("victim", [names.LEDGER, names.QUEUE, names.DISPATCHER, names.HEARTBEAT, names.HTTP_SERVER])
async def test_a_run_outlives_the_crash_of_an_actor_and_is_settled_once(system, victim):
    held = system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    await system.crash(victim)
    assert (await system.task(task_id)).status == "processing"
    held.release.set()
    await system.quiet()
    assert ((await system.task(task_id)).status, len(system.ledger)) == ("done", 1)
    assert len(system.worker.calls) == 1


@pytest.mark.parametrize("victim", [names.LEDGER, names.QUEUE, names.DISPATCHER])
async def test_a_slot_that_is_taken_stays_taken_over_a_crash(start, victim):
    system = await start(slots=1)
    held = system.worker.hold()
    await system.submit(force_tier="haiku")
    await system.crash(victim)
    await system.submit(force_tier="haiku")
    assert system.worker.running == 1
    held.release.set()
    await system.quiet()
    assert (system.worker.peak, len(system.worker.returned)) == (1, 2)


async def test_a_run_between_two_calls_does_not_hold_a_slot_against_itself(start):
    """The dispatcher dies at any moment of a run that goes from a tier that was too small to the next."""
    system = await start(slots=1)
    for passes in range(60):
        held = system.worker.hold(TooLong(), tier="haiku")
        task_id = await system.submit(force_tier="haiku")
        held.release.set()
        for _ in range(passes):
            await asyncio.sleep(0)
        await system.crash(names.DISPATCHER)
        assert (await system.task(task_id)).answer.tier == "sonnet"
    assert system.worker.peak == 1


async def test_a_call_recorded_by_a_ledger_that_died_before_it_answered_is_recorded_once(system):
    held = system.worker.hold()
    await system.submit(force_tier="haiku")
    ledger = system.journals["ledger"]
    held.release.set()
    while not ledger.records:
        await asyncio.sleep(0)
    await system.crash(names.LEDGER)
    assert len(system.ledger) == 1


async def test_a_call_that_is_appended_again_is_acknowledged_and_not_recorded_again(system):
    await system.submit(force_tier="haiku")
    entry = decode(system.journals["ledger"].records[0])
    answers = [await system.ask(names.LEDGER, Append(entry)) for _ in range(3)]
    assert (answers, len(system.ledger)) == ([Recorded()] * 3, 1)


async def test_two_who_append_the_same_call_at_once_are_both_acknowledged(system):
    await system.submit(force_tier="haiku")
    recorded = decode(system.journals["ledger"].records[0])
    entry = type(recorded)(**{name: getattr(recorded, name) for name in recorded.__struct_fields__} | {"attempt": 9})
    ledger = system.runtime.named(names.LEDGER)
    answers = await asyncio.gather(*(ledger.call(Append(entry)) for _ in range(3)))
    assert (answers, len(system.ledger)) == ([Recorded()] * 3, 2)


async def test_totals_are_the_sum_of_the_lines_after_a_restart(system):
    for tier in ("haiku", "sonnet", "opus"):
        await system.submit(force_tier=tier)
    before = await system.ask(names.LEDGER, ReadTotals())
    await system.crash(names.LEDGER)
    after = await system.ask(names.LEDGER, ReadTotals())
    assert before == after
    assert after.total.calls == 3


# The whole process


async def test_a_call_cut_off_by_a_kill_is_in_the_ledger_as_interrupted_and_the_task_pending_again(start):
    killed = await start()
    killed.worker.hold()
    task_id = await killed.submit(force_tier="opus")
    later = await start(disk=killed.on_disk(), source="direct")
    (line,) = later.ledger
    assert (line["task_id"], line["attempt"], line["error_code"], line["estimated_cost_usd"], line["model"]) == (
        task_id,
        1,
        "INTERRUPTED",
        None,
        "opus",
    )
    task = await later.task(task_id)
    assert (task.status, task.call, task.failures) == ("pending", None, 1)


@pytest.mark.parametrize("billing", ["api", "own", "rehearsal"])
async def test_an_interrupted_call_is_booked_as_what_it_was_when_it_began(start, billing):
    killed = await start(worker=ScriptedWorker(2, billing=billing))
    killed.worker.hold()
    await killed.submit(force_tier="opus")
    later = await start(disk=killed.on_disk(), source="direct", clock=VirtualClock(killed.clock.wall() + 90.0))
    (line,) = later.ledger
    assert (line["billing"], line["model_id"], line["elapsed_seconds"]) == (billing, "opus", 90.0)


async def test_an_interrupted_task_is_run_again_as_a_new_attempt(start):
    killed = await start()
    killed.worker.hold()
    task_id = await killed.submit(force_tier="opus")
    later = await start(disk=killed.on_disk())
    await later.advance(2.0)
    assert (await later.task(task_id)).status == "done"
    assert [(line["attempt"], line["success"]) for line in later.ledger] == [(1, False), (2, True)]


async def test_a_task_that_brings_the_process_down_every_time_is_poison_after_the_rescues_there_are(start):
    """Each life of the process calls the model once more, dies, and pays."""
    system = await start()
    system.worker.hold()
    task_id = await system.submit(force_tier="opus")
    for _ in range(9):
        system = await start(disk=system.on_disk(), clock=VirtualClock(system.clock.wall()))
        system.worker.hold()
        await system.advance(60.0)
    task = await system.task(task_id)
    assert (task.status, task.failure.code) == ("failed", "POISON")
    assert [line["attempt"] for line in system.ledger] == [1, 2, 3, 4]


async def test_a_task_whose_run_was_lost_before_it_called_anybody_has_used_up_no_try(start):
    killed = await start(slots=1)
    killed.worker.hold()
    first = await killed.submit(force_tier="haiku")
    later = await start(disk={"queue": killed.on_disk()["queue"][:2]}, source="direct")
    task = await later.task(first)
    assert (task.status, task.failures, task.not_before) == ("pending", 0, None)


async def test_a_call_that_was_settled_before_the_kill_is_not_called_interrupted(start):
    killed = await start()
    held = killed.worker.hold(Done("answer"))
    task_id = await killed.submit(force_tier="haiku")
    held.release.set()
    while not killed.journals["ledger"].records:
        await asyncio.sleep(0)
    left = killed.on_disk()
    later = await start(disk=left, source="direct")
    assert [line["error_code"] for line in later.ledger] == [None]
    assert (await later.task(task_id)).status == "pending"


async def test_an_interruption_is_recorded_once_however_often_the_process_is_killed(start):
    system = await start()
    system.worker.hold()
    await system.submit(force_tier="haiku")
    for _ in range(3):
        system = await start(disk=system.on_disk(), source="direct")
    assert len(system.ledger) == 1


async def test_a_task_whose_cancellation_was_asked_for_is_cancelled_after_a_kill(start):
    killed = await start()
    killed.worker.hold()
    task_id = await killed.submit(force_tier="haiku")
    change = b'{"id":"%b","status":"processing","cancel_requested":true}' % task_id.encode()
    left = killed.on_disk()
    later = await start(disk={**left, "queue": (*left["queue"], change)})
    assert (await later.task(task_id)).status == "cancelled"


async def test_files_of_an_earlier_version_load_and_what_was_processing_runs_again(start):
    lines = (
        b'{"id":"queued-1","task":"old one","created_at":"2026-03-01T10:00:00Z","status":"processing"}',
        b'{"id":"queued-2","task":"old two","created_at":"2026-03-01T10:00:01Z","status":"done","extra":1}',
    )
    system = await start(disk={"queue": lines})
    assert (await system.task("queued-1")).answer.text == "answer to old one"
    assert (await system.task("queued-2")).status == "done"
    assert {line["task_id"] for line in system.ledger} == {"queued-1"}


async def test_a_heartbeat_file_of_an_earlier_version_does_not_keep_the_tree_from_starting(start):
    system = await start(disk={"heartbeat": (b'{"timestamp":"2026-03-01T10:00:00Z","api":true}',)})
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


# A disk that cannot say what it holds


@pytest.mark.parametrize("name", ["ledger", "queue"])
async def test_after_a_failed_sync_the_actor_starts_afresh_and_the_task_is_finished_once(system, name):
    held = system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    before = system.process(name)
    system.journals[name].fail_next(SyncFailed(5, "the disk is unwell"))
    held.release.set()
    await system.advance(5.0)
    assert system.process(name) is not before
    assert ((await system.task(task_id)).status, len(system.ledger)) == ("done", 1)


async def test_after_a_failed_sync_a_limit_is_noted_by_the_next_life_of_the_dispatcher(system):
    held = system.worker.hold(UsageLimited("five_hour", "account", system.clock.wall() + HOUR_S))
    await system.submit(force_tier="haiku")
    before = system.process(names.DISPATCHER)
    system.journals["limits"].fail_next(SyncFailed(5, "the disk is unwell"))
    held.release.set()
    await system.quiet()
    assert system.process(names.DISPATCHER) is not before
    assert [line["limit"] for line in system.lines("limits")] == ["five_hour"]
    assert len(await system.ask(names.DISPATCHER, ReadLimits())) == 1


async def test_after_a_failed_sync_the_heartbeat_keeps_its_beats_again(system):
    system.journals["heartbeat"].fail_next(SyncFailed(5, "the disk is unwell"))
    await system.advance(300.0)
    kept = len(system.lines("heartbeat"))
    await system.advance(300.0)
    assert len(system.lines("heartbeat")) == kept + 1


# Stopping in order


async def test_draining_stops_the_runs_settles_their_calls_and_puts_the_tasks_back(system):
    for _ in range(2):
        system.worker.hold()
    ids = [await system.submit(force_tier="haiku") for _ in range(3)]
    assert await system.ask(names.DISPATCHER, Drain()) == 2
    assert [line["error_code"] for line in system.ledger] == ["CANCELLED", "CANCELLED"]
    assert all(line["estimated_cost_usd"] > 0 for line in system.ledger)
    tasks = [await system.task(task_id) for task_id in ids]
    assert [(task.status, task.failures) for task in tasks] == [("pending", 0)] * 3


async def test_a_call_that_had_its_answer_when_the_stop_came_finishes_its_task(system):
    system.worker.hold(when_stopped=Done("just in time"))
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.DISPATCHER, Drain())
    task = await system.task(task_id)
    assert (task.status, task.answer.text, len(system.ledger)) == ("done", "just in time", 1)


async def test_a_run_that_is_being_stopped_calls_nobody_else_whatever_its_call_came_to(system):
    system.worker.hold(when_stopped=TooLong())
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.DISPATCHER, Drain())
    assert ((await system.task(task_id)).status, system.worker.trail) == ("pending", ["task haiku"])


async def test_nothing_new_is_taken_while_draining(system):
    assert await system.ask(names.DISPATCHER, Drain()) == 0
    task_id = await system.submit(force_tier="haiku")
    await system.advance(600.0)
    assert (await system.task(task_id)).status == "pending"
    assert system.worker.calls == []


async def test_a_run_that_lost_its_lease_changes_nothing(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    task = await system.task(task_id)
    assert await system.ask(names.QUEUE, Stopped(task_id, task.lease + 1)) == Stale(task_id)
    assert await system.task(task_id) == task


async def test_a_run_stopped_from_outside_before_it_called_anybody_gives_its_task_back(start):
    system = await start(slots=1)
    blocker = system.worker.hold()
    await system.submit(force_tier="haiku")
    (run,) = [process for process in system.runtime.processes.values() if process.label.startswith("run ")]
    run.exit(Shutdown("test"))
    blocker.release.set()
    await system.quiet()
    assert len([line for line in system.ledger if line["error_code"] == "CANCELLED"]) == 1
    assert len([line for line in system.ledger if line["success"]]) == 1


async def test_a_task_taken_by_a_dispatcher_that_dies_at_any_moment_is_run_without_waiting_for_a_sweep(system):
    for passes in range(30):
        submitting = asyncio.ensure_future(system.submit(force_tier="haiku"))
        for _ in range(passes):
            await asyncio.sleep(0)
        await system.crash(names.DISPATCHER)
        assert (await system.task(await submitting)).status == "done"
    assert len(system.ledger) == len(system.worker.calls) == 30
