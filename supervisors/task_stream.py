"""Streams of tasks: one for each input, so many at a time, the results one by one (Elixir `Task.async_stream`).

    async for outcome in async_stream(urls, fetch, max_concurrency=4):
        ...                                        # Ok(page), or Exited(reason)

Guarantees: at most `max_concurrency` run at a time; an input is taken only when there is room for its task; results come in the order
of the inputs unless `ordered=False`; a task that takes longer than `timeout_s` ends the stream with `CallExit` (`Timeout`), or with
`on_timeout="kill_task"` alone, as `Exited(TIMEOUT)`. Tasks are linked to who takes the results: one that crashes ends it, unless it
traps exits (or is no process); `Tasks.async_stream_nolink` makes failures values for everybody.
Whatever ends the stream early (`break`, `aclose`, an exception, a cancellation, the end of the owner) ends its tasks: they are asked,
and killed after `shutdown_s`. After `break` that happens when the iterator is let go of, which `async for` does at once; use
`async with` to wait until it is done. Results of an ordered stream that wait for a slow one are kept, however many, as in Elixir.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypedDict, TypeVar, Unpack

from supervisors.exits import TIMEOUT, CallExit
from supervisors.runtime import Runtime
from supervisors.signals import current_process
from supervisors.spec import BrutalKill
from supervisors.task_handle import Await, Exited, Ok
from supervisors.task_keeper import OnTimeout, Options, Slot, StreamKeeper
from supervisors.task_process import TaskProcess, TaskStart, name_of, runtime_here
from supervisors.task_source import EXHAUSTED, NOT_YET, Source

__all__ = ["Begin", "StreamOptions", "TaskStream", "async_stream"]

A = TypeVar("A")
T = TypeVar("T")

Begin = Callable[[TaskStart, Callable[[TaskProcess], None]], Awaitable[None]]
"""Starts a task; hands it over in the same turn of the loop, so that a cancellation cannot come between."""


class StreamOptions(TypedDict, total=False):
    """See `Options`, where the defaults are."""

    max_concurrency: int
    ordered: bool
    timeout_s: float
    on_timeout: OnTimeout
    zip_input_on_exit: bool
    shutdown_s: float | BrutalKill


class TaskStream(Generic[A, T]):
    """An asynchronous iterator, good for one pass. Whoever takes the first result owns it."""

    def __init__(
        self,
        inputs: Iterable[A] | AsyncIterable[A],
        work: Callable[[A], Coroutine[Any, Any, T]],
        begin: Begin,
        runtime: Runtime | None,
        options: Options,
    ) -> None:
        self._inputs = inputs
        self._work = work
        self._begin = begin
        self._runtime = runtime
        self._options = options
        self._running: tuple[StreamKeeper, Source[A]] | None = None
        self._is_exhausted = False
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Ok[T] | Exited:
        if self._is_over:
            raise StopAsyncIteration
        keeper, source = self._running or self._open()
        try:
            outcome = await self._next(keeper, source)
        except Exception:
            await self.aclose()
            raise
        except BaseException:
            self._abandon(keeper, source)  # no time to wait for anything
            raise
        if outcome is None:
            await self.aclose()
            raise StopAsyncIteration
        return outcome

    async def aclose(self) -> None:
        """End the stream early; returns when its tasks are over."""
        self._is_over = True
        running, self._running = self._running, None
        if running is not None:
            keeper, source = running
            keeper.close()
            await keeper.ended()
            await source.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._running is not None:
            keeper, source = self._running
            if not keeper.runtime.loop.is_closed():  # the collector may run in any thread
                keeper.runtime.loop.call_soon_threadsafe(_close, keeper, source)

    def _open(self) -> tuple[StreamKeeper, Source[A]]:
        runtime = self._runtime or runtime_here()
        keeper = StreamKeeper(runtime, current_process(), self._options, f"stream of {name_of(self._work)}")
        self._running = (keeper, Source(self._inputs, keeper.wake))
        return self._running

    def _abandon(self, keeper: StreamKeeper, source: Source[A]) -> None:
        self._is_over, self._running = True, None
        _close(keeper, source)

    async def _next(self, keeper: StreamKeeper, source: Source[A]) -> Ok[T] | Exited | None:
        """The next result; None at the end."""
        while True:
            outcome = keeper.take()
            if outcome is not None:
                return outcome
            if keeper.overdue is not None:
                raise CallExit(TIMEOUT, keeper.overdue.label, Await(self._options.timeout_s))
            is_waiting = not await self._start_another(keeper, source)
            if is_waiting and self._is_exhausted and not keeper.running:
                return None
            if is_waiting:
                await keeper.changed()

    async def _start_another(self, keeper: StreamKeeper, source: Source[A]) -> bool:
        """Whether there were room and input for one more."""
        if self._is_exhausted or not keeper.has_room:
            return False
        item = source.take()
        if item is NOT_YET:
            return False
        if item is EXHAUSTED:
            self._is_exhausted = True
            return True
        await self._begin(TaskStart(partial(self._work, item)), partial(keeper.adopt, Slot(item)))
        return True


def _close(keeper: StreamKeeper, source: Source[Any]) -> None:
    keeper.close()
    source.abandon()


def async_stream(
    inputs: Iterable[A] | AsyncIterable[A],
    work: Callable[[A], Coroutine[Any, Any, T]],
    *,
    runtime: Runtime | None = None,
    **options: Unpack[StreamOptions],
) -> TaskStream[A, T]:
    """Run `work(input)` for each input, linked to who takes the results. Outside of any process, say in which runtime."""

    async def begin(what: TaskStart, adopt: Callable[[TaskProcess], None]) -> None:
        adopt(what.begin(runtime or runtime_here(), current_process()))

    return TaskStream(inputs, work, begin, runtime, Options(**options))
