"""What there is to tell: ends of tasks, looked up in the queue, and limits, told by a notice or looked up, put into the outbox.

A part of the webhooks actor and not an actor: called from its callbacks alone. Guarantees: an endpoint hears of every end after
its mark, once; the mark moves with the deliveries, in one line. A mark that moved over what nobody wanted may come to disk later.
An endpoint that is full hears of nothing until it is half empty: looking up old ends is dear.
"""

from collections.abc import Mapping
from typing import Final

import structlog

from supervisors import Actor, CallExit, MailboxFull
from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.ledger_messages import ReadAlerts
from symbiont.actors.limits import notice_of
from symbiont.actors.outbox import OutboxFile
from symbiont.actors.webhook_messages import FinishedAfter
from symbiont.domain.fan_out import fan_out, fan_out_limit, orphaned, registered
from symbiont.domain.moment import rfc3339
from symbiont.domain.outbox import Change, Endpoint
from symbiont.domain.webhook import Hook, LaneClosed, LimitEvent, LimitReached
from symbiont.ports import Clock

PAGE: Final = 100
REOPENS_AT: Final = 0.5

_log = structlog.get_logger("symbiont.webhooks")


class WebhookIntake:
    def __init__(self, owner: Actor, hooks: Mapping[str, Hook], file: OutboxFile, clock: Clock) -> None:
        self._owner = owner
        self._hooks = hooks
        self._file = file
        self._box = file.box
        self._clock = clock
        self._full: set[str] = set()
        self._is_behind = True  # what was told before this life may be lost

    async def register(self) -> None:
        """A hook that is new hears of what ends from now on; what was for one that is gone is given up."""
        change = orphaned(self._box, self._hooks)
        new = [name for name in self._hooks if name not in self._box.endpoints or self._box.endpoints[name].is_gone]
        if new:
            page = await self._owner.named(names.QUEUE).call(FinishedAfter(None, 0), timeout_s=None)
            change = registered(change, new, page.head)
        if change != Change():
            self._file.lag(change)
            await self._file.catch_up()

    async def look_up(self) -> None:
        """Until all have heard of all ends, nobody has room, or the disk takes no more of them."""
        while listening := self._listening():
            since = min(endpoint.seen for endpoint in listening)
            try:
                page = await self._owner.named(names.QUEUE).call(FinishedAfter(since, PAGE), timeout_s=None)
            except (CallExit, MailboxFull):
                return  # it is restarted, and we with it; or it has no time now, and the sweep comes back
            if not page.tasks:
                return
            change = fan_out(page.tasks, listening, self._hooks, rfc3339(self._clock.wall()))
            if not change.deliveries:
                self._file.lag(change)
            elif await self._file.put(change):
                return

    async def look_up_limits(self) -> None:
        """What notices told of in vain, because somebody ended just then or the disk was full: whoever gives them knows what is in force."""
        if not self._is_behind:
            return
        self._is_behind = False
        limits: list[LimitEvent] = [*await self._closed_lanes(), *await self._alerts()]
        for limit in limits:
            await self.take_notice(limit)

    async def _closed_lanes(self) -> list[LaneClosed]:
        try:
            limits = await self._owner.named(names.DISPATCHER).call(ReadLimits())
        except (CallExit, MailboxFull):
            self._is_behind = True
            return []
        now = self._clock.wall()
        found = [notice_of(limit) for limit in limits if limit.opens_at > now]
        return [notice for notice in found if notice is not None]

    async def _alerts(self) -> tuple[LimitReached, ...]:
        try:
            return await self._owner.named(names.LEDGER).call(ReadAlerts())
        except (CallExit, MailboxFull):
            self._is_behind = True
            return ()

    async def take_notice(self, limit: LimitEvent) -> None:
        """A full disk that refuses it now is asked again by the next sweep."""
        change = fan_out_limit(limit, self._hooks, self._box, rfc3339(self._clock.wall()))
        if change is not None:
            self._is_behind = bool(await self._file.put(change)) or self._is_behind

    def has_room_again(self, name: str) -> bool:
        return name in self._full and self._box.has_room(name, REOPENS_AT)

    def _listening(self) -> list[Endpoint]:
        """Endpoints that can take more."""
        for name in self._hooks:
            if self.has_room_again(name):
                self._full.discard(name)
            elif name not in self._full and not self._box.has_room(name):
                self._full.add(name)
                _log.error("webhook_backlog_full", endpoint=name, pending=self._box.pending[name])
        able = [self._box.endpoints[name] for name in self._hooks if name not in self._full]
        return [endpoint for endpoint in able if endpoint.disabled_at is None]
