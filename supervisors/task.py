"""Tasks: processes that run one coroutine and end, and the supervisor that owns them (Elixir `Task`, `Task.Supervisor`).

    tasks = Tasks(runtime.named("tasks"))
    handle = await tasks.async_nolink(partial(fetch, url), label="fetch")
    page = await handle.result()           # raises CallExit with the reason if the task crashed

Guarantees: a task is a child like any other: supervised, counted, stopped with its supervisor, reported when it crashes,
and a crash of it touches nobody else, even if it is the call of `job` that fails. It takes no messages. An exit signal cancels it once: code that catches the
cancellation to end in order (and then returns) is given the patience of its specification, then killed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast, final

from supervisors.admin import ChildInfo
from supervisors.dynamic import DynamicSupervisor, ListChildren, StopChild, TooManyChildren
from supervisors.errors import SupervisorsError
from supervisors.exits import NOPROC, NORMAL, CallExit, ExitReason, Killed, error_of
from supervisors.process import CURRENT, Down, Exit, Process, State
from supervisors.ref import Address, From, Request
from supervisors.runtime import Runtime
from supervisors.spec import WORKER_SHUTDOWN_S, ChildSpec, Restart

__all__ = ["MaxChildren", "TaskHandle", "TaskProcess", "TaskSupervisor", "Tasks"]

T = TypeVar("T")
Job = Callable[[], Coroutine[Any, Any, T]]

_NO_VALUE: Final = object()


class MaxChildren(SupervisorsError):
    """The task supervisor has as many tasks as it may have."""

    def __init__(self, max_children: int) -> None:
        super().__init__(f"expected at most {max_children} tasks at a time, got: one more")
        self.max_children = max_children


class TaskProcess(Process):
    """A process that is one asyncio task."""

    __slots__ = ("_doomed", "_label", "_task", "_value")

    def __init__(self, runtime: Runtime, job: Job[object], *, label: str, parent: Process | None) -> None:
        self._label = label
        super().__init__(runtime, name=None, parent=parent)
        self._doomed: ExitReason | None = None
        self._value: object = _NO_VALUE
        context = copy_context()
        context.run(CURRENT.set, self)
        self._task: asyncio.Task[object] | None = runtime.loop.create_task(_run(job), name=label, context=context)
        self._task.add_done_callback(self._finished)
        self.state = State.RUNNING

    def _finished(self, task: "asyncio.Task[object]") -> None:
        self._task = None  # task → context → process → task would be a cycle
        if self.state is State.DEAD:
            self._came_back(task)
        elif task.cancelled():
            self.die(self._doomed or error_of(asyncio.CancelledError("the task cancelled itself")))
        elif (error := task.exception()) is not None:
            self.die(self._doomed or error_of(error))
        else:
            self._value = task.result()
            self.die(self._doomed or NORMAL)

    def _came_back(self, task: "asyncio.Task[object]") -> None:
        """It was declared dead and has ended at last: nobody waits for what it brings."""
        self.runtime.zombies.pop(self.pid, None)
        if not task.cancelled():
            task.exception()

    @property
    def value(self) -> object:
        """What the coroutine returned; raises `LookupError` if it did not."""
        if self._value is _NO_VALUE:
            raise LookupError(f"{self.label} returned nothing")
        return self._value

    def interrupt(self, reason: ExitReason) -> None:
        if self._doomed is None or isinstance(reason, Killed):
            self._doomed = reason
        if self._task is not None:
            self._task.cancel()

    def running_task(self) -> "asyncio.Task[Any] | None":
        return self._task

    # A task has no mailbox

    @property
    def label(self) -> str:
        return self._label

    def take_call(self, from_: From) -> None:
        raise CallExit(NOPROC, self.label, from_.request)

    def cast(self, message: object) -> bool:
        return False

    def send(self, message: object) -> bool:
        return False

    def post_signal(self, message: object) -> None:
        """Nobody would read it."""

    def request_stop(self, reason: ExitReason) -> None:
        self.interrupt(reason)

    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        """There is nothing to forget."""


async def _run(job: Job[T]) -> T:
    """So that the call of `job`, too, happens inside the task."""
    return await job()


class _TaskStart:
    """A `Start` kept for introspection only: the job itself is dropped, so that nothing of a temporary child lingers."""

    async def __call__(self, runtime: Runtime, parent: Process) -> Process | None:
        raise LookupError("a task is started once and never again")


_TASK_START: Final = _TaskStart()


@final
@dataclass(frozen=True, slots=True)
class _StartTask(Request[TaskProcess | TooManyChildren]):
    job: Job[object]
    spec: ChildSpec


class TaskSupervisor(DynamicSupervisor):
    """Owns temporary tasks; runs no code of theirs itself, so nothing a task does can end it."""

    def handle_call(self, request: object, from_: From) -> object:
        if not isinstance(request, _StartTask):
            return super().handle_call(request, from_)
        full = self._full()
        if full is not None:
            return full
        process = TaskProcess(self.runtime, request.job, label=request.spec.id, parent=self.me)
        self._children[process] = request.spec
        return process


class TaskHandle(Generic[T]):
    """A running task and the way to its result. Unlinked: the task does not end with whoever started it."""

    def __init__(self, process: TaskProcess) -> None:
        self.process = process

    async def result(self, within_s: float | None = None) -> T:
        """What the task returned. Raises `CallExit` with its exit reason, or `TimeoutError` (the task runs on)."""
        reason = await self.process.ended(within_s)
        if reason is None:
            raise TimeoutError(f"{self.process.label} did not end within {within_s} s")
        try:
            return cast("T", self.process.value)
        except LookupError:
            raise CallExit(reason, self.process.label, None) from None


class Tasks:
    """The client side of a task supervisor, wherever its name leads at the moment."""

    def __init__(self, supervisor: Address) -> None:
        self._supervisor = supervisor

    async def async_nolink(self, job: Job[T], *, label: str, shutdown_s: float = WORKER_SHUTDOWN_S) -> TaskHandle[T]:
        """Start `job()` as a task whose result somebody will await. Raises `MaxChildren`, or `CallExit` without a supervisor."""
        return TaskHandle(await self.start_child(job, label=label, shutdown_s=shutdown_s))

    async def start_child(self, job: Job[object], *, label: str, shutdown_s: float = WORKER_SHUTDOWN_S) -> TaskProcess:
        """Start `job()` and forget it. Raises `BadSpec` for a `shutdown_s` that makes no sense, here and not in the supervisor."""
        spec = ChildSpec(label, _TASK_START, Restart.TEMPORARY, shutdown_s)
        started = await self._supervisor.call(_StartTask(job, spec))
        if isinstance(started, TooManyChildren):
            raise MaxChildren(started.max_children)
        return started

    async def children(self) -> tuple[ChildInfo, ...]:
        return await self._supervisor.call(ListChildren())

    async def stop(self, process: Process) -> str:
        """Stop one task in order. Answers `ok` or `not_found`."""
        return await self._supervisor.call(StopChild(process), timeout_s=None)
