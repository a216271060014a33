"""Trouble that no task is to blame for: the worker is out of order, tasks wait unharmed, and who waits for an answer hears why."""

import pytest

from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits, Wake
from symbiont.config.schema import Config, Limits
from symbiont.domain.outcome import (
    CliMissing,
    NoCredit,
    NotStarted,
    Overloaded,
    Unauthorised,
    Unreachable,
    UsageLimited,
)

MENDED_BY_PEOPLE = [Unauthorised("bad key"), NoCredit("no money"), CliMissing("no claude on PATH")]
OUTAGES = [Unreachable("refused"), Overloaded(529, "busy"), NotStarted("no descriptor left")]


def code(outcome):
    return type(outcome).__name__


async def limits(system):
    return [limit.limit for limit in await system.ask(names.DISPATCHER, ReadLimits())]


async def statuses(system, ids):
    return {(await system.task(task_id)).status for task_id in ids}


@pytest.mark.parametrize("outcome", MENDED_BY_PEOPLE + OUTAGES, ids=code)
async def test_an_outage_of_ten_minutes_costs_a_queue_nothing_but_time(system, outcome):
    system.worker.otherwise = outcome
    ids = [await system.submit(force_tier="haiku") for _ in range(50)]
    await system.advance(600.0)
    assert await statuses(system, ids) == {"pending"}
    assert len(system.worker.calls) <= 9
    system.worker.otherwise = None
    await system.advance(1_000.0)
    assert await statuses(system, ids) == {"done"}


async def test_an_outage_uses_up_no_try_once_the_worker_is_out_of_order(system):
    system.worker.otherwise = Unreachable()
    task_id = await system.submit(force_tier="haiku")
    await system.advance(86_400.0)
    task = await system.task(task_id)
    assert (task.status, task.failures, task.waiting_for) == ("pending", 2, "pause after outage")


@pytest.mark.parametrize("outcome", [CliMissing(), NotStarted()], ids=code)
async def test_a_call_that_never_started_is_not_booked(system, outcome):
    system.worker.script(outcome)
    await system.submit(force_tier="haiku")
    await system.advance(100.0)
    assert [(line["success"], line["attempt"]) for line in system.ledger] == [(True, 2)]


async def test_the_pause_grows_while_nobody_mends_it(start):
    system = await start(config=Config(limits=Limits(wake_jitter_s=0.0)))
    system.worker.otherwise = Unauthorised()
    await system.submit(force_tier="haiku")
    seen = []
    for _ in range(3):
        (limit,) = await system.ask(names.DISPATCHER, ReadLimits())
        seen.append(limit.opens_at - system.clock.wall())
        await system.advance(seen[-1] + 2.0)
    assert seen == [60.0, 120.0, 240.0]


@pytest.mark.parametrize("outcome", MENDED_BY_PEOPLE, ids=code)
async def test_waking_by_hand_ends_it_at_once(system, outcome):
    system.worker.script(outcome)
    task_id = await system.submit(force_tier="haiku")
    assert (await system.task(task_id)).status == "pending"
    await system.ask(names.DISPATCHER, Wake())
    assert ((await system.task(task_id)).status, await limits(system)) == ("done", [])


async def test_when_it_ends_one_task_goes_first(start):
    system = await start(slots=3)
    system.worker.script(Unauthorised())
    for _ in range(4):
        await system.submit(force_tier="haiku")
    probe = system.worker.hold()
    await system.advance(66.0)
    assert system.worker.running == 1
    probe.release.set()
    await system.advance(5.0)
    assert len(system.worker.returned) == 5


async def test_a_restart_is_a_new_chance(start):
    first = await start()
    first.worker.otherwise = Unauthorised()
    task_id = await first.submit(force_tier="haiku")
    later = await start(disk=first.on_disk())
    await later.advance(70.0)
    assert ((await later.task(task_id)).status, later.lines("limits")) == ("done", [])
    assert (await later.task(await later.submit(force_tier="haiku"))).status == "done"


async def test_successes_in_between_keep_a_worker_in_order(system):
    for _ in range(4):
        system.worker.script(Overloaded(529), Overloaded(529))
        await system.submit(force_tier="haiku")
        await system.advance(10.0)
    assert await limits(system) == []


async def test_a_task_the_provider_stumbles_over_does_not_keep_the_others_waiting(system):
    """It is the oldest and would be every probe."""
    system.worker.script(*[Overloaded(500)] * 3)
    poison = await system.submit("poison", force_tier="haiku")
    await system.advance(10.0)
    assert await limits(system) == ["outage"]
    other = await system.submit("harmless", force_tier="haiku")
    await system.advance(66.0)
    assert [call.prompt for call in system.worker.calls[3:]] == ["harmless", "poison"]
    assert await statuses(system, [poison, other]) == {"done"}


# Somebody waits for the answer


@pytest.mark.parametrize("outcome", MENDED_BY_PEOPLE, ids=code)
async def test_a_caller_who_waits_hears_of_it_in_the_words_of_the_call(system, outcome):
    system.worker.script(outcome)
    task = await system.task(await system.submit(force_tier="haiku", source="direct"))
    assert (task.status, task.failure.detail) == ("failed", outcome.detail)


async def test_a_caller_who_waits_hears_of_it_also_when_the_classification_met_it(system):
    system.worker.script(CliMissing("no claude on PATH"), kind="classify")
    task = await system.task(await system.submit(source="direct"))
    assert (task.status, task.failure.code, task.failure.detail) == ("failed", "CLI_MISSING", "no claude on PATH")


async def test_whoever_comes_while_the_worker_is_out_of_order_is_told_so_without_a_call(system):
    system.worker.script(Unauthorised("bad key"))
    queued = await system.submit(force_tier="haiku")
    direct = await system.task(await system.submit(source="direct"))
    assert (direct.status, direct.failure.code) == ("failed", "UNAUTHORISED")
    assert "symbiont wake" in direct.failure.detail
    assert (await statuses(system, [queued]), len(system.worker.calls)) == ({"pending"}, 1)


async def test_one_who_runs_nothing_but_tasks_of_callers_tells_them_too(start):
    system = await start(source="direct")
    system.worker.script(Unauthorised("bad key"))
    first, second = [await system.task(await system.submit(source="direct")) for _ in range(2)]
    assert (first.failure.code, second.failure.code) == ("UNAUTHORISED", "UNAUTHORISED")


async def test_a_caller_who_waits_is_told_of_an_outage_when_tries_have_shown_it(system):
    system.worker.otherwise = Unreachable("refused")
    task_id = await system.submit(force_tier="haiku", source="direct")
    await system.advance(10.0)
    task = await system.task(task_id)
    assert (task.status, task.failure.code, task.failure.detail) == ("failed", "UNREACHABLE", "refused")


async def test_a_caller_still_waits_for_a_limit_of_the_provider(system):
    system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + 60.0))
    task_id = await system.submit(force_tier="haiku", source="direct")
    assert (await system.task(task_id)).status == "pending"
    await system.advance(70.0)
    assert (await system.task(task_id)).status == "done"


async def test_a_task_that_waits_unclassified_is_classified_by_a_model_when_the_outage_is_over(system):
    system.worker.otherwise = Unreachable()
    ids = [await system.submit() for _ in range(5)]
    await system.advance(30.0)
    system.worker.otherwise = None
    await system.advance(300.0)
    assert await statuses(system, ids) == {"done"}
    last = await system.task(ids[-1])
    assert last.classification.source == "model"
