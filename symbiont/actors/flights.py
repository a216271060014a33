"""Deliveries under way: supervised tasks, one a lane, and the tests of endpoints beside them.

A part of the webhooks actor and not an actor: called from its callbacks alone. Guarantees: a delivery that an earlier life of
the actor sent off is under way for the next one, too. Does not decide what is sent, nor what comes of it.
"""

from functools import partial
from typing import Final

import msgspec
import structlog

from supervisors import Actor, Down, Error, From, MaxChildren, Process, Tasks
from supervisors.task import TaskProcess
from symbiont.actors import names
from symbiont.actors.webhook_messages import Tested
from symbiont.domain.outbox import Delivery, Outbox
from symbiont.domain.redelivery import Told
from symbiont.domain.webhook import Message
from symbiont.ports import Notice, Notifier

LABEL: Final = "webhook "
MOST_TESTS: Final = 4

_log = structlog.get_logger("symbiont.webhooks")


class Landed(msgspec.Struct, frozen=True):
    """A delivery is no longer under way. `told` None: it was stopped, and nobody knows how far it came."""

    delivery_id: str
    told: Told | None


class Flights:
    def __init__(self, owner: Actor, notifier: Notifier, most: int) -> None:
        self._owner = owner
        self._notifier = notifier
        self._most = most
        self._deliveries: dict[Process, Delivery] = {}
        self._tests: dict[Process, tuple[From, Message]] = {}

    @property
    def lanes(self) -> set[tuple[str, str]]:
        """Those that have a delivery under way."""
        return {delivery.lane for delivery in self._deliveries.values()}

    @property
    def has_room(self) -> bool:
        return len(self._deliveries) < self._most

    @property
    def has_room_for_a_test(self) -> bool:
        return len(self._tests) < MOST_TESTS

    def has(self, delivery_id: str) -> bool:
        return any(delivery.id == delivery_id for delivery in self._deliveries.values())

    async def adopt(self, box: Outbox) -> None:
        """What an earlier life of the actor sent off."""
        for child in await self._tasks.children():
            delivery = box.get(child.id.removeprefix(LABEL)) if child.id.startswith(LABEL) else None
            if delivery is not None and child.process is not None:
                self._follow(child.process, delivery)

    async def send(self, delivery: Delivery) -> bool:
        """Whether there was room for it among the tasks of this process."""
        notice = Notice(delivery.endpoint, delivery.message_id, delivery.body.encode(), delivery.url)
        process = await self._start(notice, LABEL + delivery.id)
        if process is not None:
            self._follow(process, delivery)
        return process is not None

    async def test(self, hook: str, message: Message, from_: From) -> bool:
        process = await self._start(Notice(hook, message.id, message.body.encode()), "test of a webhook")
        if process is not None:
            self._tests[process] = from_, message
            self._owner.monitor(process)
        return process is not None

    def ended(self, down: Down) -> Landed | None:
        """The delivery that has just ended; who asked for a test is answered on the way."""
        told = _told(down)
        if down.process in self._tests:
            from_, message = self._tests.pop(down.process)
            from_.reply(Tested(message.id, told or Told(0, "the test was stopped")))
        delivery = self._deliveries.pop(down.process, None)
        return None if delivery is None else Landed(delivery.id, told)

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self._owner.named(names.TASKS))

    async def _start(self, notice: Notice, label: str) -> TaskProcess | None:
        try:
            return await self._tasks.start_child(partial(self._notifier.tell, notice), label=label)
        except MaxChildren as full:
            _log.warning("no_room_for_a_delivery", reason=str(full))
            return None

    def _follow(self, process: Process, delivery: Delivery) -> None:
        self._deliveries[process] = delivery
        self._owner.monitor(process)


def _told(down: Down) -> Told | None:
    process = down.process
    if isinstance(down.reason, Error):
        return Told(0, f"the delivery crashed: {type(down.reason.exception).__name__}")
    try:
        value = process.value if isinstance(process, TaskProcess) else None
    except LookupError:
        return None
    return value if isinstance(value, Told) else None
