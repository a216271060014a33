"""The task of an actor whose callbacks wait: it runs one coroutine after another in one context, parked in between.

A task per actor instead of one per callback: whatever a library keeps per task (cancel scopes, context) stays in one place, and
an actor never has two. A coroutine given to `run` ends in one `done(result, error)`, called within the step of the task. When
the task itself ends though nobody retired it, `lost(error)` is called, from its done-callback: a loop that shuts down cancels
everything, and a task cancelled before its first step never runs its body.

A cancellation that comes out of a coroutine is taken back on the task (`uncancel`): the next coroutine, `terminate` perhaps,
must not find itself cancelled. Does not decide what an end means: that is the actor's business.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

__all__ = ["PASSED_ON", "Worker"]

Job = Coroutine[Any, Any, object]
Done = Callable[[object, BaseException | None], None]

PASSED_ON: Final = (KeyboardInterrupt, SystemExit)
"""What ends the program: noted like any crash, and passed on to the loop."""


class Worker:
    """One task. It is parked, or busy with one coroutine, or over."""

    __slots__ = ("_done", "_job", "_lost", "_parked", "_task", "busy")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        name: str,
        done: Done,
        lost: Callable[[BaseException | None], None],
    ) -> None:
        self._done: Done | None = done
        self._lost: Callable[[BaseException | None], None] | None = lost
        self._job: Job | None = None
        self._parked: asyncio.Future[None] | None = None
        self.busy = False
        self._task: asyncio.Task[None] | None = loop.create_task(self._work(loop), name=name, context=context)
        self._task.add_done_callback(self._ended)

    @property
    def task(self) -> "asyncio.Task[None] | None":
        return self._task

    def run(self, job: Job) -> None:
        """Begin with `job` in the task's next step. Only when not busy, and never from within that task."""
        self.busy = True
        self._job = job
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    def cancel(self) -> None:
        """Ask the coroutine under way to end."""
        if self._task is not None:
            self._task.cancel()

    def retire(self) -> None:
        """No more work is to come: end when the coroutine under way has ended, at once if there is none."""
        self._lost = None
        if not self.busy and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._lost is not None or self._job is not None:
            job, self._job = self._job, None
            if job is not None:
                await self._do(job)
            else:
                self._parked = loop.create_future()
                await self._parked

    async def _do(self, job: Job) -> None:
        try:
            result = await job
        except GeneratorExit:  # the loop is gone and the task with it
            raise
        except BaseException as error:
            self._take_back_cancellations()
            self._settle(None, error)
            if isinstance(error, PASSED_ON):
                raise
        else:
            self._settle(result, None)

    def _take_back_cancellations(self) -> None:
        task = self._task
        while task is not None and task.cancelling():
            task.uncancel()

    def _settle(self, result: object, error: BaseException | None) -> None:
        self.busy = False
        if self._done is not None:
            self._done(result, error)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._task = None  # task → context → process → worker → task would be a cycle
        self.busy = False
        if self._job is not None:
            self._job.close()
            self._job = None
        lost, self._lost, self._done = self._lost, None, None
        if lost is not None:
            lost(error)
