"""Small tasks that share a call: who shares with whom, who gets what, who pays what, and what happens when something goes wrong."""

import asyncio
import errno
from functools import partial

import pytest

from supervisors import KILLED
from supervisors.testing import settle
from symbiont.actors import names
from symbiont.actors.dispatcher import Drain, ReadLimits
from symbiont.actors.joint_call import PATIENCE_S
from symbiont.actors.ledger import ReadTotals
from symbiont.actors.queue_messages import Cancel, Get, Retry
from symbiont.config.schema import Batching, Config
from symbiont.domain.budget import Budget
from symbiont.domain.outcome import BadOutput, Overloaded, Refused, Unreachable, UsageLimited
from tests.actors.system import PUNCTUAL, System
from tests.actors.worker_twin import CUT_SHORT, FULL, each_its_own

BATCHING = Batching(enabled=True, max_tasks=5, max_task_chars=50, patience_s=2.0)


def configured(**changes):
    sections = {"dispatch": PUNCTUAL.dispatch, "batching": BATCHING} | changes
    return Config(**sections)


async def started(*, slots=1, **changes):
    return await System.start(slots=slots, config=configured(**changes), classifies=False)


async def submitted(system, *texts, tier="haiku", **more):
    return [await system.submit(text, force_tier=tier, **more) for text in texts]


async def results(system, ids):
    tasks = [await system.task(each) for each in ids]
    return [(task.status.value, task.answer.text if task.answer else None) for task in tasks]


def sizes(system):
    return [len(call.parts) or 1 for call in system.worker.calls]


def tokens(system):
    return sum(line["input_tokens"] for line in system.ledger), sum(line["output_tokens"] for line in system.ledger)


async def test_small_tasks_share_a_call_and_each_gets_its_own_answer():
    system = await started()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)

    assert await results(system, ids) == [("done", f"answer to {text}") for text in ("one", "two", "three")]
    assert sizes(system) == [3]
    await system.stop()


async def test_what_the_call_consumed_is_shared_and_it_counts_as_one_call():
    system = await started()
    ids = await submitted(system, "one", "two, which is longer", "three")
    await system.advance(2.0)
    lines = system.ledger

    assert tokens(system) == (FULL.input_tokens, FULL.output_tokens)
    assert {line["shared_call"] for line in lines} == {lines[0]["shared_call"]}
    assert sorted((line["share"], line["shares"]) for line in lines) == [(1, 3), (2, 3), (3, 3)]
    by_task = {line["task_id"]: line for line in lines}
    assert by_task[ids[1]]["input_tokens"] > by_task[ids[0]]["input_tokens"] > 0
    totals = await system.ask(names.LEDGER, ReadTotals())
    assert (totals.total.calls, totals.total.tokens) == (1, FULL.input_tokens + FULL.output_tokens)
    assert [one.shares for one in (await system.task(ids[0])).story] == [3]
    await system.stop()


async def test_without_the_option_every_task_has_a_call_of_its_own():
    system = await started(batching=Batching())
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)

    assert (sizes(system), len({line["task_id"] for line in system.ledger})) == ([1, 1, 1], len(ids))
    assert "shared_call" not in system.ledger[0]
    await system.stop()


async def test_a_full_company_is_waited_for_no_longer():
    system = await started()
    await submitted(system, *"abcde")
    await system.quiet()

    assert sizes(system) == [5]
    await system.stop()


async def test_who_is_too_many_for_one_call_shares_the_next():
    system = await started()
    ids = await submitted(system, *"abcdefgh")
    await system.advance(10.0)

    assert (sorted(sizes(system)), await results(system, ids)) == (
        [3, 5],
        [("done", f"answer to {text}") for text in "abcdefgh"],
    )
    await system.stop()


async def test_one_that_finds_no_company_goes_alone_when_its_patience_ends():
    system = await started()
    (task_id,) = await submitted(system, "one")
    await system.advance(1.9)
    assert system.worker.calls == []
    await system.advance(0.2)

    assert (sizes(system), (await system.task(task_id)).status) == ([1], "done")
    assert "shared_call" not in system.ledger[0]
    await system.stop()


async def test_projects_tiers_large_tasks_and_callers_who_wait_share_nothing():
    system = await started(slots=8)
    await submitted(system, "mine", project="a")
    await submitted(system, "yours", project="b")
    await submitted(system, "dear", tier="opus")
    await submitted(system, "x" * 51)
    await submitted(system, "now", source="direct")
    await system.advance(5.0)

    assert sizes(system) == [1] * 5
    await system.stop()


async def test_the_classifier_is_asked_for_several_at_once_too():
    system = await System.start(slots=1, config=configured())
    ids = [await system.submit(text) for text in ("one", "two")]
    await system.advance(5.0)

    assert [(call.kind, len(call.parts)) for call in system.worker.calls] == [("classify", 2), ("task", 2)]
    assert await results(system, ids) == [("done", "answer to one"), ("done", "answer to two")]
    assert (await system.task(ids[1])).classification.source == "model"
    await system.stop()


class Forgetful:
    """Answers all but one."""

    def __init__(self, worker, but):
        self._plain, self._but = worker._next, but
        worker._next = self.next

    def next(self, call):
        return each_its_own(call, but=self._but) if call.parts else self._plain(call)


async def test_whose_answer_is_missing_is_asked_alone_and_no_try_is_used_up():
    system = await started()
    Forgetful(system.worker, "two")
    ids = await submitted(system, "one", "two", "three")
    await system.advance(5.0)
    second = await system.task(ids[1])

    assert await results(system, ids) == [("done", f"answer to {text}") for text in ("one", "two", "three")]
    assert sizes(system) == [3, 1]
    assert [(one.outcome, one.shares) for one in second.story] == [("BAD_OUTPUT", 3), ("DONE", 0)]
    assert second.failures == 0
    await system.stop()


async def test_a_call_that_fails_for_what_may_be_in_it_is_made_once_more_for_each():
    system = await started()
    system.worker.script(BadOutput("no JSON"))
    ids = await submitted(system, "one", "two")
    await system.advance(10.0)

    assert sizes(system) == [2, 1, 1]
    assert await results(system, ids) == [("done", "answer to one"), ("done", "answer to two")]
    await system.stop()


async def test_an_overloaded_provider_uses_up_a_try_of_each_and_they_share_again():
    system = await started()
    system.worker.script(Overloaded(529))
    ids = await submitted(system, "one", "two")
    await system.advance(3.0)
    assert [(await system.task(each)).failures for each in ids] == [1, 1]
    await system.advance(600.0)

    assert (sizes(system), [status for status, _ in await results(system, ids)]) == ([2, 2], ["done", "done"])
    await system.stop()


async def test_an_outage_met_by_one_call_is_one_strike_however_many_shared_it():
    system = await started()
    system.worker.script(Unreachable(), Unreachable())
    await submitted(system, *"abcde")
    await system.advance(3.0)

    assert await system.ask(names.DISPATCHER, ReadLimits()) == ()
    await system.stop()


async def test_a_usage_limit_sends_all_of_them_to_wait_and_no_try_is_used_up():
    system = await started()
    reset = system.clock.wall() + 3_600
    system.worker.script(UsageLimited("five_hour", "account", reset))
    ids = await submitted(system, "one", "two")
    await system.advance(3.0)
    tasks = [await system.task(each) for each in ids]
    assert [(task.status.value, task.waiting_for, task.failures) for task in tasks] == [
        ("pending", "limit five_hour", 0)
    ] * 2
    await system.advance(4_000.0)

    assert [status for status, _ in await results(system, ids)] == ["done", "done"]
    await system.stop()


# Stopping


async def test_one_that_is_cancelled_leaves_at_once_and_the_others_bear_the_call():
    system = await started()
    held = system.worker.hold()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)
    await system.ask(names.QUEUE, Cancel(ids[1]))
    assert ((await system.task(ids[1])).status, system.worker.running) == ("cancelled", 1)
    held.outcome = each_its_own(system.worker.calls[0])
    held.release.set()
    await system.quiet()

    assert await results(system, ids) == [("done", "answer to one"), ("cancelled", None), ("done", "answer to three")]
    assert sorted(line["task_id"] for line in system.ledger) == sorted([ids[0], ids[2]])
    assert tokens(system) == (FULL.input_tokens, FULL.output_tokens)
    await system.stop()


async def test_when_all_are_cancelled_the_call_is_stopped_and_what_it_cost_is_booked():
    system = await started()
    system.worker.hold()
    ids = await submitted(system, "one", "two")
    await system.advance(2.0)
    for each in ids:
        await system.ask(names.QUEUE, Cancel(each))

    assert ([status for status, _ in await results(system, ids)], system.worker.running) == (["cancelled"] * 2, 0)
    assert tokens(system) == (CUT_SHORT.input_tokens, 0)
    await system.stop()


async def at_the_grant(passes):
    """A system, three small tasks, and the moment in which they are granted a call, so many passes of the loop on; it is yet to pass."""
    system = await started()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(1.99)
    passing = asyncio.ensure_future(system.clock.advance(0.01))
    for _ in range(passes):
        await asyncio.sleep(0)
    return system, ids, passing


@pytest.mark.parametrize("passes", range(0, 40, 3))
async def test_whenever_one_is_cancelled_nobody_waits_for_it(passes):
    """Also in the very moment in which they are granted a call."""
    system, ids, passing = await at_the_grant(passes)
    cancelling = asyncio.ensure_future(system.runtime.named(names.QUEUE).call(Cancel(ids[1])))
    await passing
    await system.advance(10.0)
    await asyncio.wait([cancelling])

    assert [(await system.task(each)).status for each in (ids[0], ids[2])] == ["done", "done"]
    await system.stop()


async def kill_run(system, task_id):
    (run,) = [one for one in system.runtime.processes.values() if one.label.startswith(f"run {task_id} ")]
    run.exit(KILLED)


@pytest.mark.parametrize("passes", range(0, 40, 3))
async def test_whenever_a_run_is_killed_nobody_waits_for_it(passes):
    system, ids, passing = await at_the_grant(passes)
    if (await system.runtime.named(names.QUEUE).call(Get(ids[1]))).status == "processing":
        await kill_run(system, ids[1])
    await passing
    await system.advance(600.0)

    assert [status for status, _ in await results(system, ids)] == ["done"] * 3
    await system.stop()


async def test_one_that_is_sent_round_again_after_that_is_answered():
    system = await started()
    system.worker.hold()
    ids = await submitted(system, "one", "two")
    await system.advance(2.0)
    for each in ids:
        await system.ask(names.QUEUE, Cancel(each))
    for each in ids:
        await system.ask(names.QUEUE, Retry(each))
    await system.advance(3.0)

    assert [status for status, _ in await results(system, ids)] == ["done", "done"]
    await system.stop()


async def test_an_orderly_end_puts_all_of_them_back_and_books_the_call_once():
    system = await started()
    system.worker.hold()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)

    assert await system.ask(names.DISPATCHER, Drain()) == 3
    assert [status for status, _ in await results(system, ids)] == ["pending"] * 3
    assert tokens(system) == (CUT_SHORT.input_tokens, 0)
    await system.stop()


# Crashes


@pytest.mark.parametrize("name", [names.DISPATCHER, names.QUEUE, names.LEDGER])
async def test_an_actor_that_crashes_under_a_shared_call_loses_no_answer(name):
    system = await started()
    held = system.worker.hold()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)
    await system.crash(name)
    held.outcome = each_its_own(system.worker.calls[0])
    held.release.set()
    await system.advance(120.0)

    assert await results(system, ids) == [("done", f"answer to {text}") for text in ("one", "two", "three")]
    assert sizes(system) == [3]
    assert tokens(system) == (FULL.input_tokens, FULL.output_tokens)
    await system.stop()


async def test_a_restarted_dispatcher_gives_no_slot_away_until_a_shared_call_is_over():
    """It may have been over, and those that shared it be about to begin calls of their own."""
    system = await started(slots=2)
    first, second = system.worker.hold(), system.worker.hold()
    await submitted(system, *"abcde")
    await system.quiet()
    await system.crash(names.DISPATCHER)
    await submitted(system, "later", tier="sonnet")
    await system.advance(3.0)
    assert system.worker.running == 1

    first.outcome = each_its_own(system.worker.calls[0])
    first.release.set()
    await system.quiet()
    assert system.worker.running == 1
    second.release.set()
    await system.advance(3.0)
    assert (len(system.worker.returned), system.worker.peak) == (2, 1)
    await system.stop()


async def test_those_that_shared_a_call_keep_the_slots_of_their_own_over_the_death_of_the_dispatcher():
    system = await started(slots=2)
    queue = system.journals["queue"]
    full = [OSError(errno.ENOSPC, "No space left on device")]
    system.worker.script(Refused("no"))
    await submitted(system, "one", "two")
    system.journals["ledger"].when_durable = lambda: queue.fail_next(full.pop()) if full else None
    await system.advance(2.0)
    assert sizes(system) == [2]  # each of them is to make its call alone, has a slot for it, and cannot begin
    holds = [system.worker.hold() for _ in range(4)]
    await submitted(system, "x" * 1_000, "y" * 1_000)

    await system.crash(names.DISPATCHER)
    await system.advance(10.0)
    for held in holds:
        held.release.set()
    await system.advance(30.0)
    assert (system.worker.peak, len(system.worker.returned)) == (2, 5)
    await system.stop()


async def test_a_slot_that_was_given_stays_taken_when_the_dispatcher_dies_before_the_call_has_begun():
    system = await started()
    queue = system.journals["queue"]
    full = OSError(errno.ENOSPC, "No space left on device")
    queue.when_durable = lambda: queue.fail_next(full) if system.trace[-1][1].get("status") == "processing" else None
    await submitted(system, "one")
    await system.advance(2.0)
    assert system.worker.calls == []  # it has the slot, and the disk does not take that its call begins
    queue.when_durable = lambda: None
    await submitted(system, "two")

    await system.crash(names.DISPATCHER)
    held = system.worker.hold()
    await system.advance(10.0)
    assert system.worker.running == 1

    held.release.set()
    await system.advance(10.0)
    assert (system.worker.peak, len(system.worker.returned)) == (1, 2)
    await system.stop()


async def late(system):
    """Two are to share a call, and the disk does not take that the second begins: the first goes alone. Ends the refusal."""
    queue = system.journals["queue"]
    ids = await submitted(system, "one", "two")
    taken = queue.append

    def append(record):
        if ids[1].encode() in record and b'"call"' in record:
            queue.fail_next(OSError(errno.ENOSPC, "No space left on device"))
        return taken(record)

    queue.append = append
    await system.advance(PATIENCE_S + 10.0)
    return partial(setattr, queue, "append", taken)


async def test_who_comes_too_late_for_a_shared_call_waits_for_a_slot_of_its_own():
    system = await started()
    held = system.worker.hold()
    takes_again = await late(system)
    assert (system.worker.running, sizes(system)) == (1, [1])

    takes_again()
    await system.advance(5.0)
    assert system.worker.running == 1
    held.release.set()
    await system.advance(5.0)
    assert (system.worker.peak, len(system.worker.returned), len(system.ledger)) == (1, 2, 2)
    await system.stop()


async def test_what_such_a_call_meets_counts_as_that_of_any_other():
    system = await started()
    takes_again = await late(system)
    system.worker.script(*[UsageLimited("five_hour", "account", system.clock.wall() + 3_600.0)] * 2)
    takes_again()
    await system.advance(5.0)

    assert sizes(system) == [1, 1]
    assert [limit.limit for limit in await system.ask(names.DISPATCHER, ReadLimits())] == ["five_hour"]
    await system.stop()


async def test_a_call_cut_off_by_a_power_cut_is_one_call_of_unknown_cost_and_each_task_runs_alone_then():
    system = await started()
    system.worker.hold()
    ids = await submitted(system, "one", "two", "three")
    await system.advance(2.0)
    disk = system.on_disk()
    again = await System.start(slots=1, config=configured(), disk=disk, classifies=False)
    await again.advance(600.0)
    totals = await again.ask(names.LEDGER, ReadTotals())

    assert [status for status, _ in await results(again, ids)] == ["done"] * 3
    assert sizes(again) == [1, 1, 1]
    assert [line["error_code"] for line in again.ledger] == ["INTERRUPTED"] * 3 + [None] * 3
    assert (totals.total.calls, totals.total.unknown_calls) == (4, 1)
    await again.stop()
    await system.stop()


async def test_a_bug_of_the_worker_fails_each_of_them_and_frees_the_slot():
    system = await started()
    system.worker.script(RuntimeError("boom"))
    ids = await submitted(system, "one", "two")
    await system.advance(3.0)
    (later,) = await submitted(system, "three")
    await system.advance(3.0)

    assert [(await system.task(each)).failure.code for each in ids] == ["INTERNAL"] * 2
    assert (await system.task(later)).status == "done"
    await system.stop()


# Money and order


async def test_a_budget_in_calls_counts_it_once():
    budget = Budget(name="daily", period="day", limit_calls=6)
    system = await started(budgets=(budget,))
    await submitted(system, *"abcde")
    await system.advance(3.0)
    await submitted(system, *"fghij")
    await system.advance(3.0)

    assert sizes(system) == [5, 5]
    await system.stop()


async def test_who_is_over_its_budget_is_not_waited_for_and_comes_when_there_is_room_again():
    budget = Budget(name="daily", period="day", limit_calls=3)
    system = await started(budgets=(budget,))
    ids = await submitted(system, *"abcde")
    await system.advance(3.0)

    assert sizes(system) == [3, 2]  # while three are reserved, two wait; settled, the three are one call
    assert [status for status, _ in await results(system, ids)] == ["done"] * 5
    await system.stop()


async def test_company_never_keeps_a_task_of_its_own_from_a_free_slot():
    system = await started(slots=2)
    held = system.worker.hold()
    await submitted(system, *"abcde")
    await system.quiet()
    (urgent,) = await submitted(system, "x" * 51)
    await system.quiet()

    assert (await system.task(urgent)).status == "done"
    held.outcome = each_its_own(system.worker.calls[0])
    held.release.set()
    await settle()
    await system.stop()
