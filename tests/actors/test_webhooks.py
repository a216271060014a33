"""Endpoints hear how tasks ended: who hears what, when it is tried again, what happens to one that does not answer."""

import asyncio
import errno

import pytest

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.queue_messages import Cancel, Retry
from symbiont.actors.webhook_messages import (
    EnableWebhook,
    LimitNotice,
    NoSuchDelivery,
    NoSuchWebhook,
    NotRetried,
    ReadDeliveries,
    ReadWebhooks,
    RetryDelivery,
    SendTest,
    TooManyTests,
)
from symbiont.config.schema import Config, Dispatch, Endpoint, Webhooks
from symbiont.domain.outcome import NoCredit, RateLimited, Refused, UsageLimited
from symbiont.domain.redelivery import Told
from symbiont.domain.webhook import LimitReached
from tests.actors.endpoint_twin import said

DOWN = Told(503)
LONG_S = 3 * 3_600.0


def endpoint(name="ops", **more) -> Endpoint:
    return Endpoint(name, "https://example.com/hook", secret_env="SECRET", **more)


def told_to(*endpoints: Endpoint, **more) -> Config:
    return Config(webhooks=Webhooks(endpoints=endpoints or (endpoint(),), **more), dispatch=Dispatch(max_attempts=1))


def a_limit(level="warning", **more) -> LimitReached:
    return LimitReached(level, "daily", "2026-11-25", 8.0, 10.0, "usd", "2026-11-25T10:00:00Z", **more)


@pytest.fixture
async def system(start):
    return await start(config=told_to())


async def state(system, name="ops"):
    return next(one for one in await system.ask(names.WEBHOOKS, ReadWebhooks()) if one.hook.name == name)


async def deliveries(system, **filters):
    return (await system.ask(names.WEBHOOKS, ReadDeliveries(50, **filters))).deliveries


# Who hears what


async def test_an_endpoint_hears_that_a_task_is_done(system):
    task_id = await system.submit()
    await system.quiet()
    (notice,) = system.endpoints.came
    assert (notice.endpoint, said(notice)["type"], said(notice)["data"]["id"]) == ("ops", "task.done", task_id)
    assert [one.state for one in await deliveries(system)] == ["delivered"]


async def test_an_endpoint_hears_that_a_task_has_failed_and_why(system):
    system.worker.script(Refused("no"))
    await system.submit()
    await system.quiet()
    heard = said(system.endpoints.heard[0])
    assert (heard["type"], heard["data"]["error_code"]) == ("task.failed", "REFUSED")


async def test_an_endpoint_hears_that_a_task_was_cancelled(start):
    system = await start(slots=0, config=told_to())
    await system.ask(names.QUEUE, Cancel(await system.submit()))
    await system.quiet()
    assert [said(notice)["type"] for notice in system.endpoints.heard] == ["task.cancelled"]


async def test_neither_prompt_nor_answer_leaves_unless_the_endpoint_asks(start):
    system = await start(config=told_to(endpoint("plain"), endpoint("all", include_result=True)))
    await system.submit("the secret plan")
    await system.quiet()
    plain, whole = sorted(system.endpoints.heard, key=lambda notice: notice.endpoint != "plain")
    assert b"secret plan" not in plain.body
    assert said(whole)["data"]["task"] == "the secret plan"
    assert said(whole)["data"]["result"] == "answer to the secret plan"


async def test_an_endpoint_hears_only_the_events_and_projects_it_names(start):
    system = await start(config=told_to(endpoint(events=("task.failed",), projects=("billing",))))
    system.worker.script(Refused("no"), Refused("no"))
    await system.submit(project="billing", force_tier="haiku")
    await system.quiet()
    await system.submit(project="other", force_tier="haiku")
    await system.quiet()
    await system.submit(project="billing", force_tier="haiku")
    await system.advance(60.0)
    assert [said(notice)["data"]["project"] for notice in system.endpoints.heard] == ["billing"]


async def test_a_task_that_brings_an_address_has_it_told(start):
    system = await start(config=told_to(allow_task_urls=True))
    await system.submit(webhook_url="https://example.org/back")
    await system.submit()
    await system.advance(1.0)
    assert [(n.endpoint, n.url) for n in system.endpoints.heard if n.url] == [("task", "https://example.org/back")]
    assert len(system.endpoints.heard) == 3


async def test_a_task_that_ends_twice_is_told_twice_under_two_ids(system):
    system.worker.script(Refused("no"), Refused("no"))
    task_id = await system.submit(force_tier="haiku")
    await system.quiet()
    await system.ask(names.QUEUE, Retry(task_id))
    await system.quiet()
    assert [said(notice)["type"] for notice in system.endpoints.heard] == ["task.failed", "task.failed"]
    assert len({notice.message_id for notice in system.endpoints.heard}) == 2


async def test_a_limit_of_a_provider_is_told_once_however_many_tasks_meet_it(system):
    reset = system.clock.wall() + 3_600.0
    system.worker.script(*[UsageLimited("five_hour", "account", reset)] * 2)
    for _ in range(3):
        await system.submit(force_tier="haiku")
    await system.advance(60.0)
    (notice,) = [said(each) for each in system.endpoints.heard]

    assert notice["type"] == "limit.reached"
    assert notice["data"] == {
        "limit": "five_hour",
        "worker": "claude",
        "resets_at": "2027-01-15T09:00:00Z",
        "tier": "",
        "project": "",
    }


async def test_a_limit_that_outlasts_its_end_is_the_same_one_and_the_next_is_another(system):
    system.worker.script(*[NoCredit()] * 3)
    await system.submit(force_tier="haiku")
    await system.advance(LONG_S)
    assert len([each for each in system.endpoints.heard if said(each)["type"] == "limit.reached"]) == 1

    system.worker.script(NoCredit())
    await system.submit(force_tier="haiku")
    await system.advance(LONG_S)
    assert len([each for each in system.endpoints.heard if said(each)["type"] == "limit.reached"]) == 2


def limits_heard(system):
    return [said(each)["data"] for each in system.endpoints.heard if said(each)["type"].startswith("limit.")]


async def test_a_limit_that_is_met_again_hours_after_its_end_is_another(system):
    heard = []
    for pause_s in (0.0, 300.0, LONG_S):
        await system.advance(pause_s)
        system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + 60.0))
        await system.ask(names.QUEUE, Cancel(await system.submit(force_tier="haiku")))
        heard.append(len(limits_heard(system)))
    assert heard == [1, 1, 2]


async def test_a_notice_of_a_limit_that_a_kill_took_along_is_given_by_the_next_start(start):
    before = await start(config=Config())
    before.worker.script(UsageLimited("five_hour", "account", before.clock.wall() + 3_600.0))
    await before.submit(force_tier="haiku")
    disk = before.on_disk()
    heard = []
    for _ in range(2):
        after = await start(config=told_to(), disk=disk)
        await after.advance(60.0)
        heard.append([limit["limit"] for limit in limits_heard(after)])
        disk = after.on_disk()
    assert heard == [["five_hour"], []]


async def test_a_notice_of_a_limit_that_a_full_disk_refused_is_given_when_there_is_room(system):
    system.journals["webhooks"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    system.worker.script(NoCredit())
    await system.submit(force_tier="haiku")
    assert limits_heard(system) == []
    await system.advance(60.0)
    assert [limit["limit"] for limit in limits_heard(system)] == ["no_credit"]


async def test_a_limit_that_is_over_is_not_told_of_late(start):
    before = await start(config=Config())
    before.worker.script(UsageLimited("five_hour", "account", before.clock.wall() + 60.0))
    await before.submit(force_tier="haiku")
    after = await start(config=told_to(), disk=before.on_disk(), clock=VirtualClock(before.clock.wall() + 3_600.0))
    await after.advance(60.0)
    assert limits_heard(after) == []


async def test_a_rate_limit_wakes_nobody(system):
    system.worker.script(RateLimited(5.0))
    await system.submit(force_tier="haiku")
    await system.advance(60.0)

    assert [said(each)["type"] for each in system.endpoints.heard] == ["task.done"]


async def test_a_limit_is_told_once_for_each_level_however_often_it_is_noticed(system):
    for notice in (a_limit(), a_limit(), a_limit("reached"), a_limit()):
        system.runtime.named(names.WEBHOOKS).cast(LimitNotice(notice))
        await system.quiet()
    await system.crash(names.WEBHOOKS)
    system.runtime.named(names.WEBHOOKS).cast(LimitNotice(a_limit()))
    await system.quiet()
    assert [said(notice)["type"] for notice in system.endpoints.heard] == ["limit.warning", "limit.reached"]
    assert said(system.endpoints.heard[0])["data"]["allowed"] == 10.0


async def test_without_any_endpoint_nothing_is_done_at_all(start):
    system = await start()
    await system.submit()
    system.runtime.named(names.WEBHOOKS).cast(LimitNotice(a_limit()))
    await system.advance(300.0)
    assert (system.endpoints.came, system.lines("webhooks")) == ([], [])


# Trying again


async def test_a_refused_delivery_is_tried_again_with_growing_pauses_under_the_same_id(system):
    system.endpoints.script("ops", DOWN, DOWN, DOWN)
    await system.submit()
    await system.quiet()
    tries = []
    for _ in range(3):
        (one,) = await deliveries(system)
        pause_s = one.next_at - system.clock.wall()
        tries.append(pause_s)
        await system.advance(pause_s + 0.001)
    assert all(low <= pause_s <= high for pause_s, (low, high) in zip(tries, ((4, 6), (12, 18), (36, 54)), strict=True))
    assert len({(notice.message_id, notice.body) for notice in system.endpoints.came}) == 1
    assert len(system.endpoints.heard) == 1


async def test_retry_after_is_honoured(system):
    system.endpoints.script("ops", Told(429, retry_after="600"))
    await system.submit()
    await system.advance(599.0)
    assert len(system.endpoints.came) == 1
    await system.advance(2.0)
    assert len(system.endpoints.heard) == 1


async def test_an_endpoint_that_is_down_is_not_asked_for_every_message_that_waits(system):
    system.endpoints.otherwise = DOWN
    for _ in range(20):
        await system.submit()
    await system.advance(60.0)
    assert len(system.endpoints.came) < 8
    system.endpoints.otherwise = Told(200)
    await system.advance(300.0)
    assert len(system.endpoints.heard) == 20


async def test_a_delivery_that_has_used_up_its_tries_is_kept_and_can_be_sent_by_hand(start):
    system = await start(config=told_to(endpoint(max_attempts=2)))
    system.endpoints.script("ops", DOWN, DOWN)
    await system.submit()
    await system.advance(60.0)
    (failed,) = await deliveries(system, state="failed")
    assert (failed.attempts, failed.last_status) == (2, 503)
    await system.ask(names.WEBHOOKS, RetryDelivery(failed.id))
    await system.quiet()
    assert [one.state for one in await deliveries(system)] == ["delivered"]
    assert system.endpoints.heard[0].body == system.endpoints.came[0].body


async def test_what_has_arrived_or_is_unknown_is_not_sent_again(system):
    await system.submit()
    await system.quiet()
    (one,) = await deliveries(system)
    assert await system.ask(names.WEBHOOKS, RetryDelivery(one.id)) == NotRetried(one.id, "delivered")
    assert await system.ask(names.WEBHOOKS, RetryDelivery("nope")) == NoSuchDelivery("nope")


async def test_one_endpoint_gets_one_delivery_at_a_time_and_a_slow_one_holds_up_no_other(start):
    system = await start(slots=8, config=told_to(endpoint("slow"), endpoint("quick")))
    held = system.endpoints.hold("slow")
    for _ in range(5):
        await system.submit()
    await system.quiet()
    assert [notice.endpoint for notice in system.endpoints.heard] == ["quick"] * 5
    held.release.set()
    await system.quiet()
    assert (len(system.endpoints.heard), system.endpoints.peak_of_one) == (10, 1)


async def test_no_more_deliveries_are_under_way_than_allowed(start):
    hooks = [endpoint(f"e{number}") for number in range(6)]
    system = await start(config=told_to(*hooks, max_in_flight=2))
    held = [system.endpoints.hold(hook.name) for hook in hooks]
    await system.submit()
    await system.quiet()
    assert len(system.endpoints.under_way) == 2
    for one in held:
        one.release.set()
    await system.advance(1.0)
    assert (len(system.endpoints.heard), system.endpoints.peak) == (6, 2)


async def test_a_delivery_that_crashes_is_a_failed_try(system):
    system.endpoints.script("ops", ZeroDivisionError("a bug"))
    await system.submit()
    await system.quiet()
    (one,) = await deliveries(system)
    assert (one.attempts, one.last_error) == (1, "the delivery crashed: ZeroDivisionError")
    await system.advance(10.0)
    assert len(system.endpoints.heard) == 1


# Disabled and enabled


async def test_nothing_but_failures_for_the_configured_time_disables_an_endpoint_and_restarts_do_not_change_that(start):
    system = await start(config=told_to(endpoint(disable_after_s=LONG_S)))
    system.endpoints.otherwise = DOWN
    for _ in range(3):
        await system.submit()
        await system.advance(LONG_S / 2)
    stopped = await state(system)
    assert stopped.endpoint.disabled_at is not None
    assert "nothing but failures" in stopped.endpoint.disabled_why
    tries = len(system.endpoints.came)
    await system.submit()
    await system.crash(names.WEBHOOKS)
    await system.advance(LONG_S)
    assert (await state(system)).endpoint == stopped.endpoint
    assert len(system.endpoints.came) == tries


async def test_one_success_is_enough_to_stay(start):
    system = await start(config=told_to(endpoint(disable_after_s=LONG_S)))
    for _ in range(4):
        system.endpoints.otherwise = DOWN
        await system.submit()
        await system.advance(LONG_S / 2)
        system.endpoints.otherwise = Told(200)
        await system.advance(2 * LONG_S)
    assert (await state(system)).endpoint.disabled_at is None
    assert len(system.endpoints.heard) == 4


async def test_410_disables_at_once_and_what_it_missed_is_told_once_it_is_enabled(start):
    system = await start(config=told_to(endpoint(), endpoint("other")))
    system.endpoints.script("ops", Told(410))
    first = await system.submit()
    await system.quiet()
    assert "410" in (await state(system)).endpoint.disabled_why
    second = await system.submit()
    await system.advance(LONG_S)
    assert [said(n)["data"]["id"] for n in system.endpoints.heard if n.endpoint == "ops"] == []
    await system.ask(names.WEBHOOKS, EnableWebhook("ops"))
    await system.quiet()
    assert {said(n)["data"]["id"] for n in system.endpoints.heard if n.endpoint == "ops"} == {first, second}
    assert len([n for n in system.endpoints.heard if n.endpoint == "other"]) == 2


async def test_410_to_the_address_of_one_task_concerns_no_other(start):
    system = await start(config=told_to(allow_task_urls=True))
    system.endpoints.script("task", Told(410))
    await system.submit(webhook_url="https://example.org/gone")
    await system.quiet()
    await system.submit(webhook_url="https://example.org/there")
    await system.advance(60.0)
    assert (await state(system, "task")).endpoint.disabled_at is None
    assert [one.state for one in await deliveries(system, endpoint="task")] == ["failed", "delivered"]


async def test_an_unknown_webhook_is_neither_enabled_nor_tested(system):
    assert await system.ask(names.WEBHOOKS, EnableWebhook("nope")) == NoSuchWebhook("nope", ("ops",))
    assert await system.ask(names.WEBHOOKS, SendTest("nope")) == NoSuchWebhook("nope", ("ops",))


async def test_a_test_tells_what_came_of_it_also_for_a_disabled_endpoint_and_leaves_no_trace(system):
    system.endpoints.script("ops", Told(410))
    await system.submit()
    await system.quiet()
    lines = system.lines("webhooks")
    system.endpoints.script("ops", Told(401, elapsed_s=0.5))
    tested = await system.ask(names.WEBHOOKS, SendTest("ops"))
    assert (tested.told.status, said(system.endpoints.came[-1])["type"]) == (401, "webhook.test")
    assert system.lines("webhooks") == lines


async def test_tests_are_bounded(system):
    held = [system.endpoints.hold("ops") for _ in range(4)]
    asked = [system.runtime.named(names.WEBHOOKS).call(SendTest("ops")) for _ in range(4)]
    waiting = [asyncio.ensure_future(one) for one in asked]
    await system.quiet()
    assert await system.ask(names.WEBHOOKS, SendTest("ops")) == TooManyTests(4)
    for one in held:
        one.release.set()
    await asyncio.gather(*waiting)


# Bounds


async def test_an_endpoint_that_is_full_hears_of_the_rest_later_and_holds_up_no_other(start, monkeypatch):
    monkeypatch.setattr("symbiont.domain.outbox.MOST_PENDING", 4)
    system = await start(config=told_to(endpoint("slow"), endpoint("quick")))
    held = system.endpoints.hold("slow")
    for _ in range(20):
        await system.submit()
        await system.quiet()
    assert (await state(system, "slow")).pending < 10
    assert len(system.endpoints.heard) == 20
    held.release.set()
    await system.advance(60.0)
    heard = [said(notice)["data"]["id"] for notice in system.endpoints.heard if notice.endpoint == "slow"]
    assert len(heard) == len(set(heard)) == 20


async def test_the_outbox_does_not_grow_with_what_was_delivered(start, monkeypatch):
    monkeypatch.setattr("symbiont.domain.outbox.MOST_OVER", 10)
    monkeypatch.setattr("symbiont.actors.outbox.SPARE_LINES", 20)
    system = await start(config=told_to())
    for _ in range(60):
        await system.submit()
        await system.quiet()
    assert len(system.endpoints.heard) == 60
    assert len(system.lines("webhooks")) < 50
    assert len(await deliveries(system)) == 10
