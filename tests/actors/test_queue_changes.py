"""One task changes step by step: nothing is built on a change that the disk may yet refuse, and nobody hears of one too early."""

import asyncio
import errno

import pytest

from symbiont.actors import names
from symbiont.actors.ledger import Refused
from symbiont.actors.queue_messages import (
    AwaitFinal,
    AwaitIdle,
    Cancel,
    EndWaits,
    ListTasks,
    NoSuchTask,
    Rescue,
    Retry,
    Submit,
    Submitted,
    Take,
)
from symbiont.actors.run_steps import Begin, Complete, Postpone, Stale, Stopped
from symbiont.config.schema import Config, Dispatch
from symbiont.domain.queue_file import load
from symbiont.domain.task import Answer, NewTask, OpenCall, Priority, Status

ID = "queued-1800000000"
NEW = NewTask("do it", "queued", "haiku")
ANSWER = Answer("42", "haiku", "claude-haiku-5-5", "claude", "subscription", 1.0, 1, 1, 0.1, "2027-01-15T08:00:00Z")
CALL = OpenCall("task", "haiku", "claude", "haiku", "2027-01-15T08:00:00Z")


@pytest.fixture
async def system(start):
    """Its dispatcher takes direct tasks alone, so queued ones are the test's own."""
    return await start(source="direct")


async def at_once(system, *requests):
    """All in the mailbox of the queue before it looks at the first."""
    queue = system.runtime.named(names.QUEUE)
    answers = [asyncio.ensure_future(queue.call(request, timeout_s=None)) for request in requests]
    await system.quiet()
    return [answer.result() if answer.done() else None for answer in answers]


def refuse(system, times=1):
    for _ in range(times):
        system.journals["queue"].fail_next(OSError(errno.ENOSPC, "No space left on device"))


def reloaded(system):
    return {task.id: task for task in load(system.journals["queue"].records)}


async def leased(system):
    await system.submit(force_tier="haiku")
    return await system.ask(names.QUEUE, Take())


async def test_a_task_is_not_leased_before_its_record_is_on_disk(system):
    refuse(system)
    submitted, taken = await at_once(system, Submit(NEW), Take())
    assert (type(submitted), taken) == (Refused, None)
    assert system.lines("queue") == []


async def test_after_a_refused_record_the_next_in_line_can_be_leased(system):
    await system.submit("patient")
    refuse(system)
    await at_once(system, Submit(NewTask("urgent", "queued", priority=Priority.CRITICAL)), Take())
    assert (await system.ask(names.QUEUE, Take())).task == "patient"


async def test_after_a_refused_record_who_was_passed_over_because_of_it_is_told_to_look_again(system):
    await system.submit("patient")
    dispatcher = system.process(names.DISPATCHER)
    before = dispatcher.reductions
    refuse(system)
    await at_once(system, Submit(NewTask("urgent", "queued", priority=Priority.CRITICAL)), Take())
    assert dispatcher.reductions > before


async def test_a_task_is_run_once_however_many_look_for_it_while_it_is_written(start):
    system = await start()
    await at_once(system, Submit(NEW), Take("direct"), Take())
    assert system.worker.trail == ["task haiku"]


async def test_a_cancellation_of_a_record_that_is_refused_finds_no_task(system):
    refuse(system)
    assert await at_once(system, Submit(NEW), Cancel(ID)) == [
        Refused("[Errno 28] No space left on device"),
        NoSuchTask(ID),
    ]
    assert system.lines("queue") == []


async def test_a_cancellation_waits_for_the_record(system):
    submitted, cancelled = await at_once(system, Submit(NEW), Cancel(ID))
    assert (type(submitted), cancelled.status) == (Submitted, "cancelled")
    assert reloaded(system)[ID].status == "cancelled"


async def test_who_waits_for_a_task_is_answered_when_its_end_is_on_disk_and_not_before(system):
    task = await leased(system)
    refuse(system)
    answers = await at_once(system, Complete(task.id, task.lease, ANSWER), AwaitFinal(task.id))
    assert answers == [Refused("[Errno 28] No space left on device"), None]
    waiting = asyncio.ensure_future(system.runtime.named(names.QUEUE).call(AwaitFinal(task.id)))
    await system.ask(names.QUEUE, Complete(task.id, task.lease, ANSWER))
    assert (await waiting).answer == ANSWER


async def test_a_refused_change_takes_no_part_of_the_next_one_along(system):
    """Whatever is refused, what is on disk is what everybody sees."""
    task = await leased(system)
    refuse(system)
    await at_once(system, Begin(task.id, task.lease, CALL, failures=3), Postpone(task.id, task.lease, None, None, 1))
    seen = (await system.ask(names.QUEUE, ListTasks(None, 10))).tasks
    assert list(reloaded(system).values()) == list(seen)
    assert (seen[0].status, seen[0].failures) == ("pending", 1)


async def test_the_end_of_a_wait_that_is_just_being_written_is_not_forgotten(system):
    task = await leased(system)
    queue = system.runtime.named(names.QUEUE)
    postponed = asyncio.ensure_future(queue.call(Postpone(task.id, task.lease, 9e9, "limit five_hour", 0)))
    await asyncio.sleep(0)
    queue.cast(EndWaits())
    await system.quiet()
    assert (await postponed).waiting_for == "limit five_hour"
    assert ((await system.task(task.id)).not_before, (await system.task(task.id)).waiting_for) == (None, None)


async def test_no_call_begins_for_a_task_whose_cancellation_was_asked_for(system):
    task = await leased(system)
    assert await at_once(system, Cancel(task.id), Begin(task.id, task.lease, CALL)) != [None, None]
    assert ((await system.task(task.id)).status, reloaded(system)[task.id].call) == ("cancelled", None)


async def test_a_run_that_comes_twice_with_its_answer_is_stale_the_second_time(system):
    task = await leased(system)
    first, second = await at_once(system, *[Complete(task.id, task.lease, ANSWER)] * 2)
    assert (first.status, second) == ("done", Stale(task.id))


async def test_a_lease_that_is_just_being_written_is_given_back_when_its_run_never_began(system):
    """The dispatcher died between asking for a task and hearing which one it got."""
    task_id = await system.submit()
    taken, rescued = await at_once(system, Take(), Rescue(frozenset(), grace_s=0.0))
    assert ((await system.task(task_id)).status, rescued) == ("pending", 1)
    assert await system.ask(names.QUEUE, Complete(task_id, taken.lease, ANSWER)) == Stale(task_id)


async def test_a_rescue_leaves_a_task_alone_whose_end_is_just_being_written(system):
    task = await leased(system)
    done, rescued = await at_once(system, Complete(task.id, task.lease, ANSWER), Rescue(frozenset(), grace_s=0.0))
    assert (done.status, rescued, (await system.task(task.id)).status) == ("done", 0, "done")


async def test_a_young_lease_is_given_its_time(system):
    task = await leased(system)
    assert await system.ask(names.QUEUE, Rescue(frozenset())) == 0
    await system.advance(60.0)
    assert await system.ask(names.QUEUE, Rescue(frozenset({(task.id, task.lease)}))) == 0
    assert await system.ask(names.QUEUE, Rescue(frozenset())) == 1


async def test_an_older_lease_changes_nothing(system):
    first = await leased(system)
    await system.ask(names.QUEUE, Stopped(first.id, first.lease))
    second = await system.ask(names.QUEUE, Take())
    assert await system.ask(names.QUEUE, Complete(first.id, first.lease, ANSWER)) == Stale(first.id)
    assert (await system.task(first.id)).lease == second.lease == first.lease + 1


async def test_a_full_queue_refuses_more_and_says_how_many_it_takes(start):
    system = await start(source="direct", config=Config(dispatch=Dispatch(max_pending=2)))
    await system.submit()
    await system.submit()
    refused = await system.try_submit()
    assert refused == Refused("expected at most 2 pending tasks, got: one more")


async def test_positions_count_those_that_wait(system):
    positions = [(await system.try_submit()).position for _ in range(3)]
    assert positions == [1, 2, 3]


async def test_a_list_has_the_newest_of_a_status_and_how_many_there_are(system):
    ids = [await system.submit() for _ in range(3)]
    await system.ask(names.QUEUE, Cancel(ids[0]))
    page = await system.ask(names.QUEUE, ListTasks(Status.PENDING, 1))
    assert ([task.id for task in page.tasks], page.total) == ([ids[2]], 2)
    assert (await system.ask(names.QUEUE, ListTasks(None, 0))).tasks == ()


async def test_who_waits_until_nothing_runs_is_told_when_the_disk_refuses_the_only_lease(system):
    await system.submit()
    refuse(system)
    taken, idle = await at_once(system, Take(), AwaitIdle(None))
    assert (type(taken), idle) == (Refused, 0)


async def test_after_a_refused_later_task_its_key_is_that_of_the_earlier_one_again(system):
    """The earlier one can be sent round again, and then it is the one task of its key."""
    keyed = NewTask("do it", "queued", key="k")
    first = (await system.ask(names.QUEUE, Submit(keyed))).task
    await system.ask(names.QUEUE, Cancel(first.id))
    await system.advance(86_400.0)
    refuse(system)
    assert isinstance(await system.ask(names.QUEUE, Submit(keyed)), Refused)
    await system.ask(names.QUEUE, Retry(first.id))
    assert (await system.ask(names.QUEUE, Submit(keyed))).task.id == first.id


async def test_a_lease_that_the_disk_refused_does_not_cost_a_task_its_age(system):
    old = await system.submit(priority=Priority.LOW)
    await system.advance(10 * system.config.queue.ageing_s)
    refuse(system)
    assert isinstance(await system.ask(names.QUEUE, Take()), Refused)
    for _ in range(2):
        await system.submit(priority=Priority.CRITICAL)
    assert old in [(await system.ask(names.QUEUE, Take())).id for _ in range(2)]
