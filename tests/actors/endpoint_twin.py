"""Endpoints of webhooks that do what a test says: answers by endpoint, deliveries that can be held, a record of what came."""

import asyncio
import json
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from symbiont.domain.redelivery import Told
from symbiont.ports import Notice

OK = Told(200)


@dataclass
class HeldDelivery:
    """A delivery that stays under way until `release` is set."""

    told: Told = OK
    release: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedEndpoints:
    """Implements `ports.Notifier`. `came` are the tries in their order, `heard` those that were answered with success."""

    def __init__(self) -> None:
        self.came: list[Notice] = []
        self.heard: list[Notice] = []
        self.under_way: list[str] = []
        self.peak = 0
        self.peak_of_one = 0
        self.otherwise = OK
        self._scripts: dict[str, deque[Told | Exception | HeldDelivery]] = defaultdict(deque)

    def script(self, endpoint: str, *steps: Told | Exception | HeldDelivery) -> None:
        self._scripts[endpoint].extend(steps)

    def hold(self, endpoint: str, told: Told = OK) -> HeldDelivery:
        held = HeldDelivery(told)
        self.script(endpoint, held)
        return held

    async def tell(self, notice: Notice) -> Told:
        self.came.append(notice)
        self.under_way.append(notice.endpoint)
        self.peak = max(self.peak, len(self.under_way))
        self.peak_of_one = max(self.peak_of_one, *map(self.under_way.count, self.under_way))
        try:
            return await self._answered(notice)
        finally:
            self.under_way.remove(notice.endpoint)

    async def _answered(self, notice: Notice) -> Told:
        script = self._scripts[notice.endpoint]
        step = script.popleft() if script else self.otherwise
        if isinstance(step, HeldDelivery):
            await step.release.wait()
            step = step.told
        if isinstance(step, Exception):
            raise step
        if step.is_success:
            self.heard.append(notice)
        return step


def said(notice: Notice) -> Any:
    """The body of a delivery."""
    return json.loads(notice.body)
