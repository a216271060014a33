"""Supervised tasks, and the map of all that concerns tasks (Elixir `Task`, `Task.Supervisor`).

    tasks = Tasks(runtime.named("tasks"))           # the name of a TaskSupervisor
    handle = await tasks.async_nolink(partial(fetch, url), label="fetch")
    page = await handle                             # raises CallExit with the reason if the task crashed

| Elixir                                          | here                                                  | in            |
|-------------------------------------------------|-------------------------------------------------------|---------------|
| `Task.start`, `Task.start_link`                 | `start(job)`, `start_link(job)`                       | task_process  |
| `Task.child_spec`                               | `ChildSpec(id, TaskStart(job), Restart.TEMPORARY)`    | task_process  |
| `$callers`, `$ancestors`                        | `callers()`, `ancestors()`                            | task_process  |
| `Task.async`, `Task.completed`                  | `async_(job)`, `TaskHandle.completed(value)`          | task_handle   |
| `Task.await(task, t)`                           | `await handle`, `await handle.result(t)`              | task_handle   |
| `Task.yield(task, t)`                           | `await handle.poll(t)`: `Ok`, `Exited` or None        | task_handle   |
| `Task.shutdown(task, t)`                        | `await handle.shutdown(t)`, `BRUTAL_KILL` as in specs | task_handle   |
| `Task.ignore`                                   | `handle.ignore()`                                     | task_handle   |
| `Task.await_many`, `Task.yield_many`            | `await_many(handles, t)`, `poll_many(handles, t, …)`  | task_many     |
| `Task.async_stream`                             | `async_stream(inputs, work, …)`                       | task_stream   |
| `Task.Supervisor`                               | `TaskSupervisor`, asked through `Tasks`               | here          |
| `.async`, `.async_nolink`, `.start_child`       | the same names with `_` after `async`                 | here          |
| `.async_stream`, `.async_stream_nolink`         | the same names                                        | here          |
| `.children`, `.terminate_child`                 | `children()`, `stop(process)`                         | here          |
| module, function, arguments                     | `functools.partial`                                   |               |

Guarantees: a task is a child like any other: supervised, counted, stopped with its supervisor, reported when it crashes. One that is
not linked to its caller hurts nobody when it fails. Who is cancelled while a task with a result is being started leaves none behind.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack, final

from supervisors.admin import ChildInfo
from supervisors.dynamic import DynamicSupervisor, ListChildren, StopChild, TooManyChildren
from supervisors.errors import SupervisorsError
from supervisors.exits import SHUTDOWN
from supervisors.process import Process
from supervisors.ref import Address, From, Request
from supervisors.runtime import Runtime
from supervisors.signals import current_process
from supervisors.spec import WORKER_SHUTDOWN_S, BrutalKill, ChildSpec, Restart
from supervisors.task_handle import Exited, NotOwner, Ok, TaskHandle, async_
from supervisors.task_keeper import Options
from supervisors.task_many import await_many, poll_many
from supervisors.task_process import Job, TaskProcess, TaskStart, ancestors, callers, name_of, start, start_link
from supervisors.task_stream import StreamOptions, TaskStream, async_stream

__all__ = [
    "Exited",
    "Job",
    "MaxChildren",
    "NotOwner",
    "Ok",
    "TaskHandle",
    "TaskProcess",
    "TaskStart",
    "TaskStream",
    "TaskSupervisor",
    "Tasks",
    "ancestors",
    "async_",
    "async_stream",
    "await_many",
    "callers",
    "poll_many",
    "start",
    "start_link",
]

A = TypeVar("A")
T = TypeVar("T")

Adopt = Callable[[TaskProcess], None]


class MaxChildren(SupervisorsError):
    """The task supervisor has as many tasks as it may have."""

    def __init__(self, max_children: int) -> None:
        super().__init__(f"expected at most {max_children} tasks at a time, got: one more")
        self.max_children = max_children


@final
@dataclass(frozen=True, slots=True)
class _StartTask(Request[TaskProcess | TooManyChildren]):
    """`adopt` is called with the task in the turn of its start."""

    what: TaskStart
    spec: ChildSpec
    adopt: Adopt | None = None


class TaskSupervisor(DynamicSupervisor):
    """Owns tasks, temporary ones unless told otherwise; runs no code of theirs itself, so nothing a task does can end it."""

    def handle_call(self, request: object, from_: From) -> object:
        if not isinstance(request, _StartTask):
            return super().handle_call(request, from_)
        full = self._full()
        if full is not None:
            return full
        process = request.what.begin(self.runtime, self.me)
        self._keep(process, request.spec)
        if request.adopt is not None:
            request.adopt(process)
        return process


class _Claim:
    """Takes over the task of a handle as soon as it is there; when given up before or after that, ends it."""

    def __init__(self, linked_to: Process | None) -> None:
        self._linked_to = linked_to
        self._process: TaskProcess | None = None
        self._is_given_up = False

    def take(self, process: TaskProcess) -> None:
        self._process = process
        if self._is_given_up or (self._linked_to is not None and not self._linked_to.alive):
            process.exit(SHUTDOWN)
        elif self._linked_to is not None:
            self._linked_to.link(process)

    def give_up(self) -> None:
        self._is_given_up = True
        if self._process is not None:
            self._process.exit(SHUTDOWN)


class Tasks:
    """The client side of a task supervisor, wherever its name leads at the moment.

    All that starts something raises `MaxChildren`, `CallExit` without a supervisor, and `BadSpec` for a `shutdown_s` that makes no
    sense, here and not in the supervisor.
    """

    def __init__(self, supervisor: Address) -> None:
        self._supervisor = supervisor

    async def async_(
        self, job: Job[T], *, label: str = "", shutdown_s: float | BrutalKill = WORKER_SHUTDOWN_S
    ) -> TaskHandle[T]:
        """Start `job()` as a task linked to the caller, too: neither crashes alone (Elixir `Task.Supervisor.async/3`)."""
        return await self._handle(job, label, shutdown_s, current_process())

    async def async_nolink(
        self, job: Job[T], *, label: str = "", shutdown_s: float | BrutalKill = WORKER_SHUTDOWN_S
    ) -> TaskHandle[T]:
        """Start `job()` as a task whose failure is the caller's to see, not to share. It goes on when the caller ends."""
        return await self._handle(job, label, shutdown_s, None)

    async def _handle(
        self, job: Job[T], label: str, shutdown_s: float | BrutalKill, linked_to: Process | None
    ) -> TaskHandle[T]:
        claim = _Claim(linked_to)
        try:
            process = await self._start(TaskStart(job, label), Restart.TEMPORARY, shutdown_s, claim.take)
        except asyncio.CancelledError:
            claim.give_up()
            raise
        return TaskHandle(process, linked=linked_to is not None)

    async def start_child(
        self,
        job: Job[object],
        *,
        label: str = "",
        shutdown_s: float | BrutalKill = WORKER_SHUTDOWN_S,
        restart: Restart = Restart.TEMPORARY,
    ) -> TaskProcess:
        """Start `job()` and forget it. With another `restart` it is run again, like any child, and must bear that."""
        return await self._start(TaskStart(job, label), restart, shutdown_s, None)

    async def _start(
        self, what: TaskStart, restart: Restart, shutdown_s: float | BrutalKill, adopt: Adopt | None
    ) -> TaskProcess:
        id_ = what.label or name_of(what.job)
        spec = ChildSpec(
            id_, what, restart, shutdown_s, modules=(TaskProcess,)
        )  # and not `what`: it would keep the job
        started = await self._supervisor.call(_StartTask(what, spec, adopt))
        if isinstance(started, TooManyChildren):
            raise MaxChildren(started.max_children)
        return started

    def async_stream(
        self,
        inputs: Iterable[A] | AsyncIterable[A],
        work: Callable[[A], Coroutine[Any, Any, T]],
        *,
        runtime: Runtime | None = None,
        **options: Unpack[StreamOptions],
    ) -> TaskStream[A, T]:
        """A stream of tasks under this supervisor, linked to who takes the results. See `task_stream`."""
        return self._stream(inputs, work, runtime, Options(**options), is_linked=True)

    def async_stream_nolink(
        self,
        inputs: Iterable[A] | AsyncIterable[A],
        work: Callable[[A], Coroutine[Any, Any, T]],
        *,
        runtime: Runtime | None = None,
        **options: Unpack[StreamOptions],
    ) -> TaskStream[A, T]:
        """The same without the links: a task that fails is an `Exited` among the results."""
        return self._stream(inputs, work, runtime, Options(**options), is_linked=False)

    def _stream(
        self,
        inputs: Iterable[A] | AsyncIterable[A],
        work: Callable[[A], Coroutine[Any, Any, T]],
        runtime: Runtime | None,
        options: Options,
        *,
        is_linked: bool,
    ) -> TaskStream[A, T]:
        async def begin(what: TaskStart, adopt: Adopt) -> None:
            owner = current_process() if is_linked else None

            def take(process: TaskProcess) -> None:
                if owner is not None:
                    owner.link(process)
                adopt(process)

            await self._start(what, Restart.TEMPORARY, options.shutdown_s, take)

        return TaskStream(inputs, work, begin, runtime, options)

    async def children(self) -> tuple[ChildInfo, ...]:
        return await self._supervisor.call(ListChildren())

    async def stop(self, process: Process) -> str:
        """Stop one task in order. Answers `ok` or `not_found`."""
        return await self._supervisor.call(StopChild(process), timeout_s=None)
