"""How runs end: stopped from outside, gone by themselves, or all of them at once.

A part of the dispatcher and not an actor: called from its callbacks alone. Guarantees: a run is told to stop once; what a run that was cut off
leaves open is in the ledger before the queue gets its task back, else the task stays leased until the heartbeat sweeps.
"""

from collections.abc import Callable, Mapping

import structlog

from supervisors import NO_REPLY, Address, Error, From, Normal, Process, Shutdown
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.accounting import interrupted
from symbiont.actors.lease_desk import Run
from symbiont.actors.ledger_messages import Append, Refused
from symbiont.actors.queue_messages import Get
from symbiont.actors.run_steps import Fail, Stopped
from symbiont.domain.task import Failure, Task
from symbiont.ports import Clock

_log = structlog.get_logger("symbiont.dispatcher")


class RunEnds:
    """`runs` are the dispatcher's."""

    def __init__(self, runs: Mapping[Process, Run], named: Callable[[str], Address], clock: Clock) -> None:
        self._runs = runs
        self._named = named
        self._clock = clock
        self._draining: list[From] | None = None
        self._drained = 0

    # Stopping

    @staticmethod
    def stop(process: Process, run: Run, why: str) -> None:
        """Once: a second signal would cut off a call that is just telling what it has cost."""
        if not run.is_stopping:
            run.is_stopping = True
            process.exit(Shutdown(why))

    def cancel(self, task_id: str) -> None:
        for process, run in self._runs.items():
            if run.task_id == task_id:
                self.stop(process, run, "cancelled")

    @property
    def is_draining(self) -> bool:
        return self._draining is not None

    def drain(self, from_: From) -> object:
        if self._draining is None:
            self._draining = []
            self._drained = len(self._runs)
            for process, run in self._runs.items():
                self.stop(process, run, "draining")
        self._draining.append(from_)
        self.answer_drain()
        return NO_REPLY

    def answer_drain(self) -> None:
        """If the last run has ended."""
        if self._draining and not self._runs:
            for from_ in self._draining:
                from_.reply(self._drained)

    # Handing back

    async def hand_back(self, run: Run, reason: ExitReason) -> None:
        """Harmless if the run had finished its task: the queue calls it stale."""
        queue = self._named(names.QUEUE)
        if not isinstance(reason, Normal) and not await self._settled(run):
            return  # still leased: the sweep of the heartbeat comes back to it
        if isinstance(reason, Error):
            failure = Failure("INTERNAL", f"the run of this task crashed: {reason}"[:500])
            answer = await queue.call(Fail(run.task_id, run.lease, failure), timeout_s=None)
        else:
            answer = await queue.call(Stopped(run.task_id, run.lease), timeout_s=None)
        if isinstance(answer, Refused):
            _log.error("task_not_handed_back", task=run.task_id, reason=answer.reason)

    async def _settled(self, run: Run) -> bool:
        """A run that was cut off may have left a call open. The ledger ignores one that it has already."""
        task = await self._named(names.QUEUE).call(Get(run.task_id), timeout_s=None)
        if not isinstance(task, Task) or task.lease != run.lease or task.call is None:
            return True
        entry = interrupted(task, task.call, self._clock.wall())
        answer = await self._named(names.LEDGER).call(Append(entry), timeout_s=None)
        if isinstance(answer, Refused):
            _log.error("call_not_settled", task=run.task_id, reason=answer.reason)
        return not isinstance(answer, Refused)
