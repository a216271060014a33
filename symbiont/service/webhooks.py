"""Questions and commands about webhooks. `urls`: where the endpoints of the configuration are, by name."""

from collections.abc import Mapping

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.webhook_messages import (
    EnableWebhook,
    NoSuchDelivery,
    NoSuchWebhook,
    NotRetried,
    ReadDeliveries,
    ReadWebhooks,
    RetryDelivery,
    SendTest,
    TooManyTests,
    WebhookState,
)
from symbiont.domain.address import shown_url
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.outbox import Delivery, State
from symbiont.domain.wording import did_you_mean, quoted
from symbiont.service import webhook_views
from symbiont.service.asking import ask, checked

TEST_PATIENCE_S = 3_600.0
"""The time that an endpoint is given ends a test long before."""


class WebhookService:
    def __init__(self, runtime: Runtime, urls: Mapping[str, str]) -> None:
        self._runtime = runtime
        self._urls = urls

    async def webhooks(self) -> webhook_views.WebhookList:
        states = await ask(self._runtime, names.WEBHOOKS, ReadWebhooks())
        return webhook_views.WebhookList(tuple(map(self._view, states)), len(states))

    async def deliveries(
        self, limit: int, *, webhook: str | None, state: State | None, task_id: str | None
    ) -> webhook_views.DeliveryList:
        asked = ReadDeliveries(limit, endpoint=webhook, state=state, task_id=task_id)
        page = await ask(self._runtime, names.WEBHOOKS, asked)
        return webhook_views.DeliveryList(tuple(map(_delivery, page.deliveries)), len(page.deliveries), page.total)

    async def enable_webhook(self, name: str) -> webhook_views.WebhookView:
        answer = await ask(self._runtime, names.WEBHOOKS, EnableWebhook(name), timeout_s=30.0)
        if isinstance(answer, NoSuchWebhook):
            raise _unknown(answer)
        return self._view(checked(answer))

    async def test_webhook(self, name: str) -> webhook_views.WebhookTested:
        answer = await ask(self._runtime, names.WEBHOOKS, SendTest(name), timeout_s=TEST_PATIENCE_S)
        match answer:
            case NoSuchWebhook():
                raise _unknown(answer)
            case TooManyTests(most):
                message = f"expected at most {most} tests at a time, got: one more"
                raise SymbiontError("OVER_CAPACITY", message, hint="try again in a moment")
            case _:
                told = answer.told
        return webhook_views.WebhookTested(
            webhook=name,
            webhook_id=answer.message_id,
            success=told.is_success,
            http_status=told.status or None,
            error=told.error,
            elapsed_seconds=round(told.elapsed_s, 3),
        )

    async def retry_delivery(self, delivery_id: str) -> webhook_views.DeliveryView:
        answer = await ask(self._runtime, names.WEBHOOKS, RetryDelivery(delivery_id), timeout_s=30.0)
        match answer:
            case NoSuchDelivery(unknown):
                message = f"expected id to be that of a known delivery, got: {quoted(unknown)}"
                raise SymbiontError("NOT_FOUND", message, hint="symbiont webhook deliveries")
            case NotRetried(known, state):
                message = f"expected {known} to be pending or failed, got: {state}"
                raise SymbiontError("CONFLICT", message, hint="symbiont webhook list")
            case _:
                return _delivery(checked(answer))

    def _view(self, state: WebhookState) -> webhook_views.WebhookView:
        hook, endpoint = state.hook, state.endpoint
        since = endpoint.failing_since
        return webhook_views.WebhookView(
            name=hook.name,
            url=shown_url(self._urls[hook.name]) if hook.name in self._urls else "",
            status="enabled" if endpoint.disabled_at is None else "disabled",
            events=hook.events,
            projects=hook.projects,
            pending=state.pending,
            delivered=endpoint.delivered,
            failed=endpoint.failed,
            failing_since=None if since is None else rfc3339(since),
            disabled_at=endpoint.disabled_at,
            disabled_reason=endpoint.disabled_why,
            last_at=endpoint.last_at or None,
            last_status=endpoint.last_status or None,
            last_error=endpoint.last_error,
        )


def _delivery(one: Delivery) -> webhook_views.DeliveryView:
    return webhook_views.DeliveryView(
        id=one.id,
        webhook=one.endpoint,
        webhook_id=one.message_id,
        event=one.event,
        task_id=one.task_id,
        status=one.state,
        attempts=one.attempts,
        created_at=one.created_at,
        next_at=rfc3339(one.next_at) if one.state == "pending" and one.next_at else None,
        last_at=one.last_at or None,
        last_status=one.last_status or None,
        last_error=one.last_error,
    )


def _unknown(answer: NoSuchWebhook) -> SymbiontError:
    message = f"expected name to be that of a configured webhook, got: {quoted(answer.name)}"
    hint = did_you_mean(answer.name, answer.known) or "symbiont webhook list"
    return SymbiontError("NOT_FOUND", message, hint=hint, details={"webhooks": list(answer.known)})
