"""The rows of the route table about webhooks: the endpoints and the deliveries to them."""

from typing import get_args

from symbiont.domain.outbox import State
from symbiont.http import parse
from symbiont.http.encode import View
from symbiont.http.route import LIMIT, Asked, Desk, Param, Route
from symbiont.service import webhook_views


async def list_webhooks(desk: Desk, _asked: Asked) -> View:
    return await desk.service.webhooks()


async def list_deliveries(desk: Desk, asked: Asked) -> View:
    params = asked.params
    return await desk.service.deliveries(
        parse.limit(params),
        webhook=params.get("webhook"),
        state=parse.one_of(params, "status", get_args(State)),
        task_id=params.get("task"),
    )


async def enable_webhook(desk: Desk, asked: Asked) -> View:
    return await desk.service.enable_webhook(asked.path["name"])


async def test_webhook(desk: Desk, asked: Asked) -> View:
    return await desk.service.test_webhook(asked.path["name"])


async def retry_delivery(desk: Desk, asked: Asked) -> View:
    return await desk.service.retry_delivery(asked.path["id"])


_FILTERS = (
    Param("webhook", "Only deliveries to this webhook.", {"type": "string"}),
    Param("status", "Only deliveries in this state.", {"type": "string", "enum": list(get_args(State))}),
    Param("task", "Only deliveries about the task with this id.", {"type": "string"}),
)

WEBHOOK_ROUTES: tuple[Route, ...] = (
    Route("GET", "/webhooks", list_webhooks, "Who is told of what, and how that goes", (webhook_views.WebhookList,)),
    Route(
        "GET", "/webhooks/deliveries", list_deliveries, "What waits to be told, and the latest that was",
        (webhook_views.DeliveryList,), params=(LIMIT, *_FILTERS),
    ),
    Route(
        "POST", "/webhooks/{name}/enable", enable_webhook, "Send to a disabled webhook again, also what it has missed",
        (webhook_views.WebhookView,), codes=("NOT_FOUND", "STORAGE_REFUSED"),
    ),
    Route(
        "POST", "/webhooks/{name}/test", test_webhook, "Send a webhook something to verify, now and once",
        (webhook_views.WebhookTested,), codes=("NOT_FOUND",), waits=True,
    ),
    Route(
        "POST", "/webhooks/deliveries/{id}/retry", retry_delivery, "Send a delivery that waits or has failed now",
        (webhook_views.DeliveryView,), codes=("NOT_FOUND", "CONFLICT", "STORAGE_REFUSED"),
    ),
)  # fmt: skip
