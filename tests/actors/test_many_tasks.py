"""Commands for many tasks, pruning and compaction, pause and drain, tasks for later, the sweep-only mode, and the story of a task."""

import asyncio
import errno

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import (
    AwaitFinal,
    AwaitIdle,
    Bulk,
    BulkDone,
    Cancel,
    Get,
    ListTasks,
    NoSuchTask,
    ReadStanding,
    SetSwitch,
    Tidy,
)
from symbiont.config.schema import Config, Dispatch, Queue
from symbiont.domain.bulk import Filter
from symbiont.domain.outcome import Overloaded
from symbiont.domain.outcome import Refused as TurnedDown
from symbiont.domain.queue_file import load
from symbiont.domain.task import Priority, Status

FULL = OSError(errno.ENOSPC, "No space left on device")


async def failed(system, **more):
    system.worker.script(TurnedDown())
    return await system.submit(force_tier="haiku", **more)


# Many at once


async def test_all_that_failed_are_sent_round_again(system):
    ids = [await failed(system) for _ in range(3)]
    await system.submit(force_tier="haiku")
    done = await system.ask(names.QUEUE, Bulk("retry", Filter(status=Status.FAILED), 100))
    assert done == BulkDone(tuple(ids))
    assert [(await system.task(task_id)).status for task_id in ids] == ["done"] * 3


async def test_a_dry_run_tells_and_changes_nothing(system):
    ids = [await failed(system) for _ in range(3)]
    before = system.lines("queue")
    done = await system.ask(names.QUEUE, Bulk("retry", Filter(), 2, dry_run=True))
    assert done == BulkDone(tuple(ids[:2]), is_all=False)
    assert system.lines("queue") == before


async def test_a_filter_takes_project_code_priority_time_and_ids(system):
    one = await failed(system, project="p", priority=Priority.LOW)
    await system.advance(10.0)
    two = await failed(system)
    now = system.clock.wall()
    for chosen, expected in (
        (Filter(project="p"), (one,)),
        (Filter(priority=Priority.NORMAL), (two,)),
        (Filter(code="REFUSED"), (one, two)),
        (Filter(code="EMPTY"), ()),
        (Filter(since=now), (two,)),
        (Filter(until=now), (one,)),
        (Filter(ids=frozenset({two, "other"})), (two,)),
        (Filter(project="p", status=Status.DONE), ()),
    ):
        assert (await system.ask(names.QUEUE, Bulk("prune", chosen, 9, dry_run=True))).ids == expected


async def test_a_thousand_are_cancelled_and_others_are_heard_in_between(start):
    system = await start(source="direct")
    ids = [await system.submit(force_tier="haiku") for _ in range(1_000)]
    done = await system.ask(names.QUEUE, Bulk("cancel", Filter(), 10_000))
    assert done.ids == tuple(ids)
    assert (await system.ask(names.QUEUE, ReadStanding())).counts.cancelled == 1_000


async def test_what_the_disk_refuses_of_a_bulk_is_told(start):
    system = await start(source="direct")
    ids = [await system.submit(force_tier="haiku") for _ in range(2)]
    system.journals["queue"].fail_next(FULL)
    done = await system.ask(names.QUEUE, Bulk("cancel", Filter(), 10))
    assert set(done.refused) == set(ids)
    assert (await system.task(ids[0])).status == "pending"


async def test_running_tasks_of_a_filter_are_stopped_and_their_calls_settled(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku", project="p")
    await system.ask(names.QUEUE, Bulk("cancel", Filter(project="p"), 10))
    assert (await system.task(task_id)).status == "cancelled"
    assert [line["error_code"] for line in system.ledger] == ["CANCELLED"]


# Pruning and the file


async def test_a_pruned_task_is_gone_also_after_a_restart_and_its_id_is_not_given_again(system, start):
    task_id = await system.submit(force_tier="haiku")
    assert (await system.ask(names.QUEUE, Bulk("prune", Filter(), 10))).ids == (task_id,)
    assert await system.ask(names.QUEUE, Get(task_id)) == NoSuchTask(task_id)
    later = await start(disk=system.on_disk())
    assert await later.ask(names.QUEUE, Get(task_id)) == NoSuchTask(task_id)
    assert await later.submit(force_tier="haiku") != task_id


async def test_a_pruning_that_the_disk_refuses_leaves_the_task(system):
    task_id = await system.submit(force_tier="haiku")
    system.journals["queue"].fail_next(FULL)
    assert (await system.ask(names.QUEUE, Bulk("prune", Filter(), 10))).refused == (task_id,)
    assert (await system.task(task_id)).status == "done"


async def test_who_asks_for_the_end_of_a_task_that_is_just_being_pruned_is_not_left_waiting(system):
    task_id = await system.submit(force_tier="haiku")
    queue = system.runtime.named(names.QUEUE)
    pruning = asyncio.ensure_future(queue.call(Bulk("prune", Filter(), 10)))
    asking = asyncio.ensure_future(queue.call(AwaitFinal(task_id)))
    await system.quiet()
    assert (await pruning).ids == (task_id,)
    assert await asking == NoSuchTask(task_id)


async def test_the_heartbeat_prunes_what_has_been_kept_long_enough_and_the_file_becomes_smaller(start):
    system = await start(config=Config(queue=Queue(keep_s=3_600.0)))
    old = [await system.submit(force_tier="haiku") for _ in range(400)]
    assert len(system.lines("queue")) > 1_000
    await system.advance(3_000.0)
    assert (await system.task(old[0])).status == "done"
    fresh = await system.submit(force_tier="haiku")
    await system.advance(1_000.0)
    assert await system.ask(names.QUEUE, Get(old[0])) == NoSuchTask(old[0])
    assert [task.id for task in load(system.journals["queue"].records)] == [fresh]
    assert len(system.lines("queue")) < 10


async def test_a_wall_clock_that_is_a_year_ahead_prunes_nothing(system):
    task_id = await system.submit(force_tier="haiku")
    system.clock._epoch_s += 365 * 86_400.0
    system.runtime.named(names.QUEUE).cast(Tidy())
    await system.quiet()
    assert (await system.task(task_id)).status == "done"


async def test_the_file_is_compacted_only_to_what_is_true_whatever_is_under_way(start):
    """Submissions go on while the file is made smaller."""
    system = await start(config=Config(queue=Queue(keep_count=1)))
    for _ in range(3):
        for _ in range(150):
            await system.submit(force_tier="haiku")
        system.runtime.named(names.QUEUE).cast(Tidy())
        await asyncio.gather(*(system.submit(force_tier="haiku") for _ in range(5)))
    await system.quiet()
    seen = (await system.ask(names.QUEUE, ListTasks(None, 10_000))).tasks
    assert load(system.journals["queue"].records) == list(seen)


# Pause, resume, drain


async def test_nothing_is_taken_while_the_queue_is_paused_also_after_a_restart(system, start):
    await system.ask(names.QUEUE, SetSwitch(None, "paused"))
    task_id = await system.submit(force_tier="haiku")
    assert (await system.task(task_id)).status == "pending"
    later = await start(disk=system.on_disk())
    assert (await later.task(task_id)).status == "pending"
    await later.ask(names.QUEUE, SetSwitch(None, "running"))
    assert (await later.task(task_id)).status == "done"


async def test_a_paused_project_waits_and_others_do_not(system, start):
    await system.ask(names.QUEUE, SetSwitch("p", "paused"))
    held, other = await system.submit(force_tier="haiku", project="p"), await system.submit(force_tier="haiku")
    later = await start(disk=system.on_disk())
    assert [(await later.task(task_id)).status for task_id in (held, other)] == ["pending", "done"]
    await later.ask(names.QUEUE, SetSwitch("p", "running"))
    assert (await later.task(held)).status == "done"


async def test_a_switch_that_the_disk_refuses_changes_nothing(system):
    system.journals["switches"].fail_next(FULL)
    assert isinstance(await system.ask(names.QUEUE, SetSwitch(None, "paused")), Refused)
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


async def test_a_drain_waits_for_what_runs_and_takes_nothing_new(system):
    held = system.worker.hold()
    running = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, SetSwitch(None, "draining"))
    waiting = await system.submit(force_tier="haiku")
    idle = asyncio.ensure_future(system.runtime.named(names.QUEUE).call(AwaitIdle(None)))
    await system.quiet()
    assert not idle.done()
    held.release.set()
    await system.quiet()
    assert await idle == 0
    assert [(await system.task(one)).status for one in (running, waiting)] == ["done", "pending"]


async def test_a_task_that_was_running_when_its_project_was_paused_stays_where_its_backoff_put_it(system):
    held = system.worker.hold(Overloaded(529))
    task_id = await system.submit(force_tier="haiku", project="p")
    await system.ask(names.QUEUE, SetSwitch("p", "paused"))
    held.release.set()
    await system.advance(100.0)
    assert ((await system.task(task_id)).status, len(system.worker.calls)) == ("pending", 1)


# Later


async def test_a_task_runs_at_its_time_and_not_before(system):
    at, after = system.clock.wall() + 100.0, 50.0
    ids = [await system.submit(force_tier="haiku", run_at=at), await system.submit(force_tier="haiku", delay_s=after)]
    assert [(await system.task(one)).waiting_for for one in ids] == ["its time", "its time"]
    await system.advance(60.0)
    assert [(await system.task(one)).status for one in ids] == ["pending", "done"]
    await system.advance(45.0)
    assert (await system.task(ids[0])).status == "done"


async def test_waking_by_hand_does_not_start_what_was_asked_for_later(system):
    from symbiont.actors.dispatcher import Wake

    task_id = await system.submit(force_tier="haiku", delay_s=10_000.0)
    await system.ask(names.DISPATCHER, Wake())
    assert (await system.task(task_id)).status == "pending"


async def test_a_task_for_later_is_still_for_then_after_a_restart(system, start):
    task_id = await system.submit(force_tier="haiku", delay_s=100.0)
    later = await start(disk=system.on_disk(), clock=VirtualClock(system.clock.wall()))
    assert (await later.task(task_id)).status == "pending"
    await later.advance(101.0)
    assert (await later.task(task_id)).status == "done"


# Sweep only


async def test_in_the_sweep_only_mode_a_sweep_takes_its_batch_and_direct_tasks_do_not_wait(start):
    system = await start(config=Config(queue=Queue(drain="heartbeat", max_queue_batch=3)))
    ids = [await system.submit(force_tier="haiku") for _ in range(5)]
    direct = await system.submit(force_tier="haiku", source="direct")
    states = [(await system.task(one)).status for one in (direct, *ids)]
    assert states == ["done", *["pending"] * 5]
    for expected in (3, 5):
        await system.advance(300.0)
        assert sum([(await system.task(one)).status == "done" for one in ids]) == expected


# The story


async def test_a_task_tells_of_every_call_with_its_outcome_and_cost(system):
    system.worker.script(Overloaded(529), TurnedDown())
    task_id = await system.submit()
    await system.advance(10.0)
    task = await system.task(task_id)
    assert [(one.kind, one.outcome, one.attempt) for one in task.story] == [
        ("classify", "DONE", 1),
        ("task", "OVERLOADED", 1),
        ("task", "REFUSED", 2),
    ]
    assert [one.cost_usd for one in task.story] == [line["estimated_cost_usd"] for line in system.ledger]


async def test_a_story_keeps_what_a_kill_cut_off(start):
    killed = await start()
    killed.worker.hold()
    task_id = await killed.submit(force_tier="haiku")
    later = await start(disk=killed.on_disk())
    await later.advance(10.0)
    task = await later.task(task_id)
    assert [(one.outcome, one.cost_usd is None) for one in task.story] == [("INTERRUPTED", True), ("DONE", False)]
    assert (task.rescues, task.status) == (1, "done")


async def test_pauses_after_an_outage_are_spread(start):
    system = await start(config=Config(dispatch=Dispatch(backoff_jitter=0.5)), slots=8)
    system.worker.otherwise = Overloaded(529)
    ids = [await system.submit(force_tier="haiku") for _ in range(2)]
    pauses = [(await system.task(one)).not_before - system.clock.wall() for one in ids]
    assert len(set(pauses)) == 2
    assert all(2.0 <= pause <= 3.0 for pause in pauses)


async def test_a_cancelled_running_task_has_its_cost_in_its_story(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Cancel(task_id))
    (told,) = (await system.task(task_id)).story
    assert (told.outcome, told.cost_usd) == ("CANCELLED", system.ledger[0]["estimated_cost_usd"])
