"""What people ask of the webhooks: how endpoints and deliveries stand, enable this, send that again.

A part of the webhooks actor and not an actor: called from its callbacks alone. Guarantees: what is done by hand is on disk before
it is answered. Does not send anything: the actor does, once it has been told that something is due.
"""

from collections.abc import Mapping

import msgspec

from symbiont.actors.ledger import Refused
from symbiont.actors.outbox import OutboxFile
from symbiont.actors.webhook_messages import DeliveryPage, NoSuchDelivery, NotRetried, ReadDeliveries, WebhookState
from symbiont.domain.outbox import Change, Delivery
from symbiont.domain.redelivery import enabled, sent_again
from symbiont.domain.webhook import Hook


class WebhookDesk:
    def __init__(self, hooks: Mapping[str, Hook], file: OutboxFile) -> None:
        self._hooks = hooks
        self._file = file
        self._box = file.box

    def states(self) -> tuple[WebhookState, ...]:
        """Of all hooks, once they are registered."""
        return tuple(self.state(name) for name in self._hooks if name in self._box.endpoints)

    def state(self, name: str) -> WebhookState:
        return WebhookState(self._hooks[name], self._box.endpoints[name], self._box.pending[name])

    def page(self, asked: ReadDeliveries) -> DeliveryPage:
        found = [one for one in self._box if _fits(one, asked)]
        return DeliveryPage(tuple(found[-asked.limit :]) if asked.limit > 0 else (), len(found))

    async def enable(self, name: str) -> WebhookState | Refused:
        """What waits for it is due at once, with all its tries."""
        refusal = await self._file.put(Change(endpoints=(enabled(self._box.endpoints[name]),)))
        if refusal:
            return Refused(refusal)
        waiting = [one for one in self._box if one.endpoint == name and one.state == "pending"]
        if waiting:
            self._file.lag(Change(deliveries=tuple(_bare(sent_again(one)) for one in waiting)))
            await self._file.catch_up()
        return self.state(name)

    async def retry(self, delivery_id: str) -> Delivery | NoSuchDelivery | NotRetried | Refused:
        delivery = self._box.get(delivery_id)
        if delivery is None:
            return NoSuchDelivery(delivery_id)
        if delivery.endpoint not in self._hooks:
            return NotRetried(delivery_id, "for a webhook that is gone")
        if self._box.endpoints[delivery.endpoint].disabled_at is not None:
            return NotRetried(delivery_id, "for a disabled webhook")
        if delivery.state == "delivered":
            return NotRetried(delivery_id, delivery.state)
        again = sent_again(delivery)
        refusal = await self._file.put(Change(deliveries=(_bare(again),)))
        return Refused(refusal) if refusal else again


def _bare(delivery: Delivery) -> Delivery:
    """Without the body, which the outbox has."""
    return msgspec.structs.replace(delivery, body="")


def _fits(delivery: Delivery, asked: ReadDeliveries) -> bool:
    wanted = (
        (asked.endpoint, delivery.endpoint),
        (asked.state, delivery.state),
        (asked.event, delivery.event),
        (asked.task_id, delivery.task_id),
    )
    return all(value in {None, actual} for value, actual in wanted)
