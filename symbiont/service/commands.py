"""What a running Symbiont can be told to do."""

import asyncio

from supervisors import CallExit, MailboxFull, Runtime
from supervisors.exits import NOPROC, TIMEOUT
from symbiont.actors import names
from symbiont.actors.dispatcher import Wake
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import (
    AwaitFinal,
    Cancel,
    Get,
    ListTasks,
    NoSuchTask,
    Retry,
    Submit,
    Submitted,
)
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Task, asked_for
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock
from symbiont.service import shapes, views
from symbiont.service.asking import ask, checked, no_room, restarting
from symbiont.service.standstill import with_reasons

SUBMIT_TIMEOUT_S = 30.0
RESTART_PATIENCE_S = 5.0

LOOK_BACK = 10_000
"""Tasks among which one is looked for that may have been recorded."""


class Commands:
    """`is_closing` is set once Symbiont is being taken down, so that whoever waits is told so."""

    is_closing = False

    def __init__(self, runtime: Runtime, *, tiers: TierTable, clock: Clock) -> None:
        self._runtime = runtime
        self._tiers = tiers
        self._clock = clock
        self._given: dict[str, None] = {}  # the latest tasks that somebody was given as their own

    async def run_task(self, new: NewTask, *, wait_s: float) -> views.TaskAnswer:
        """Record, wait, answer. A queue that is restarted meanwhile is asked again: the task is on disk.

        Who is cut off while waiting is told the id: sending the task again would pay for it twice.
        """
        submitted = await self._recorded(new)
        try:
            return shapes.answered(await self._final(submitted.task.id, wait_s))
        except asyncio.CancelledError:
            raise self._cut_off(submitted.task.id) from None

    async def _recorded(self, new: NewTask) -> Submitted:
        since = rfc3339(self._clock.wall())
        try:
            return self._give(checked(await self._runtime.named(names.QUEUE).call(Submit(new), SUBMIT_TIMEOUT_S)))
        except CallExit as exit_:
            if exit_.reason == NOPROC:
                raise restarting(names.QUEUE) from None
            return await self._found_again(new, since)
        except MailboxFull as full:
            raise no_room(names.QUEUE, full) from None
        except asyncio.CancelledError:
            raise _perhaps_recorded() from None

    async def _found_again(self, new: NewTask, since: str) -> Submitted:
        """The queue went away while it wrote: its next life knows what is on disk. Raises `RESTARTING` if the task is not.
        With a key it is simply told again. Without one, what another request was given is not this one's, be it word for word the same.
        """
        if not await self._runtime.await_name(names.QUEUE, RESTART_PATIENCE_S):
            raise _perhaps_recorded()
        if new.key:
            return checked(await ask(self._runtime, names.QUEUE, Submit(new), SUBMIT_TIMEOUT_S))
        page = await ask(self._runtime, names.QUEUE, ListTasks(None, LOOK_BACK))
        for task in reversed(page.tasks):
            if task.created_at >= since and task.id not in self._given and asked_for(task) == new:
                return self._give(Submitted(task, position=1))
        raise restarting(names.QUEUE)

    def _give(self, submitted: Submitted) -> Submitted:
        self._given[submitted.task.id] = None
        if len(self._given) > LOOK_BACK:
            del self._given[next(iter(self._given))]
        return submitted

    async def _final(self, task_id: str, wait_s: float) -> Task:
        deadline_s = self._runtime.clock.monotonic() + wait_s
        queue = self._runtime.named(names.QUEUE)
        while True:
            left_s = deadline_s - self._runtime.clock.monotonic()
            try:
                answer = await queue.call(AwaitFinal(task_id), timeout_s=max(0.0, left_s))
                if isinstance(answer, Refused):
                    raise _kept(task_id, answer)
                return checked(answer)
            except CallExit as exit_:
                if exit_.reason == TIMEOUT:
                    raise await self._still_pending(task_id, wait_s) from None
                if not await self._runtime.await_name(names.QUEUE, RESTART_PATIENCE_S):
                    raise self._cut_off(task_id) from None
                await asyncio.sleep(0)

    async def _still_pending(self, task_id: str, wait_s: float) -> SymbiontError:
        found = await ask(self._runtime, names.QUEUE, Get(task_id))
        details: dict[str, object] = {"id": task_id}
        if not isinstance(found, NoSuchTask):
            (task,) = await with_reasons(self._runtime, self._tiers, [found])
            details |= {"status": task.status.value, "waiting_for": task.waiting_for}
            details["not_before"] = None if task.not_before is None else rfc3339(task.not_before)
        message = f"expected {task_id} to be finished within {wait_s:g} s, got: {details.get('status', 'nothing')}; it goes on"
        return SymbiontError("STILL_PENDING", message, hint=f"symbiont task wait {task_id}", details=details)

    def _cut_off(self, task_id: str) -> SymbiontError:
        state = (
            "shutting down; the task goes on at the next start" if self.is_closing else "restarting; the task goes on"
        )
        message = f"expected {task_id} to be finished, got: Symbiont is {state}"
        return SymbiontError("STILL_PENDING", message, hint=f"symbiont task wait {task_id}", details={"id": task_id})

    async def enqueue(self, new: NewTask) -> views.Queued:
        submitted = await self._recorded(new)
        return views.Queued(submitted.task.id, "queued", submitted.position)

    async def cancel(self, task_id: str) -> views.TaskChanged:
        task = checked(await ask(self._runtime, names.QUEUE, Cancel(task_id)), allowed="pending or processing")
        return views.TaskChanged(task.id, task.status.value)

    async def retry(self, task_id: str) -> views.TaskChanged:
        task = checked(await ask(self._runtime, names.QUEUE, Retry(task_id)), allowed="failed or cancelled")
        return views.TaskChanged(task.id, task.status.value)

    async def heartbeat(self) -> views.Beat:
        return shapes.beat(await ask(self._runtime, names.HEARTBEAT, BeatNow(), timeout_s=30.0))

    async def wake(self) -> views.Woken:
        lifted = await ask(self._runtime, names.DISPATCHER, Wake(), timeout_s=30.0)
        return views.Woken(tuple(shapes.limit_view(limit, self._tiers.names) for limit in lifted))


def _perhaps_recorded() -> SymbiontError:
    """The queue went away while it wrote: only the list of tasks tells."""
    message = "expected to hear that the task was recorded, got: nothing, for the queue is being restarted or shut down"
    return SymbiontError("OUTCOME_UNKNOWN", message, hint="before you send it again: symbiont task list")


def _kept(task_id: str, refused: Refused) -> SymbiontError:
    message = (
        f"expected the disk to take the beginning of {task_id}, got: {refused.reason}; it begins when there is room"
    )
    return SymbiontError(
        "STORAGE_REFUSED", message, hint=f"df -h; symbiont task wait {task_id}", details={"id": task_id}
    )
