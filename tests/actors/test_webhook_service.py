"""What people see of the webhooks of a running tree, and what they are refused."""

import pytest

from symbiont.config.schema import Config, Endpoint, Webhooks
from symbiont.domain.errors import SymbiontError
from symbiont.domain.redelivery import Told
from symbiont.service.webhooks import WebhookService

URL = "https://hooks.example.com/services/T0/secret"


@pytest.fixture
async def system(start):
    hook = Endpoint("ops", URL, secret_env="SECRET", events=("task.done",))
    return await start(config=Config(webhooks=Webhooks(endpoints=(hook,), allow_task_urls=True)))


@pytest.fixture
def service(system) -> WebhookService:
    return WebhookService(system.runtime, {"ops": URL})


async def refusal(asked) -> SymbiontError:
    with pytest.raises(SymbiontError) as refused:
        await asked
    return refused.value


async def test_an_endpoint_is_shown_without_what_is_secret_about_its_address(system, service):
    system.endpoints.script("ops", Told(503, "busy"))
    await system.submit()
    await system.quiet()
    ops, task = (await service.webhooks()).webhooks
    assert (ops.name, ops.url, ops.status, ops.pending) == ("ops", "https://hooks.example.com/…", "enabled", 1)
    assert (ops.last_status, ops.last_error, ops.failing_since) == (503, "busy", "2027-01-15T08:00:00Z")
    assert (task.name, task.url, task.last_status) == ("task", "", None)


async def test_deliveries_are_found_by_task_state_and_webhook(system, service):
    system.endpoints.script("ops", Told(200), Told(503))
    first, second = await system.submit(), await system.submit()
    await system.quiet()
    both = await service.deliveries(50, webhook=None, state=None, task_id=None)
    assert (both.count, both.total, {one.task_id for one in both.deliveries}) == (2, 2, {first, second})
    waiting = await service.deliveries(50, webhook="ops", state="pending", task_id=None)
    assert [(one.attempts, one.last_status, one.next_at is not None) for one in waiting.deliveries] == [(1, 503, True)]
    assert (await service.deliveries(50, webhook="ops", state=None, task_id=first)).total == 1
    assert (await service.deliveries(1, webhook=None, state=None, task_id=None)).count == 1


async def test_a_test_says_whether_it_was_taken(system, service):
    assert (await service.test_webhook("ops")).success
    system.endpoints.script("ops", Told(0, "no answer within 15 s"))
    tested = await service.test_webhook("ops")
    assert (tested.success, tested.http_status, tested.error) == (False, None, "no answer within 15 s")


async def test_a_disabled_endpoint_is_shown_and_enabled_by_hand(system, service):
    system.endpoints.script("ops", Told(410))
    task_id = await system.submit()
    await system.quiet()
    (ops, _) = (await service.webhooks()).webhooks
    assert (ops.status, ops.disabled_reason) == ("disabled", "it answered 410 Gone")
    (delivery,) = (await service.deliveries(50, webhook=None, state=None, task_id=task_id)).deliveries
    assert (await refusal(service.retry_delivery(delivery.id))).message.endswith("got: for a disabled webhook")
    assert (await service.enable_webhook("ops")).status == "enabled"
    await system.quiet()
    assert len(system.endpoints.heard) == 1


async def test_what_is_unknown_is_not_found_and_the_right_name_suggested(service):
    refused = await refusal(service.enable_webhook("opps"))
    assert (refused.code, refused.hint, refused.details) == (
        "NOT_FOUND",
        "did you mean ops?",
        {"webhooks": ["ops", "task"]},
    )
    assert (await refusal(service.test_webhook("task"))).code == "NOT_FOUND"
    assert (await refusal(service.retry_delivery("nope"))).code == "NOT_FOUND"


async def test_what_has_arrived_is_a_conflict(system, service):
    await system.submit()
    await system.quiet()
    (delivery,) = (await service.deliveries(1, webhook=None, state=None, task_id=None)).deliveries
    assert (await refusal(service.retry_delivery(delivery.id))).code == "CONFLICT"
