"""Questions to a running Symbiont. Nothing here changes anything."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.heartbeat import LastBeat
from symbiont.actors.ledger import ReadTotals
from symbiont.actors.queue_messages import CountTasks, Get, ListTasks
from symbiont.domain.moment import rfc3339
from symbiont.domain.routing import STOPPAGES
from symbiont.domain.task import Status
from symbiont.domain.tier import TierTable
from symbiont.domain.totals import NOTHING, Table
from symbiont.ports import Clock
from symbiont.service import shapes, views
from symbiont.service.asking import ask, ask_if_there, checked
from symbiont.service.standstill import with_reasons

RUNTIME = "python/asyncio"
STATUS_PATIENCE_S = 1.0

R = TypeVar("R")


class Queries:
    """`workers`: the names of those who run tasks; `version`: ours; `problems` tells what is damaged, at once."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        tiers: TierTable,
        clock: Clock,
        workers: tuple[str, ...],
        version: str,
        problems: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._runtime = runtime
        self._tiers = tiers
        self._clock = clock
        self.workers = workers
        self._version = version
        self._problems = problems
        self._started_s = clock.monotonic()

    def health(self) -> views.Health:
        problems = self._problems()
        return views.Health(runtime=RUNTIME, status="damaged" if problems else "ok", problems=problems)

    async def task(self, task_id: str) -> views.TaskView:
        found = checked(await ask(self._runtime, names.QUEUE, Get(task_id)))
        (task,) = await with_reasons(self._runtime, self._tiers, [found])
        return shapes.task_view(task)

    async def tasks(self, status: str | None, limit: int) -> views.TaskList:
        wanted = None if status is None else Status(status)
        page = await ask(self._runtime, names.QUEUE, ListTasks(wanted, limit))
        found = await with_reasons(self._runtime, self._tiers, page.tasks)
        tasks = tuple(shapes.task_line(task) for task in found)
        return views.TaskList(tasks, len(tasks), page.total)

    async def status(self) -> views.Status:
        runtime = self._runtime
        totals, counts, limits, last = await asyncio.gather(
            ask(runtime, names.LEDGER, ReadTotals(), STATUS_PATIENCE_S),
            ask(runtime, names.QUEUE, CountTasks(), STATUS_PATIENCE_S),
            ask_if_there(runtime, names.DISPATCHER, ReadLimits(), STATUS_PATIENCE_S),
            ask_if_there(runtime, names.HEARTBEAT, LastBeat(), STATUS_PATIENCE_S),
        )
        now = self._clock.wall()
        closed = [limit for limit in limits or () if limit.opens_at > now]
        is_stuck = limits is None or any(limit.limit in STOPPAGES for limit in closed)
        return views.Status(
            status="degraded" if is_stuck or self._problems() else "healthy" if last is None else last.status,
            runtime=RUNTIME,
            api_uptime_seconds=int(self._clock.monotonic() - self._started_s),
            rate_limited=any(limit.limit not in STOPPAGES for limit in closed),
            queue_size=counts.pending,
            last_heartbeat=None if last is None else last.timestamp,
            total_calls=totals.total.calls,
            total_cost_estimated_usd=totals.total.cost_usd,
            by_model={name: shapes.model_total(tally) for name, tally in sorted(totals.by_model.items())},
            tier_usage=self._tier_usage(totals.by_date_and_tier.get(rfc3339(now)[:10], {})),
            version=self._version,
            processing=counts.processing,
            limits=tuple(shapes.limit_view(limit, self._tiers.names) for limit in closed),
            workers=self.workers,
            rehearsal=shapes.model_total(totals.rehearsal),
            problems=self._problems(),
        )

    def _tier_usage(self, today: Table) -> dict[str, views.TierUsage]:
        found = {name: today.get(name, NOTHING) for name in self._tiers.names}
        return {name: views.TierUsage(tally.calls, tally.tokens) for name, tally in found.items()}
