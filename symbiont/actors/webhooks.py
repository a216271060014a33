"""Webhooks: tells endpoints how tasks ended and that limits are near, until they have heard it.

Guarantees: what has ended is told at least once, and under one id, however often this process is killed: what is to be told is
looked up in the queue from the mark that stands in the outbox, so the cast of the queue is but a hint, and nothing is told that is
not on the queue's disk. A limit is looked up where it is in force. A delivery that is under way when the process ends is made again.
At most so many deliveries at a time, one an endpoint, in no order; they are supervised tasks and outlive a restart of this actor. An
endpoint that is full or disabled keeps its mark where it is and hears of the rest later. Without any hook this actor does nothing at all.
Does not send (a `Notifier` does), nor judge (`domain.redelivery` does).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from supervisors import NO_REPLY, Actor, Continue, Down, From, Reply
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors.flights import MOST_TESTS, Flights, Landed
from symbiont.actors.ledger import Refused
from symbiont.actors.outbox import OutboxFile
from symbiont.actors.webhook_desk import WebhookDesk
from symbiont.actors.webhook_intake import WebhookIntake
from symbiont.actors.webhook_messages import (
    EnableWebhook,
    LimitNotice,
    NoSuchWebhook,
    ReadDeliveries,
    ReadWebhooks,
    RetryDelivery,
    SendTest,
    TaskFinished,
    TooManyTests,
)
from symbiont.domain.moment import rfc3339
from symbiont.domain.outbox import Change, Delivery, Endpoint
from symbiont.domain.redelivery import LONGEST_RETRY_AFTER_S, judged
from symbiont.domain.webhook import TASK_HOOK, Hook, probe_message
from symbiont.ports import Clock, Journal, Notifier, Randomness

SWEEP_S: Final = 30.0
REFUSAL_PAUSE_S: Final = 5.0
"""Until a delivery is sent for which there was no room among the tasks."""

_log = structlog.get_logger("symbiont.webhooks")


class _Look(msgspec.Struct, frozen=True):
    """To itself: something may be due. `sweeps`: also make good whatever was lost."""

    sweeps: bool = False


class Webhooks(Actor):
    def __init__(
        self,
        *,
        hooks: Sequence[Hook],
        journal: Journal,
        notifier: Notifier,
        clock: Clock,
        randomness: Randomness,
        max_in_flight: int,
    ) -> None:
        self._hooks = {hook.name: hook for hook in hooks}
        self._clock = clock
        self._randomness = randomness
        self._file = OutboxFile(journal)
        self._box = self._file.box
        self._intake = WebhookIntake(self, self._hooks, self._file, clock)
        self._desk = WebhookDesk(self._hooks, self._file)
        self._flights = Flights(self, notifier, max_in_flight)
        self._rests: dict[tuple[str, str], float] = {}
        self._is_crowded = False
        self._alarm: Timer | None = None

    async def init(self) -> Continue:
        await self._file.open()
        return Continue("begin")

    async def terminate(self, reason: ExitReason) -> None:
        await self._file.close()

    async def handle_continue(self, term: Any) -> None:
        if term == "by hand":
            await self._intake.look_up()
            await self._send()
            return
        await self._intake.register()
        if self._hooks:
            await self._flights.adopt(self._box)
            await self._sweep()

    # Messages

    async def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case ReadWebhooks():
                return self._desk.states()
            case ReadDeliveries():
                return self._desk.page(request)
            case EnableWebhook(name) | SendTest(name) if not self._is_testable(name, request):
                return NoSuchWebhook(name, tuple(self._hooks))
            case SendTest(name):
                return await self._test(name, from_)
            case EnableWebhook() | RetryDelivery():
                return await self._command(request)
            case _:
                return super().handle_call(request, from_)

    def _is_testable(self, name: str, request: EnableWebhook | SendTest) -> bool:
        return name in self._hooks and (name != TASK_HOOK or isinstance(request, EnableWebhook))

    async def _test(self, name: str, from_: From) -> object:
        now = self._clock.wall()
        message = probe_message(name, rfc3339(now), int(now * 1_000_000))
        if self._flights.has_room_for_a_test and await self._flights.test(name, message, from_):
            return NO_REPLY
        return TooManyTests(MOST_TESTS)

    async def _command(self, request: EnableWebhook | RetryDelivery) -> object:
        """By hand, so nobody rests, and it is gone about at once; the answer need not wait for that."""
        if isinstance(request, EnableWebhook):
            answer: object = await self._desk.enable(request.name)
        else:
            answer = await self._desk.retry(request.id)
        if not isinstance(answer, Refused):
            self._rests.clear()
        return Reply(answer, Continue("by hand"))

    async def handle_cast(self, message: Any) -> None:
        match message:
            case TaskFinished() | LimitNotice() if not self._hooks:
                pass
            case TaskFinished():
                await self._intake.look_up()
                await self._send()
            case LimitNotice(limit):
                await self._intake.take_notice(limit)
                await self._send()
            case _:
                super().handle_cast(message)

    async def handle_info(self, message: Any) -> None:
        match message:
            case Down():
                landed = self._flights.ended(message)
                if landed is not None:
                    await self._judge(landed)
                    await self._send()
            case _Look(sweeps=True):
                await self._sweep()
            case _Look():
                self._alarm = None
                await self._send()
            case _:
                super().handle_info(message)

    async def _sweep(self) -> None:
        """Also: a wall clock that was ahead for a moment must not keep a delivery waiting for good."""
        late = self._box.shortened(self._clock.wall() + LONGEST_RETRY_AFTER_S)
        if late:
            self._file.lag(Change(deliveries=tuple(late)))
        await self._intake.look_up()
        await self._intake.look_up_limits()
        await self._file.catch_up()
        await self._send()
        self.send_after(SWEEP_S, _Look(sweeps=True))

    # Telling it

    async def _send(self) -> None:
        """Whatever is due and may go."""
        self._is_crowded = False
        while self._flights.has_room and (delivery := self._next()) is not None:
            if delivery.next_at > self._clock.wall():
                break
            if not await self._flights.send(delivery):
                self._is_crowded = True
                break
        self._set_alarm()

    def _next(self) -> Delivery | None:
        now = self._clock.monotonic()
        self._rests = {lane: until for lane, until in self._rests.items() if until > now}
        endpoints = self._box.endpoints.values()
        stopped = {one.name for one in endpoints if one.name not in self._hooks or one.disabled_at is not None}
        return self._box.next_due(self._flights.lanes | self._rests.keys(), stopped)

    def _set_alarm(self) -> None:
        """One timer for whatever is due next. Capped by the sweep."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._flights.has_room:
            return
        following = self._next()
        waits = [until - self._clock.monotonic() for until in self._rests.values()]
        if following is not None:
            waits.append(REFUSAL_PAUSE_S if self._is_crowded else following.next_at - self._clock.wall())
        if waits:
            self._alarm = self.send_after(max(0.0, min(waits)), _Look())

    async def _judge(self, landed: Landed) -> None:
        delivery = self._box.get(landed.delivery_id)
        hook = self._hooks.get(delivery.endpoint) if delivery is not None else None
        if delivery is not None and delivery.state == "pending" and hook is not None and landed.told is not None:
            before = self._box.endpoints[hook.name]
            jitter = self._randomness.uniform(-1.0, 1.0)
            verdict = judged(delivery, before, hook, landed.told, now=self._clock.wall(), jitter=jitter)
            self._rest(delivery.lane, verdict.rest_s)
            bare = msgspec.structs.replace(verdict.delivery, body="")
            await self._file.note(Change(deliveries=(bare,), endpoints=(verdict.endpoint,)))
            _tell(before, verdict.endpoint, verdict.delivery)
            if self._intake.has_room_again(hook.name):
                await self._intake.look_up()

    def _rest(self, lane: tuple[str, str], rest_s: float) -> None:
        self._rests.pop(lane, None)
        if rest_s > 0.0:
            self._rests[lane] = self._clock.monotonic() + rest_s


def _tell(before: Endpoint, after: Endpoint, delivery: Delivery) -> None:
    """What somebody should know. Never where the endpoint is: an address may be a secret."""
    if after.disabled_at is not None and before.disabled_at is None:
        _log.error("webhook_disabled", endpoint=after.name, reason=after.disabled_why)
    elif delivery.state == "failed":
        _log.error("delivery_failed", delivery=delivery.id, status=delivery.last_status, error=delivery.last_error)
    elif delivery.state == "pending":
        _log.warning("delivery_put_off", delivery=delivery.id, status=delivery.last_status, error=delivery.last_error)
