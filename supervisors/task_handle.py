"""The way to the result of a task (Elixir `Task.async`, `await`, `yield`, `shutdown`, `ignore`).

    handle = async_(partial(fetch, url))            # linked to the calling process, as in Elixir
    page = await handle                             # raises CallExit with the reason if the task failed
    page = await handle.result(within_s=3)          # … or, as `Timeout`, when it takes longer
    match await handle.poll(within_s=3):            # failure as a value; None: not yet
        case Ok(page): ...
        case Exited(reason): ...

Guarantees: only the process that made a handle may ask it (outside of any process: only code outside); a handle is settled once and
answers the same ever after; a caller that is cancelled while it waits leaves nothing behind. Once given up (a time-out of `result`,
`ignore`), a late result is dropped, and the handle answers `NoProc`, as a monitor set too late would.
Deviations from Elixir: `await` has no time-out unless it is told one, for the end of a task always comes and is always told; a
handle may be asked again; the exit message of a linked task that brought its result is taken out of the mailbox of an owner that
traps exits, because actors with a `terminate` do so unasked.
A linked task ends with its owner by the rules of links: an owner that ends normally does not take it along.
"""

import asyncio
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar, cast, final

from supervisors.errors import SupervisorsError
from supervisors.exits import KILLED, NOPROC, NORMAL, SHUTDOWN, TIMEOUT, CallExit, ExitReason
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.signals import current_process
from supervisors.spec import BRUTAL_KILL, WORKER_SHUTDOWN_S, BrutalKill
from supervisors.task_process import Job, TaskProcess, start, start_link

__all__ = ["Await", "Exited", "NotOwner", "Ok", "TaskHandle", "async_", "async_nolink", "outcome_of", "wait_for_some"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@final
@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The task returned `value`."""

    value: T_co


@final
@dataclass(frozen=True, slots=True)
class Exited:
    """The task ended without a result. A stream with `zip_input_on_exit` says for which `input`."""

    reason: ExitReason
    input: object = None


@final
@dataclass(frozen=True, slots=True)
class Await:
    """The `request` of the `CallExit` that a failed task raises where it is awaited."""

    within_s: float | None


class NotOwner(SupervisorsError):
    """A handle was asked by another process than the one that made it."""

    def __init__(self, label: str, owner: Process | None, asking: Process | None) -> None:
        names = ["no process" if each is None else each.label for each in (owner, asking)]
        super().__init__(f"expected the task {label} to be asked by {names[0]}, which owns it, got: {names[1]}")


class TaskHandle(Generic[T]):
    """A task, its owner, and its result once it is there. Not called `Task`, for asyncio has one."""

    def __init__(self, process: TaskProcess | None, *, linked: bool = False) -> None:
        self.process = process
        self.owner = current_process()
        self._is_linked = linked
        self._outcome: Ok[T] | Exited | None = None
        self._wakers: dict[Callable[[TaskHandle[Any]], object], None] = {}
        if process is not None:
            process.on_death(self._ended)

    @classmethod
    def completed(cls, value: T) -> "TaskHandle[T]":
        """A task that never ran, with its result (Elixir `Task.completed/1`)."""
        handle = cls(None)
        handle._outcome = Ok(value)
        return handle

    def __repr__(self) -> str:
        return f"<TaskHandle of {self.label}: {self._outcome or 'running'}>"

    @property
    def label(self) -> str:
        return "a completed task" if self.process is None else self.process.label

    @property
    def outcome(self) -> Ok[T] | Exited | None:
        """What the handle answers; None while the task runs. For whoever may see, not only for the owner."""
        return self._outcome

    # For the owner

    def __await__(self) -> Generator[Any, None, T]:
        return self.result().__await__()

    async def result(self, within_s: float | None = None) -> T:
        """What the task returned (Elixir `Task.await/2`).

        Raises `CallExit` with the reason it ended for, or with `Timeout`; then the task runs on, and its result is dropped.
        """
        outcome = await self.poll(within_s)
        if outcome is None:
            self.give_up()
            raise CallExit(TIMEOUT, self.label, Await(within_s))
        if isinstance(outcome, Exited):
            raise CallExit(outcome.reason, self.label, Await(within_s))
        return outcome.value

    async def poll(self, within_s: float | None = 0.0) -> Ok[T] | Exited | None:
        """How the task ended, None if it has not (Elixir `Task.yield/2`). It may be asked again."""
        self.check_owner()
        if self._outcome is None:
            await wait_for_some((self,), lambda _: True, within_s)
        return self._outcome

    async def shutdown(self, within_s: float | BrutalKill = WORKER_SHUTDOWN_S) -> Ok[T] | Exited | None:
        """End the task and wait for it: it is asked, and killed after `within_s`; `BRUTAL_KILL` kills at once (`Task.shutdown/2`).

        None if it ended as it was told to. A result that won the race is answered, and so is another reason, `Killed` among them.
        The task is unlinked first. Cancelled while it waits, it kills the task, for nobody else would.
        """
        self.check_owner()
        process = self.process
        if process is not None:
            self._unlink(process)
            await _end(process, within_s)
        outcome = self._outcome
        wanted = KILLED if within_s is BRUTAL_KILL else SHUTDOWN
        return None if isinstance(outcome, Exited) and outcome.reason == wanted else outcome

    def ignore(self) -> Ok[T] | Exited | None:
        """Unlink the task and drop what it will bring (Elixir `Task.ignore/1`). Answers what it has brought already."""
        self.check_owner()
        if self._outcome is None and self.process is not None:
            self._unlink(self.process)
            self.give_up()
            return None
        return self._outcome

    # For this package

    def check_owner(self) -> None:
        asking = current_process()
        if asking is not self.owner:
            raise NotOwner(self.label, self.owner, asking)

    def give_up(self) -> None:
        """Watch no more; a late result is dropped."""
        if self._outcome is None:
            self._settle(Exited(NOPROC))

    def wake_with(self, waker: "Callable[[TaskHandle[Any]], object]") -> None:
        """Call back when settled; only while `_outcome` is None."""
        self._wakers[waker] = None

    def wake_not(self, waker: "Callable[[TaskHandle[Any]], object]") -> None:
        self._wakers.pop(waker, None)

    def _ended(self, reason: ExitReason) -> None:
        process = self.process
        if self._outcome is None and process is not None:
            outcome = outcome_of(process, reason)
            if isinstance(outcome, Ok) and reason == NORMAL and self._is_linked:
                self._unlink(process)
            self._settle(cast("Ok[T] | Exited", outcome))

    def _settle(self, outcome: Ok[T] | Exited) -> None:
        self._outcome = outcome
        wakers, self._wakers = self._wakers, {}
        for waker in wakers:
            waker(self)

    def _unlink(self, process: TaskProcess) -> None:
        if self.owner is not None:
            self.owner.unlink(process, flush=True)


def outcome_of(process: TaskProcess, reason: ExitReason) -> Ok[object] | Exited:
    """A result wins over the reason, whatever that is."""
    try:
        return Ok(process.value)
    except LookupError:
        return Exited(reason)


async def _end(process: TaskProcess, within_s: float | BrutalKill) -> None:
    try:
        if not isinstance(within_s, BrutalKill):
            process.exit(SHUTDOWN)
            if within_s > 0:
                await process.ended(within_s)
    finally:
        process.exit(KILLED)  # nothing to the dead
    await process.ended()


class _Wait:
    """One wait for several tasks: asked at each end, over when `is_enough` says so, or with the time."""

    def __init__(self, runtime: Runtime, is_enough: "Callable[[TaskHandle[Any]], bool]") -> None:
        self._is_enough = is_enough
        self.future: asyncio.Future[None] = runtime.loop.create_future()

    def wake(self, handle: "TaskHandle[Any]") -> None:
        if self._is_enough(handle):
            self.end()

    def end(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


async def wait_for_some(
    handles: "Collection[TaskHandle[Any]]", is_enough: "Callable[[TaskHandle[Any]], bool]", within_s: float | None
) -> None:
    """Wait until `is_enough`, asked at each end of one of the running tasks, says so, or the time is up."""
    runtime = next((each.process.runtime for each in handles if each.process is not None), None)
    if runtime is None or (within_s is not None and within_s <= 0):
        return
    wait = _Wait(runtime, is_enough)
    for each in handles:
        each.wake_with(wait.wake)
    timer = None if within_s is None or within_s == inf else runtime.call_later(within_s, wait.end)
    try:
        await wait.future
    finally:
        if timer is not None:
            timer.cancel()
        for each in handles:
            each.wake_not(wait.wake)


def async_(job: Job[T], *, label: str = "", runtime: Runtime | None = None) -> TaskHandle[T]:
    """Run `job()` as a process linked to the calling one, which will want its result (Elixir `Task.async/1`)."""
    return TaskHandle(start_link(job, label=label, runtime=runtime), linked=True)


def async_nolink(job: Job[T], *, label: str = "", runtime: Runtime | None = None) -> TaskHandle[T]:
    """The same without the link: its failure is a value to who asks, and it outlives its owner. Prefer `Tasks.async_nolink`."""
    return TaskHandle(start(job, label=label, runtime=runtime))
