"""The figures of this moment for whoever draws graphs of them: asked of the actors, who all answer from what they have at hand."""

import asyncio
from collections.abc import Callable

from supervisors import Runtime
from supervisors.introspect import snapshot
from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.heartbeat import LastBeat, Snapshot
from symbiont.actors.ledger_messages import ReadBudgets, ReadTotals
from symbiont.actors.queue_messages import CountTasks
from symbiont.domain.moment import epoch_s
from symbiont.ports import Clock
from symbiont.service.asking import ask_if_there
from symbiont.telemetry.metrics import Pulse, Reading


class Metrics:
    """`version`: ours; `problems` tells what is damaged, at once."""

    def __init__(
        self, runtime: Runtime, *, clock: Clock, version: str, problems: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._version = version
        self._problems = problems
        self._started_s = clock.monotonic()

    async def metrics(self) -> Reading:
        """Also while actors are restarted: without what these know."""
        runtime = self._runtime
        totals, budgets, counts, limits, beat = await asyncio.gather(
            ask_if_there(runtime, names.LEDGER, ReadTotals()),
            ask_if_there(runtime, names.LEDGER, ReadBudgets()),
            ask_if_there(runtime, names.QUEUE, CountTasks()),
            ask_if_there(runtime, names.DISPATCHER, ReadLimits()),
            ask_if_there(runtime, names.HEARTBEAT, LastBeat()),
        )
        now = self._clock.wall()
        return Reading(
            version=self._version,
            uptime_s=self._clock.monotonic() - self._started_s,
            damaged_journals=len(self._problems()),
            processes=snapshot(runtime),
            totals=totals,
            counts=counts,
            budgets=budgets,
            limits=None if limits is None else tuple(limit for limit in limits if limit.opens_at > now),
            pulse=None if beat is None else _pulse(beat),
        )


def _pulse(beat: Snapshot) -> Pulse:
    return Pulse(epoch_s(beat.timestamp), beat.status == "healthy", beat.disk_free_bytes)
