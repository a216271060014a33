"""A request under a key is one task, however often and whenever it comes."""

import asyncio
import errno

import pytest

from symbiont.actors import names
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import Bulk, KeyTaken, Submit, Submitted
from symbiont.config.schema import Config, Queue
from symbiont.domain.bulk import Filter
from symbiont.domain.task import NewTask

DAY_S = 86_400.0
NEW = NewTask("do it", "queued", "haiku", key="k")


async def at_once(system, *requests):
    queue = system.runtime.named(names.QUEUE)
    answers = [asyncio.ensure_future(queue.call(request, timeout_s=None)) for request in requests]
    await system.quiet()
    return [answer.result() for answer in answers]


async def test_the_same_request_again_is_the_same_task_with_the_same_answer_also_when_it_is_done(system):
    first = await system.ask(names.QUEUE, Submit(NEW))
    again = await system.ask(names.QUEUE, Submit(NEW))
    assert (again.task.id, again.position) == (first.task.id, first.position)
    assert again.task.status == "done"
    assert len(system.worker.calls) == 1


async def test_it_does_not_matter_which_way_the_request_comes(system):
    first = await system.ask(names.QUEUE, Submit(NEW))
    again = await system.ask(names.QUEUE, Submit(NewTask("do it", "direct", "haiku", key="k")))
    assert again.task.id == first.task.id


async def test_two_at_the_same_moment_are_one_task(system):
    first, second = await at_once(system, Submit(NEW), Submit(NEW))
    assert first.task.id == second.task.id
    assert len({line["id"] for line in system.lines("queue")}) == 1


async def test_another_request_under_the_key_is_told_whose_it_is(system):
    first, other = await at_once(system, Submit(NEW), Submit(NewTask("another", "queued", key="k")))
    assert other == KeyTaken("k", first.task.id)


async def test_a_key_counts_within_its_project(system):
    first, other = await at_once(system, Submit(NEW), Submit(NewTask("another", "queued", project="p", key="k")))
    assert first.task.id != other.task.id


async def test_who_comes_second_is_recorded_if_the_disk_refused_the_first(system):
    system.journals["queue"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    first, second = await at_once(system, Submit(NEW), Submit(NEW))
    assert (type(first), type(second)) == (Refused, Submitted)


async def test_of_three_at_once_of_which_the_first_is_refused_two_are_one_task(system):
    system.journals["queue"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    _, second, third = await at_once(system, Submit(NEW), Submit(NEW), Submit(NEW))
    assert second.task.id == third.task.id


@pytest.mark.parametrize("is_crash", [True, False])
async def test_a_key_is_known_after_a_restart_of_the_actor_and_of_the_process(system, start, is_crash):
    first = await system.ask(names.QUEUE, Submit(NEW))
    if is_crash:
        await system.crash(names.QUEUE)
    later = system if is_crash else await start(disk=system.on_disk())
    again = await later.ask(names.QUEUE, Submit(NEW))
    assert again.task.id == first.task.id
    assert len(later.worker.calls) == (1 if is_crash else 0)


async def test_when_its_window_is_over_the_key_makes_a_new_task(system):
    first = await system.ask(names.QUEUE, Submit(NEW))
    await system.advance(DAY_S - 10.0)
    assert (await system.ask(names.QUEUE, Submit(NEW))).task.id == first.task.id
    await system.advance(20.0)
    second, third = await at_once(system, Submit(NEW), Submit(NEW))
    assert second.task.id == third.task.id != first.task.id


async def test_a_failed_task_under_a_key_is_answered_not_tried_again(system):
    system.worker.hold()
    first = await system.ask(names.QUEUE, Submit(NEW))
    await system.ask(names.QUEUE, Bulk("cancel", Filter(), 10))
    again = await system.ask(names.QUEUE, Submit(NEW))
    assert (again.task.id, again.task.status) == (first.task.id, "cancelled")


async def test_a_key_outlives_pruning_and_compaction(start):
    system = await start(config=Config(queue=Queue(keep_s=1.0, keep_count=1)))
    keyed = await system.ask(names.QUEUE, Submit(NEW))
    for _ in range(600):
        await system.submit(force_tier="haiku")
    await system.advance(1_000.0)
    assert len(system.lines("queue")) < 300
    later = await start(disk=system.on_disk())
    assert (await later.ask(names.QUEUE, Submit(NEW))).task.id == keyed.task.id
