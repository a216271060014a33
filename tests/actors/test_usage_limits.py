"""Limits of the provider: tasks wait without being used up, and one probe goes first when the limit ends."""

import asyncio

import pytest

from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits, Wake
from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    Overloaded,
    TimedOut,
    TooLong,
    Unreachable,
    UsageLimited,
)

HOUR_S = 3_600.0


def five_hours(system, in_s=HOUR_S):
    """The account's limit, told to end `in_s` seconds from now."""
    return UsageLimited("five_hour", "account", system.clock.wall() + in_s)


async def limits(system):
    return await system.ask(names.DISPATCHER, ReadLimits())


async def test_a_task_that_meets_a_limit_waits_and_is_not_used_up(system):
    system.worker.script(five_hours(system))
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.failures, task.waiting_for) == ("pending", 0, "limit five_hour")
    assert HOUR_S <= task.not_before - system.clock.wall() <= HOUR_S + 5.0


async def test_a_limit_is_on_disk_with_its_end_and_its_jitter(system):
    system.worker.script(five_hours(system))
    await system.submit(force_tier="haiku")
    (line,) = system.lines("limits")
    assert (line["worker"], line["limit"], line["resets_at"]) == ("claude", "five_hour", system.clock.wall() + HOUR_S)
    assert line["resets_at"] < line["opens_at"] <= line["resets_at"] + 5.0


async def test_nothing_is_sent_while_the_account_is_limited(system):
    system.worker.script(five_hours(system))
    waiting = [await system.submit(force_tier="haiku") for _ in range(4)]
    await system.advance(HOUR_S - 1.0)
    assert len(system.worker.calls) == 1
    await system.advance(10.0)
    assert [(await system.task(task_id)).status for task_id in waiting] == ["done"] * 4
    assert await limits(system) == ()


async def test_after_a_limit_one_probe_goes_first_and_its_success_lets_the_rest_go(start):
    system = await start(slots=3)
    system.worker.script(five_hours(system))
    for _ in range(3):
        await system.submit(force_tier="haiku")
    probe = system.worker.hold()
    others = [system.worker.hold() for _ in range(2)]
    await system.advance(HOUR_S + 5.0)
    assert system.worker.running == 1
    probe.release.set()
    await system.quiet()
    assert system.worker.running == 2
    for each in others:
        each.release.set()
    await system.quiet()
    assert len(system.worker.calls) == 4


async def test_a_limit_that_outlasts_its_end_closes_again(start):
    system = await start(slots=3)
    system.worker.script(five_hours(system))
    ids = [await system.submit(force_tier="haiku") for _ in range(3)]
    system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + 2 * HOUR_S))
    await system.advance(HOUR_S + 5.0)
    assert len(system.worker.calls) == 2
    assert [(await system.task(task_id)).status for task_id in ids] == ["pending"] * 3
    await system.advance(HOUR_S)
    assert [(await system.task(task_id)).failures for task_id in ids] == [0, 0, 0]
    assert len(system.worker.calls) == 5


async def test_a_call_sent_before_the_limit_does_not_lift_it_by_succeeding(start):
    system = await start(slots=2)
    early = system.worker.hold()
    await system.submit("early", force_tier="haiku")
    system.worker.script(five_hours(system))
    await system.submit("late", force_tier="haiku")
    early.release.set()
    await system.quiet()
    assert [limit.limit for limit in await limits(system)] == ["five_hour"]
    await system.submit("later", force_tier="haiku")
    assert len(system.worker.calls) == 2


async def test_a_probe_that_never_reached_the_provider_is_followed_by_another(start):
    system = await start(slots=2)
    system.worker.script(five_hours(system))
    for _ in range(2):
        await system.submit(force_tier="haiku")
    system.worker.script(Unreachable(), Overloaded(529))
    last = system.worker.hold()
    await system.advance(HOUR_S + 5.0)
    assert (system.worker.peak, len(system.worker.calls)) == (1, 4)
    last.release.set()
    await system.advance(60.0)
    assert await limits(system) == ()


@pytest.mark.parametrize("untelling", [TimedOut("wall", 600.0), BadRequest("made by ourselves"), BadOutput()])
async def test_a_probe_that_proved_nothing_leaves_the_limit_in_force_for_the_others(start, untelling):
    system = await start(slots=3)
    system.worker.script(five_hours(system))
    for _ in range(3):
        await system.submit(force_tier="opus")
    system.worker.script(untelling)
    probe = system.worker.hold()
    await system.advance(HOUR_S + 5.0)
    assert (system.worker.running, [limit.limit for limit in await limits(system)]) == (1, ["five_hour"])
    probe.release.set()
    await system.advance(60.0)
    assert await limits(system) == ()


async def test_a_limit_of_one_model_sends_the_task_to_the_next_in_the_same_run(system):
    system.worker.script(UsageLimited("seven_day_sonnet", "model", system.clock.wall() + HOUR_S), tier="sonnet")
    task = await system.task(await system.submit(force_tier="sonnet"))
    assert (task.status, task.answer.tier, task.lease, task.attempt, task.failures) == ("done", "opus", 1, 2, 0)
    assert [(line["tier"], line["attempt"], line["error_code"]) for line in system.ledger] == [
        ("sonnet", 1, "USAGE_LIMITED"),
        ("opus", 2, None),
    ]


async def test_a_limit_that_does_not_say_when_it_ends_is_tried_again_after_a_while(system):
    system.worker.script(UsageLimited("five_hour", "account"))
    task_id = await system.submit(force_tier="haiku")
    await system.advance(899.0)
    assert (await system.task(task_id)).status == "pending"
    await system.advance(10.0)
    assert (await system.task(task_id)).status == "done"


async def test_a_task_that_meets_the_limit_while_it_is_classified_waits_unclassified(system):
    system.worker.script(five_hours(system), kind="classify")
    task_id = await system.submit()
    task = await system.task(task_id)
    assert (task.status, task.classification, task.failures) == ("pending", None, 0)
    await system.advance(HOUR_S + 10.0)
    assert (await system.task(task_id)).status == "done"
    assert system.worker.trail == ["classify haiku", "classify haiku", "task haiku"]
    assert len(system.ledger) == 3


async def test_rules_decide_while_the_classifier_alone_is_limited(system):
    system.worker.script(UsageLimited("seven_day_haiku", "model", system.clock.wall() + HOUR_S), kind="classify")
    first, second = [await system.task(await system.submit("What is the capital of France?")) for _ in range(2)]
    assert [task.classification.source for task in (first, second)] == ["heuristic", "heuristic"]
    assert system.worker.trail == ["classify haiku", "task sonnet", "task sonnet"]


async def test_two_classifications_of_one_run_are_both_in_the_ledger(system):
    """The limit that met the first is lifted by hand before the run has looked for a lane again."""
    noted = asyncio.Event()
    system.journals["limits"].when_durable = noted.set

    async def wake_once():
        await noted.wait()
        return await system.runtime.named(names.DISPATCHER).call(Wake())

    woken = asyncio.ensure_future(wake_once())
    system.worker.script(five_hours(system), kind="classify")
    task_id = await system.submit()
    await woken
    assert system.worker.trail == ["classify haiku", "classify haiku", "task haiku"]
    assert [(line["kind"], line["attempt"]) for line in system.ledger] == [
        ("classify", 1),
        ("classify", 2),
        ("task", 2),
    ]
    assert (await system.task(task_id)).lease == 1


async def test_a_floor_found_by_a_try_is_kept_over_a_wait_for_a_closed_tier(start):
    """Sonnet was too small and Opus is closed already: after the wait the task goes to Opus, not to Sonnet again."""
    system = await start(slots=1)
    system.worker.script(UsageLimited("seven_day_opus", "model", system.clock.wall() + HOUR_S), tier="opus")
    await system.submit("closes opus", force_tier="opus")
    system.worker.script(TooLong(), tier="sonnet")
    task_id = await system.submit(force_tier="sonnet")
    assert (await system.task(task_id)).tier_floor == "opus"
    await system.advance(HOUR_S + 10.0)
    assert (await system.task(task_id)).answer.tier == "opus"
    assert system.worker.trail.count("task sonnet") == 1


async def test_a_probe_that_meets_another_limit_does_not_keep_the_first_half_open_for_good(system):
    system.worker.script(five_hours(system, 60.0))
    task_id = await system.submit(force_tier="sonnet")
    system.worker.script(UsageLimited("seven_day_sonnet", "model", system.clock.wall() + 9 * HOUR_S), tier="sonnet")
    await system.advance(70.0)
    assert (await system.task(task_id)).answer.tier == "opus"


async def test_a_task_that_is_due_while_nobody_can_run_it_costs_nothing_until_somebody_can(start):
    system = await start(slots=1)
    system.worker.script(Overloaded(529))
    waiting = await system.submit(force_tier="haiku")
    held = system.worker.hold()
    await system.submit(force_tier="haiku")
    await system.advance(2.0)
    before = system.process(names.QUEUE).reductions
    await system.advance(60.0)
    assert system.process(names.QUEUE).reductions - before < 10
    held.release.set()
    await system.quiet()
    assert (await system.task(waiting)).status == "done"


async def test_a_tier_found_too_small_is_not_tried_again_after_a_wait(system):
    system.worker.script(TooLong(), tier="sonnet")
    system.worker.script(UsageLimited("seven_day_opus", "model", system.clock.wall() + HOUR_S), tier="opus")
    task_id = await system.submit(force_tier="sonnet")
    assert (await system.task(task_id)).status == "pending"
    await system.advance(HOUR_S + 10.0)
    assert (await system.task(task_id)).answer.tier == "opus"
    assert system.worker.trail == ["task sonnet", "task opus", "task opus"]
