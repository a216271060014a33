"""Budgets in a running tree: tasks that wait or are refused, alerts that are given once, money that a crash does not free."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.ledger import ReadBudgets
from symbiont.config.schema import Config, Endpoint, Webhooks
from symbiont.domain.budget import LOOK_AGAIN_S, Budget
from symbiont.domain.outcome import NotStarted
from symbiont.ports import SyncFailed

DAY_S = 86_400.0
CALL_USD = 0.0002
"""What a call of the worker's twin costs on haiku."""


def config(**changes: object) -> Config:
    return Config(budgets=(Budget(**{"name": "daily", "period": "day"} | changes),))


async def use(system):
    (only,) = await system.ask(names.LEDGER, ReadBudgets())
    return only


async def test_a_queued_task_over_budget_waits_until_the_period_ends_and_then_runs(start):
    system = await start(config=config(limit_calls=1))
    first, second = [await system.submit(force_tier="haiku") for _ in range(2)]
    waiting = await system.task(second)
    assert ((await system.task(first)).status, waiting.status, waiting.waiting_for) == (
        "done",
        "pending",
        "budget daily",
    )
    assert (waiting.not_before % DAY_S, waiting.failures, len(system.worker.calls)) == (0.0, 0, 1)
    await system.advance(DAY_S)
    assert (await system.task(second)).status == "done"


async def test_a_direct_task_over_budget_is_told_so_at_once(start):
    system = await start(config=config(limit_calls=1))
    await system.submit(force_tier="haiku")
    task = await system.task(await system.submit(force_tier="haiku", source="direct"))
    assert (task.status, task.failure.code) == ("failed", "BUDGET_EXCEEDED")
    assert task.failure.detail.startswith("budget daily: 1 of 1 calls made; it begins anew at 2027-")


async def test_a_budget_that_refuses_fails_queued_tasks_too(start):
    system = await start(config=config(limit_calls=0, on_limit="refuse"))
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.failure.code, system.worker.calls) == ("failed", "BUDGET_EXCEEDED", [])


async def test_calls_at_the_same_time_do_not_get_past_a_limit_in_calls(start):
    system = await start(slots=8, config=config(limit_calls=3))
    held = [system.worker.hold() for _ in range(8)]
    for _ in range(8):
        await system.submit(force_tier="haiku")
    assert system.worker.running == 3
    for one in held:
        one.release.set()
    await system.advance(LOOK_AGAIN_S)
    assert len(system.ledger) == 3


async def test_calls_at_the_same_time_reserve_what_they_may_cost(start):
    system = await start(slots=8, config=config(limit_usd=0.01))
    held = [system.worker.hold() for _ in range(8)]
    ids = [await system.submit(force_tier="haiku") for _ in range(8)]
    assert system.worker.running == 2
    assert (await use(system)).reserved_nanos > 0.01e9
    for one in held:
        one.release.set()
    await system.quiet()
    # what they cost is far less than what they had reserved: the others are told, and go on at once
    assert {(await system.task(one)).status for one in ids} == {"done"}
    assert ((await use(system)).reserved_nanos, len(system.ledger)) == (0, 8)


async def test_a_call_that_was_not_made_gives_back_what_it_reserved(start):
    system = await start(config=config(limit_calls=1))
    system.worker.script(NotStarted("no descriptor left"))
    task_id = await system.submit(force_tier="haiku")
    assert ((await use(system)).reserved_calls, (await use(system)).used.calls) == (0, 0)
    await system.advance(60.0)
    assert (await system.task(task_id)).status == "done"


async def test_a_run_that_crashes_gives_back_what_it_reserved_and_its_call_counts(start):
    system = await start(config=config(limit_usd=1.0))
    system.worker.script(RuntimeError("a bug"))
    await system.submit(force_tier="haiku")
    found = await use(system)
    (line,) = system.ledger
    assert (found.reserved_calls, found.used.calls, found.used.unknown_calls) == (0, 1, 1)
    assert found.used.charged_nanos == round(line["upper_bound_usd"] * 1e9) > 0


async def test_classifying_counts_and_is_not_begun_over_budget(start):
    system = await start(config=config(limit_calls=1))
    first = await system.task(await system.submit())
    assert (first.waiting_for, system.worker.trail) == ("budget daily", ["classify haiku"])
    second = await system.task(await system.submit())
    assert (second.waiting_for, second.classification, len(system.worker.calls)) == ("budget daily", None, 1)


async def test_rules_classify_where_only_the_classifiers_tier_is_over_its_budget(start):
    system = await start(config=config(scope="tier", of="haiku", limit_calls=0))
    task = await system.task(await system.submit("Write a detailed analysis of our architecture and strategy"))
    assert (task.classification.source, "classify haiku" in system.worker.trail) == ("heuristic", False)


async def test_a_budget_of_a_project_holds_back_its_tasks_alone(start):
    system = await start(config=config(scope="project", of="shop", limit_calls=0))
    shop = await system.submit(force_tier="haiku", project="shop")
    web = await system.submit(force_tier="haiku", project="web")
    assert [(await system.task(one)).status for one in (shop, web)] == ["pending", "done"]


async def test_a_raised_limit_wakes_those_that_wait_for_it(start):
    before = await start(config=config(limit_calls=0))
    task_id = await before.submit(force_tier="haiku")
    after = await start(config=config(limit_calls=5), disk=before.on_disk(), clock=VirtualClock())
    assert (await after.task(task_id)).status == "done"


async def test_what_was_spent_counts_after_a_restart(start):
    before = await start(config=config(limit_calls=1))
    await before.submit(force_tier="haiku")
    after = await start(config=config(limit_calls=1), disk=before.on_disk())
    task = await after.task(await after.submit(force_tier="haiku"))
    assert task.waiting_for == "budget daily"


async def test_a_call_cut_off_by_a_kill_counts_with_what_it_had_reserved(start):
    killed = await start(config=config(limit_usd=0.005))
    killed.worker.hold()
    await killed.submit(force_tier="haiku")
    reserved = (await use(killed)).reserved_nanos
    later = await start(config=config(limit_usd=0.005), disk=killed.on_disk(), source="direct")
    found = await use(later)
    assert (found.used.unknown_calls, found.used.charged_nanos, found.state) == (1, reserved, "used_up")
    task = await later.task(await later.submit(force_tier="haiku", source="direct"))
    assert task.failure.code == "BUDGET_EXCEEDED"


# Alerts


def alerts(logs) -> list[tuple[str, str]]:
    return [(one["event"], one["id"]) for one in logs if one["event"] in {"budget_alert", "budget_used_up"}]


async def test_alerts_are_given_once_on_the_way_up(start):
    system = await start(config=config(limit_calls=5))
    with capture_logs() as logs:
        for _ in range(7):
            await system.submit(force_tier="haiku")
    day = (await use(system)).period
    assert alerts(logs) == [("budget_alert", f"daily//{day}/80"), ("budget_used_up", f"daily//{day}/100")]


async def test_alerts_are_not_repeated_after_a_restart_and_are_given_anew_in_the_next_period(start):
    before = await start(config=config(limit_calls=1))
    await before.submit(force_tier="haiku")
    with capture_logs() as logs:
        after = await start(config=config(limit_calls=1), disk=before.on_disk())
        await after.advance(60.0)
        assert alerts(logs) == []
        await after.advance(DAY_S)
        await after.submit(force_tier="haiku")
    assert [event for event, _ in alerts(logs)] == ["budget_alert", "budget_used_up"]


async def test_an_alert_that_a_kill_cut_off_is_given_after_the_start(start):
    before = await start(config=config(limit_calls=1))
    await before.submit(force_tier="haiku")
    with capture_logs() as logs:
        after = await start(config=config(limit_calls=1), disk=before.on_disk() | {"budgets": ()})
        await after.advance(60.0)
    assert [event for event, _ in alerts(logs)] == ["budget_alert", "budget_used_up"]


async def test_a_full_disk_does_not_keep_an_alert_back(start):
    system = await start(config=config(limit_calls=1))
    system.journals["budgets"].fail_next(OSError(28, "No space left on device"))
    with capture_logs() as logs:
        await system.submit(force_tier="haiku")
    assert [event for event, _ in alerts(logs)] == ["budget_alert", "budget_used_up"]
    assert (await use(system)).used.calls == 1


async def test_a_sync_that_failed_under_the_alerts_restarts_the_ledger(start):
    system = await start(config=config(limit_calls=1))
    old = system.process(names.LEDGER)
    system.journals["budgets"].fail_next(SyncFailed("lost"))
    await system.submit(force_tier="haiku")
    assert not old.alive


@pytest.mark.parametrize("passes", range(0, 40, 4))
async def test_a_ledger_that_dies_at_any_moment_lets_no_call_past_what_was_spent(start, passes):
    system = await start(slots=4, config=config(limit_calls=4))
    ids = [asyncio.ensure_future(system.submit(force_tier="haiku")) for _ in range(6)]
    for _ in range(passes):
        await asyncio.sleep(0)
    await system.crash(names.LEDGER)
    await asyncio.gather(*ids)
    await system.advance(LOOK_AGAIN_S)
    found = await use(system)
    assert (found.used.calls, found.reserved_calls) == (len(system.ledger), 0)
    assert 4 <= len(system.ledger) <= 4 + 4  # what was under way in that moment, and no more


# Alerts, told to others

LISTENING = Webhooks(endpoints=(Endpoint("ops", "https://example.com/hook", secret_env="SECRET"),))


def of_limits(system) -> list[tuple[str, object, object]]:
    """What endpoints have heard of limits: the event, what is used, what is allowed."""
    heard = [json.loads(notice.body) for notice in system.endpoints.heard]
    limits = [each for each in heard if each["type"].startswith("limit.")]
    return [(each["type"], each["data"]["used"], each["data"]["allowed"]) for each in limits]


async def test_endpoints_hear_of_a_limit_that_comes_near_and_that_is_reached(start):
    budgets = config(limit_calls=5, limit_usd=1_000.0).budgets
    system = await start(config=Config(budgets=budgets, webhooks=LISTENING))
    for _ in range(7):
        await system.submit(force_tier="haiku")
    await system.advance(60.0)
    assert of_limits(system) == [("limit.warning", 4, 5), ("limit.reached", 5, 5)]


async def test_limits_that_stand_are_not_told_again_however_many_there_are(start, monkeypatch):
    monkeypatch.setattr("symbiont.domain.outbox.MOST_NOTICES", 2)
    budgets = tuple(Budget(name=f"budget-{n}", period="day", limit_calls=1) for n in range(3))
    system = await start(config=Config(budgets=budgets, webhooks=LISTENING))
    await system.submit(force_tier="haiku")
    await system.advance(60.0)
    told = len(of_limits(system))
    await system.advance(600.0)

    assert len(of_limits(system)) == told == 6


async def test_a_notice_that_a_crash_took_along_is_given_by_the_next_start(start):
    whole = Config(budgets=config(limit_calls=1).budgets, webhooks=LISTENING)
    before = await start(config=Config(budgets=whole.budgets))
    await before.submit(force_tier="haiku")
    after = await start(config=whole, disk=before.on_disk())
    await after.advance(60.0)
    assert {event for event, _, _ in of_limits(after)} == {"limit.warning", "limit.reached"}


async def test_a_budget_of_each_project_is_also_that_of_all_tasks_without_one_and_says_so(start):
    system = await start(config=config(limit_calls=0, scope="project", on_limit="refuse"))
    task = await system.task(await system.submit(force_tier="haiku"))

    assert task.failure.detail.startswith("budget daily (no project): 0 of 0 calls made")
