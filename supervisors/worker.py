"""The task of an actor whose callbacks wait: it runs one coroutine after another in one context, parked in between.

A task per actor instead of one per callback: whatever a library keeps per task (cancel scopes, time-outs, context) stays in one
place, and an actor never has two. The first step of a coroutine is taken at once, by `begin`, in the name of the task (asyncio,
"Extending": `_enter_task` and `_leave_task` exist for that): a callback that turns out not to wait costs no switch of tasks. One
that does wait is handed over, and ends in one `done(result, error)`, called within a step of the task.

When the task itself ends though nobody retired it, `lost(error)` is called, from its done-callback: a loop that shuts down cancels
everything, and a task cancelled before its first step never runs its body. A cancellation that comes out of a coroutine, or that
a coroutine left behind, is taken back on the task (`uncancel`): the next coroutine, `terminate` perhaps, must not find itself
cancelled. Does not decide what an end means: that is the actor's business.
"""

import asyncio
from asyncio.tasks import (  # asyncio's own documentation ("Extending") offers both, though the names look private
    _enter_task,  # pyright: ignore[reportPrivateUsage]
    _leave_task,  # pyright: ignore[reportPrivateUsage]
)
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from enum import Enum
from types import coroutine
from typing import Any, Final, Literal, cast

from supervisors.exits import leaves

__all__ = ["PASSED_ON", "WAITING", "Worker"]

Job = Coroutine[Any, Any, object]
Done = Callable[[object, BaseException | None], None]

PASSED_ON: Final = (KeyboardInterrupt, SystemExit)
"""What ends the program: noted like any crash, and passed on to the loop."""


class _Mark(Enum):
    WAITING = "waiting"


WAITING: Final[Literal[_Mark.WAITING]] = _Mark.WAITING
"""What `begin` answers when the coroutine waits for something: `done` is called later."""


class Worker:
    """One task. It is parked, or busy with one coroutine, or over."""

    __slots__ = ("_awaited", "_begun", "_cancels", "_done", "_job", "_loop", "_lost", "_parked", "_task", "busy")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        name: str,
        done: Done,
        lost: Callable[[BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._done: Done | None = done
        self._lost: Callable[[BaseException | None], None] | None = lost
        self._job: Job | None = None  # begun, or to be begun; the task has not taken it over yet
        self._awaited: object = None  # what the job of `_job` waits for
        self._begun = False  # whether `_job` has had its first step
        self._cancels = False  # whether `_job` is to find itself cancelled
        self._parked: asyncio.Future[None] | None = None
        self.busy = False
        self._task: asyncio.Task[None] | None = loop.create_task(self._work(), name=name, context=context)
        self._task.add_done_callback(self._ended)

    @property
    def task(self) -> "asyncio.Task[None] | None":
        return self._task

    # From the actor's turn

    def begin(self, job: Job) -> object:
        """Take the first step of `job` here and now, in the task's name and the caller's context, which has to be the actor's.

        Returns or raises what the job does, or answers `WAITING`. Only when not busy, and never within a step of the task.
        A task that is not parked, because it is new, takes the first step itself.
        """
        task = self._task
        if task is None or self._parked is None:
            return self.begin_later(job)
        outer = asyncio.current_task(self._loop)
        if outer is not None:
            _leave_task(self._loop, outer)
        _enter_task(self._loop, task)
        self.busy = True
        try:
            awaited = job.send(None)
        except StopIteration as end:
            self.busy = False
            return end.value
        except BaseException as error:
            self.busy = False
            _pass_on(error)
            raise
        finally:
            _leave_task(self._loop, task)
            if outer is not None:
                _enter_task(self._loop, outer)
            if not self.busy and task.cancelling():
                self._forgive()
        self._take_over(job, awaited, begun=True)
        return WAITING

    def begin_later(self, job: Job) -> object:
        """The same with the first step in the task's own next one."""
        if self._task is None:  # the loop is shutting down
            job.close()
            raise asyncio.CancelledError
        self.busy = True
        self._take_over(job, None, begun=False)
        return WAITING

    def _forgive(self) -> None:
        """The job cancelled its own task and was through before it could be hit: nobody is to be hit instead."""
        self._take_back_cancellations()
        self._parked = None  # cancelled, too: `_park` sees that it was not meant

    def _take_over(self, job: Job, awaited: object, *, begun: bool) -> None:
        self._job, self._awaited, self._begun, self._cancels = job, awaited, begun, False
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    def cancel(self) -> None:
        """Ask the coroutine under way to end."""
        if self._job is not None:
            self._cancels = True
        elif self._task is not None:
            self._task.cancel()

    def retire(self) -> None:
        """No more work is to come: end when the coroutine under way has ended, at once if there is none."""
        self._lost = None
        if not self.busy and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    # In the task

    async def _work(self) -> None:
        while self._lost is not None or self._job is not None:
            if self._job is None:
                await self._park()
            if self._job is not None:
                await self._do(self._continued())

    async def _park(self) -> None:
        self._parked = parked = self._loop.create_future()
        try:
            await parked
        except asyncio.CancelledError:
            if self._job is not None:  # meant for the job, by a time-out of its own perhaps
                self._cancels = True
            elif self._parked is parked:
                raise
        finally:
            self._parked = None

    def _continued(self) -> Awaitable[object]:
        job, self._job = cast("Job", self._job), None
        awaited, self._awaited = self._awaited, None
        if not self._begun:
            return _cancelled(job) if self._cancels else job
        if self._cancels and not _cancel(awaited):
            return _rest(job, lambda: job.throw(asyncio.CancelledError()))
        return _rest(job, lambda: awaited)

    async def _do(self, job: Awaitable[object]) -> None:
        try:
            result = await job
        except GeneratorExit:  # the loop is gone and the task with it
            raise
        except BaseException as error:  # noqa: BLE001 -- a callback may raise anything
            self._take_back_cancellations()
            self._settle(None, error)
            _pass_on(error)  # whatever else it is, it is the actor's business
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
            with suppress(RuntimeError):  # it ignores even that; there is no task left to run it
                self._job.close()
            self._job = None
        lost, self._lost, self._done = self._lost, None, None
        if lost is not None:
            lost(error)


def _pass_on(error: BaseException) -> None:
    """Raise what ends the program, if it is that, or a group in which that is."""
    for each in leaves(error):
        if isinstance(each, PASSED_ON):
            raise each


async def _cancelled(job: Job) -> object:
    """A job that was cancelled before its first step never runs, like a task."""
    job.close()
    raise asyncio.CancelledError


def _cancel(awaited: object) -> bool:
    """As a task does that waits for a future; False if it is none, or done."""
    return isinstance(awaited, asyncio.Future) and awaited.cancel()


@coroutine
def _rest(job: Job, next_awaited: Callable[[], object]) -> Generator[Any, None, object]:
    """What is left of a job that has been begun: wait for what it waits for, then let it go on."""
    try:
        awaited = next_awaited()
    except StopIteration as end:
        return end.value
    try:
        yield awaited
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the job's to handle
        thrown = error
    else:
        return (yield from cast("Generator[Any, None, object]", job))
    rest = _rest(job, lambda: job.throw(thrown))
    return (yield from cast("Generator[Any, None, object]", rest))
