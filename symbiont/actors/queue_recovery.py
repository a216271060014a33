"""Leases whose runs are gone: after a restart, and when the heartbeat sweeps.

Guarantees: a model call that was cut off is put into the ledger as interrupted before its task goes on; a run that is alive keeps its
lease, however long its call is silent. Whose run is lost is told by the supervised tasks, not by a clock.

Why a lease has no time and no beat (`beat_at`): those are for holders one cannot see. Here a run is a supervised task of this process, and one
process alone has the data directory (its lock is given back by the kernel when the process is gone, however that came). So a run is alive
exactly while the task supervisor has it: after a start nobody else's can be, and what a killed process left of model calls is stopped before the
queue opens (`boot`). A time would add but the errors of clocks: a run taken for dead while its call is silent, and paid for twice.
Several processes on one queue would need both, written by a thread and not by the busy loop.
"""

from collections.abc import Callable
from functools import partial

import structlog

from supervisors import Address
from symbiont.actors import names
from symbiont.actors.accounting import interrupted
from symbiont.actors.ledger_messages import Append, Refused
from symbiont.actors.queue_messages import StopRun
from symbiont.actors.queue_record import QueueRecord
from symbiont.actors.run_steps import reclaimed
from symbiont.domain.backlog import Backlog
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.task import Status, Task
from symbiont.ports import Clock

Runs = frozenset[tuple[str, int]]
"""(task id, lease) of the runs that are alive."""

_log = structlog.get_logger("symbiont.queue")


class QueueRecovery:
    def __init__(
        self,
        backlog: Backlog,
        record: QueueRecord,
        clock: Clock,
        rules: QueueRules,
        named: Callable[[str], Address],
    ) -> None:
        self._backlog = backlog
        self._record = record
        self._clock = clock
        self._rules = rules
        self._named = named
        self._leased_at: dict[str, float] = {}

    def leased(self, task: Task) -> None:
        self._leased_at[task.id] = self._clock.monotonic()

    def ended(self, task: Task) -> None:
        self._leased_at.pop(task.id, None)

    async def recover(self, alive: Runs) -> None:
        """When the queue opens: runs of this operating-system process may have survived; all others are gone."""
        for task in self._processing():
            if (task.id, task.lease) not in alive and await self._settle(task):
                self._give_back(task)  # else as it was, until the sweep of the heartbeat comes back to it

    async def rescue(self, alive: Runs, grace_s: float) -> int:
        old = self._clock.monotonic() - grace_s
        orphans = [
            task
            for task in self._processing()
            if (task.id, task.lease) not in alive and self._leased_at.get(task.id, old) <= old
        ]
        settled = [task for task in orphans if await self._settle(task)]
        for task in settled:
            self._record.in_turn(task.id, None, partial(self._give_back, task))
        self._remind(alive)
        return len(settled)

    def _processing(self) -> list[Task]:
        return [task for task in self._backlog if task.status is Status.PROCESSING]

    def _give_back(self, leased: Task) -> None:
        """A task whose run is gone, unless the disk has refused the lease meanwhile."""
        if self._backlog.get(leased.id) is leased:
            given_back = reclaimed(leased, self._rules.retry, self._rules.max_rescues, self._clock.wall())
            self._record.write(leased, given_back)
            _log.warning("task_reclaimed", task=leased.id, attempt=leased.attempt, status=given_back.status.value)

    async def _settle(self, task: Task) -> bool:
        """The call that its run left open is in the ledger; False if the disk refuses, or is just being asked."""
        if task.call is None:
            return True
        if self._record.is_changing(task.id):
            return False
        entry = interrupted(task, task.call, self._clock.wall())
        return not isinstance(await self._named(names.LEDGER).call(Append(entry), timeout_s=None), Refused)

    def _remind(self, alive: Runs) -> None:
        """Runs that are to be cancelled and go on: the dispatcher has not heard, or died with what it heard."""
        for task in self._processing():
            if task.cancel_requested and (task.id, task.lease) in alive:
                self._named(names.DISPATCHER).cast(StopRun(task.id))
