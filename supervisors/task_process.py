"""Processes that are one asyncio task (Elixir `Task.start`, `Task.start_link`, `Task.Supervised`).

    process = start(partial(fetch, url))            # nobody is told how it ends
    process = start_link(partial(fetch, url))       # … but the process that started it, by a link

Guarantees: a crash of the job, even of the call of it, is the end of this process and touches nobody but those linked to it; the
code runs with a copy of the context variables of whoever started it. `raise ExitWith(reason)` in it is `exit(Reason)`. An exit signal cancels it once: code that catches the
cancellation to end in order (and then returns) ends for the reason of the signal. A task takes no messages.
Does not hand the result over: that is the business of `task_handle`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar, final

from supervisors.events import Crashed
from supervisors.exits import NOPROC, NORMAL, CallExit, ExitReason, Killed, error_of, reason_of
from supervisors.obituary import crashed
from supervisors.process import Process
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.signals import CURRENT, Down, Exit, State, current_process

__all__ = ["Job", "Mailless", "TaskProcess", "TaskStart", "ancestors", "callers", "runtime_here", "start", "start_link"]

T = TypeVar("T")
Job = Callable[[], Coroutine[Any, Any, T]]

MOST_CALLERS: Final = 32
"""A task that starts its successor, and so on, must not keep them all."""

_NO_VALUE: Final = object()


class Mailless(Process):
    """A process without a mailbox: what is sent to it is lost, and calls of it fail."""

    __slots__ = ()

    def __init__(self, runtime: Runtime, *, label: str, parent: Process | None) -> None:
        super().__init__(runtime, name=None, label=label, parent=parent)

    def take_call(self, from_: From) -> None:
        raise CallExit(NOPROC, self.label, from_.request)

    def cast(self, message: object) -> bool:
        return False

    def send(self, message: object) -> bool:
        return False

    def post_signal(self, message: object) -> None:
        """Nobody would read it."""

    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        """There is nothing to forget."""

    def request_stop(self, reason: ExitReason) -> None:
        self.interrupt(reason)


class TaskProcess(Mailless):
    """Runs one coroutine. `on_behalf_of`: who started it, and on whose behalf that one runs, and so on (Elixir `$callers`)."""

    __slots__ = ("_runs", "_task", "_value", "on_behalf_of")

    def __init__(self, runtime: Runtime, what: "TaskStart", parent: Process | None) -> None:
        super().__init__(runtime, label=what.label or name_of(what.job), parent=parent)
        self.on_behalf_of = callers_of(what.owner)
        self._runs = what.job
        self._value: object = _NO_VALUE
        context = what.context.copy()
        context.run(CURRENT.set, self)
        self._task: asyncio.Task[object] | None = runtime.loop.create_task(
            _run(what.job), name=self.label, context=context
        )
        self._task.add_done_callback(self._finished)
        self.state = State.RUNNING

    def _finished(self, task: "asyncio.Task[object]") -> None:
        self._task = None  # task → context → process → task would be a cycle
        if self.state is State.DEAD:
            self._came_back(task)
        elif task.cancelled():
            self.die(self._doomed or error_of(asyncio.CancelledError("the task cancelled itself")))
        elif (error := task.exception()) is not None:
            self.die(self._doomed or reason_of(error))
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

    # Reports

    def _obituary(self, reason: ExitReason) -> Crashed:
        """Elixir's report of a terminated task: what it ran, and who started it."""
        runs = name_of(self._runs)
        if self.on_behalf_of:
            runs = f"{runs}, started from {self.on_behalf_of[0].label}"
        return crashed(self, reason, runs=runs, reductions=0)

    def die(self, reason: ExitReason) -> None:
        super().die(reason)
        self._runs = _gone  # the job may hold much, and the process is kept by who wants its value


async def _run(job: Job[T]) -> T:
    """So that the call of `job`, too, happens inside the task."""
    return await job()


async def _gone() -> object:
    raise LookupError("a task is over when it has ended")


@final
@dataclass(frozen=True, slots=True, eq=False)
class TaskStart:
    """How a task is started: alone, or as a child (Elixir `Task.child_spec/1`): `ChildSpec("sync", TaskStart(sync))`.

    Remembers who asked for it, and the context variables of that moment.
    """

    job: Job[object]
    label: str = ""
    owner: Process | None = field(default_factory=current_process)
    context: Context = field(default_factory=copy_context)

    def begin(self, runtime: Runtime, parent: Process | None) -> TaskProcess:
        return TaskProcess(runtime, self, parent)

    def __call__(self, runtime: Runtime, parent: Process) -> TaskProcess:
        return self.begin(runtime, parent)


def start(job: Job[object], *, label: str = "", runtime: Runtime | None = None) -> TaskProcess:
    """Run `job()` as a process of its own, tied to nobody (Elixir `Task.start/1`). Outside of any process, say in which runtime."""
    return TaskStart(job, label).begin(runtime or runtime_here(), None)


def start_link(job: Job[object], *, label: str = "", runtime: Runtime | None = None) -> TaskProcess:
    """The same linked to the calling process, if there is one (Elixir `Task.start_link/1`): neither crashes alone."""
    return TaskStart(job, label).begin(runtime or runtime_here(), current_process())


def runtime_here() -> Runtime:
    """The runtime of the process whose code is running."""
    here = current_process()
    if here is None:
        raise LookupError("expected a runtime to be given outside of any process, got: none")
    return here.runtime


def name_of(job: Callable[..., object]) -> str:
    """For people: what a job is called in the source."""
    while isinstance(job, partial):
        job = job.func
    return str(getattr(job, "__qualname__", type(job).__qualname__))


def callers(process: Process | None = None) -> tuple[Process, ...]:
    """On whose behalf `process` (by default the current one) runs, the nearest first (Elixir `$callers`). Empty unless it is a task."""
    process = process or current_process()
    return process.on_behalf_of if isinstance(process, TaskProcess) else ()


def callers_of(owner: Process | None) -> tuple[Process, ...]:
    """The chain of whatever `owner` starts."""
    return () if owner is None else (owner, *callers(owner)[: MOST_CALLERS - 1])


def ancestors(process: Process | None = None) -> tuple[Process, ...]:
    """The parent of `process` (by default the current one), its parent, and so on (Erlang `$ancestors`)."""

    def line(of: Process | None) -> Iterator[Process]:
        while of is not None:
            yield of
            of = of.parent

    process = process or current_process()
    return tuple(line(process.parent)) if process is not None else ()
