"""What a running Symbiont can be told to do."""

import asyncio

from supervisors import CallExit, Runtime
from supervisors.exits import TIMEOUT
from symbiont.actors import names
from symbiont.actors.dispatcher import Wake
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.queue import AwaitFinal, Cancel, Get, NoSuchTask, Retry, Submit
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Task
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock
from symbiont.service import shapes, views
from symbiont.service.asking import ask, checked, restarting

SUBMIT_TIMEOUT_S = 30.0
RESTART_PATIENCE_S = 5.0


class Commands:
    def __init__(self, runtime: Runtime, *, tiers: TierTable, clock: Clock) -> None:
        self._runtime = runtime
        self._tiers = tiers
        self._clock = clock

    async def run_task(self, new: NewTask, *, wait_s: float) -> views.TaskAnswer:
        """Record, wait, answer. A queue that is restarted meanwhile is asked again: the task is on disk."""
        submitted = checked(await ask(self._runtime, names.QUEUE, Submit(new), SUBMIT_TIMEOUT_S))
        return shapes.answered(await self._final(submitted.task.id, wait_s))

    async def _final(self, task_id: str, wait_s: float) -> Task:
        deadline_s = self._runtime.clock.monotonic() + wait_s
        queue = self._runtime.named(names.QUEUE)
        while True:
            left_s = deadline_s - self._runtime.clock.monotonic()
            try:
                return checked(await queue.call(AwaitFinal(task_id), timeout_s=max(0.0, left_s)))
            except CallExit as exit_:
                if exit_.reason == TIMEOUT:
                    raise await self._still_pending(task_id, wait_s) from None
                if not await self._runtime.await_name(names.QUEUE, RESTART_PATIENCE_S):
                    raise restarting(names.QUEUE) from None
                await asyncio.sleep(0)

    async def _still_pending(self, task_id: str, wait_s: float) -> SymbiontError:
        task = await ask(self._runtime, names.QUEUE, Get(task_id))
        details: dict[str, object] = {"id": task_id}
        if not isinstance(task, NoSuchTask):
            details |= {"status": task.status.value, "waiting_for": task.waiting_for}
            details["not_before"] = None if task.not_before is None else rfc3339(task.not_before)
        message = f"task {task_id} is not finished after {wait_s:g} s; it goes on"
        return SymbiontError("STILL_PENDING", message, hint=f"symbiont task wait {task_id}", details=details)

    async def enqueue(self, new: NewTask) -> views.Queued:
        submitted = checked(await ask(self._runtime, names.QUEUE, Submit(new), SUBMIT_TIMEOUT_S))
        return views.Queued(submitted.task.id, "queued", submitted.position)

    async def cancel(self, task_id: str) -> views.TaskChanged:
        task = checked(await ask(self._runtime, names.QUEUE, Cancel(task_id)))
        return views.TaskChanged(task.id, task.status.value)

    async def retry(self, task_id: str) -> views.TaskChanged:
        task = checked(await ask(self._runtime, names.QUEUE, Retry(task_id)))
        return views.TaskChanged(task.id, task.status.value)

    async def heartbeat(self) -> views.Beat:
        return shapes.beat(await ask(self._runtime, names.HEARTBEAT, BeatNow(), timeout_s=30.0))

    async def wake(self) -> views.Woken:
        lifted = await ask(self._runtime, names.DISPATCHER, Wake(), timeout_s=30.0)
        return views.Woken(tuple(shapes.limit_view(limit, self._tiers.names) for limit in lifted))
