"""What the webhooks are told and asked, and what they ask the queue."""

import msgspec

from supervisors import Request
from symbiont.actors.ledger_messages import Refused
from symbiont.domain.finishes import FinishedPage
from symbiont.domain.outbox import Delivery, Endpoint, State
from symbiont.domain.redelivery import Told
from symbiont.domain.webhook import Event, Hook, LimitEvent


class FinishedAfter(msgspec.Struct, Request[FinishedPage], frozen=True):
    """To the queue: the ends of tasks after the one numbered `seen`; None: after all there are by now."""

    seen: int | None
    limit: int


class TaskFinished(msgspec.Struct, frozen=True):
    """A hint of the queue: there is an end to be looked up. A sweep makes a lost one good."""


class LimitNotice(msgspec.Struct, frozen=True):
    """A limit is nearly (`warning`) or quite (`reached`) used up: one of a budget, or of a provider.

    May be cast again at any time, at every start for instance: a notice of one limit, period and level is told once.
    """

    limit: LimitEvent


class NoSuchWebhook(msgspec.Struct, frozen=True):
    name: str
    known: tuple[str, ...]


class NoSuchDelivery(msgspec.Struct, frozen=True):
    id: str


class NotRetried(msgspec.Struct, frozen=True):
    """The delivery has arrived, or nobody is there to take it."""

    id: str
    state: str


class WebhookState(msgspec.Struct, frozen=True):
    """What an endpoint wants, how it is doing, and how many deliveries wait for it."""

    hook: Hook
    endpoint: Endpoint
    pending: int


class ReadWebhooks(msgspec.Struct, Request[tuple[WebhookState, ...]], frozen=True):
    pass


class DeliveryPage(msgspec.Struct, frozen=True):
    deliveries: tuple[Delivery, ...]
    total: int


class ReadDeliveries(msgspec.Struct, Request[DeliveryPage], frozen=True):
    """The newest `limit` deliveries that fit, newest last; of those that are over, only the latest are remembered."""

    limit: int
    endpoint: str | None = None
    state: State | None = None
    event: Event | None = None
    task_id: str | None = None


class EnableWebhook(msgspec.Struct, Request[WebhookState | NoSuchWebhook | Refused], frozen=True):
    """By hand: what waited for it is sent now, and what it has missed is looked up."""

    name: str


class Tested(msgspec.Struct, frozen=True):
    message_id: str
    told: Told


class TooManyTests(msgspec.Struct, frozen=True):
    most: int


class SendTest(msgspec.Struct, Request[Tested | NoSuchWebhook | TooManyTests], frozen=True):
    """Send it a `webhook.test` now, once, enabled or not; nothing is recorded."""

    name: str


class RetryDelivery(msgspec.Struct, Request[Delivery | NoSuchDelivery | NotRetried | Refused], frozen=True):
    """By hand: send it now, failed or waiting."""

    id: str
