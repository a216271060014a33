"""Taking a task back, and sending it round again."""

import asyncio

from supervisors import KILLED
from symbiont.actors import names
from symbiont.actors.dispatcher import Dispatcher
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.queue_messages import AwaitFinal, Cancel, Illegal, NoSuchTask, Retry
from symbiont.domain.outcome import Refused, UsageLimited


async def test_a_pending_task_is_cancelled_at_once_and_never_run(start):
    system = await start(slots=1)
    held = system.worker.hold()
    await system.submit(force_tier="haiku")
    waiting = await system.submit("not this", force_tier="haiku")
    cancelled = await system.ask(names.QUEUE, Cancel(waiting))
    held.release.set()
    await system.quiet()
    assert (cancelled.status, len(system.worker.calls)) == ("cancelled", 1)


async def test_a_running_task_is_stopped_its_cost_settled_and_then_it_is_cancelled(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="sonnet")
    await system.ask(names.QUEUE, Cancel(task_id))
    task = await system.task(task_id)
    assert (task.status, task.call, task.cancel_requested) == ("cancelled", None, False)
    (line,) = system.ledger
    assert (line["error_code"], line["estimated_cost_usd"]) == ("CANCELLED", 0.002)


async def test_a_cancelled_run_frees_its_slot(start):
    system = await start(slots=1)
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Cancel(task_id))
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


async def test_who_waits_for_a_cancelled_task_is_told(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    waiting = asyncio.ensure_future(system.runtime.named(names.QUEUE).call(AwaitFinal(task_id)))
    await system.ask(names.QUEUE, Cancel(task_id))
    assert (await waiting).status == "cancelled"


async def test_a_task_cancelled_while_it_waits_for_a_limit_is_cancelled(system):
    system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + 60.0))
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Cancel(task_id))
    await system.advance(120.0)
    assert ((await system.task(task_id)).status, len(system.worker.calls)) == ("cancelled", 1)


async def test_a_cancelled_task_is_not_called_again_when_its_call_comes_back_otherwise(system):
    """The limit strikes just when somebody cancels: no dearer model is asked for a task that nobody wants."""
    held = system.worker.hold(UsageLimited("seven_day_haiku", "model", system.clock.wall() + 3_600.0))
    task_id = await system.submit(force_tier="haiku")
    held.release.set()
    await system.ask(names.QUEUE, Cancel(task_id))
    assert (await system.task(task_id)).status == "cancelled"
    assert system.worker.trail == ["task haiku"]


async def test_a_wish_to_cancel_survives_the_crash_of_the_dispatcher(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    system.process(names.DISPATCHER).exit(KILLED)
    await system.runtime.named(names.QUEUE).call(Cancel(task_id))
    await system.quiet()
    assert (await system.task(task_id)).status == "cancelled"


async def test_a_wish_to_cancel_that_the_dispatcher_never_heard_is_repeated_by_the_next_sweep(system, monkeypatch):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    with monkeypatch.context() as deaf:
        deaf.setattr(Dispatcher, "handle_cast", lambda self, message: None)
        await system.ask(names.QUEUE, Cancel(task_id))
    assert (await system.task(task_id)).status == "processing"
    await system.ask(names.HEARTBEAT, BeatNow())
    assert (await system.task(task_id)).status == "cancelled"


async def test_a_finished_task_cannot_be_cancelled(system):
    task_id = await system.submit(force_tier="haiku")
    assert await system.ask(names.QUEUE, Cancel(task_id)) == Illegal(task_id, "done")


async def test_an_unknown_task_cannot_be_cancelled_or_retried(system):
    assert await system.ask(names.QUEUE, Cancel("task-0")) == NoSuchTask("task-0")
    assert await system.ask(names.QUEUE, Retry("task-0")) == NoSuchTask("task-0")


async def test_a_failed_task_goes_round_again_with_a_clean_slate_and_a_new_number(system):
    system.worker.script(Refused("no"))
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Retry(task_id))
    task = await system.task(task_id)
    assert (task.status, task.failure, task.failures, task.attempt) == ("done", None, 0, 2)
    assert [line["attempt"] for line in system.ledger] == [1, 2]


async def test_a_cancelled_task_can_be_sent_round_again(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Cancel(task_id))
    await system.ask(names.QUEUE, Retry(task_id))
    assert (await system.task(task_id)).status == "done"


async def test_a_task_that_is_running_or_pending_cannot_be_retried(start):
    system = await start(slots=1)
    system.worker.hold()
    running, pending = [await system.submit(force_tier="haiku") for _ in range(2)]
    assert await system.ask(names.QUEUE, Retry(running)) == Illegal(running, "processing")
    assert await system.ask(names.QUEUE, Retry(pending)) == Illegal(pending, "pending")


async def test_two_who_cancel_the_same_task_at_once_are_both_answered(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    queue = system.runtime.named(names.QUEUE)
    answers = await asyncio.gather(*(queue.call(Cancel(task_id)) for _ in range(2)))
    assert all(getattr(answer, "id", None) == task_id for answer in answers)
    await system.quiet()
    assert (await system.task(task_id)).status == "cancelled"
