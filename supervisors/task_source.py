"""The inputs of a stream of tasks, one at a time: any iterable, or any asynchronous one.

Guarantees: nothing is taken that was not asked for; an asynchronous source is waited for in the background, so that it holds up no
result; a generator that was not exhausted is closed with the stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from enum import Enum
from typing import Final, Generic, Literal, TypeVar, cast

__all__ = ["EXHAUSTED", "NOT_YET", "Source"]

A = TypeVar("A")


class _Mark(Enum):
    EXHAUSTED = "exhausted"
    NOT_YET = "not_yet"


EXHAUSTED: Final[Literal[_Mark.EXHAUSTED]] = _Mark.EXHAUSTED
NOT_YET: Final[Literal[_Mark.NOT_YET]] = _Mark.NOT_YET


class Source(Generic[A]):
    """`wake` is called when it is worth asking again."""

    __slots__ = ("_items", "_pull", "_wake")

    def __init__(self, inputs: Iterable[A] | AsyncIterable[A], wake: Callable[[], None]) -> None:
        self._items: Iterator[A] | AsyncIterator[A] = (
            aiter(inputs) if isinstance(inputs, AsyncIterable) else iter(inputs)
        )
        self._wake = wake
        self._pull: asyncio.Task[A | Literal[_Mark.EXHAUSTED]] | None = None

    def take(self) -> A | Literal[_Mark.EXHAUSTED, _Mark.NOT_YET]:
        """The next input. Raises what the source raises."""
        if not isinstance(self._items, AsyncIterator):
            return next(self._items, EXHAUSTED)
        if self._pull is None:
            self._pull = asyncio.get_running_loop().create_task(_advance(self._items))
            self._pull.add_done_callback(self._pulled)
        if not self._pull.done():
            return NOT_YET
        pull, self._pull = self._pull, None
        return pull.result()

    def _pulled(self, pull: "asyncio.Task[A | Literal[_Mark.EXHAUSTED]]") -> None:
        if not pull.cancelled():
            pull.exception()  # seen, even if nobody asks again
        self._wake()

    def abandon(self) -> None:
        """Wait for nothing any more."""
        if self._pull is not None:
            self._pull.cancel()

    async def aclose(self) -> None:
        self.abandon()
        if self._pull is not None:
            await asyncio.wait([self._pull])
        items: object = self._items
        if isinstance(items, AsyncGenerator):
            await cast("AsyncGenerator[object, None]", items).aclose()
        elif isinstance(items, Generator):
            cast("Generator[object, None, None]", items).close()


async def _advance(items: AsyncIterator[A]) -> A | Literal[_Mark.EXHAUSTED]:
    try:
        return await anext(items)
    except StopAsyncIteration:
        return EXHAUSTED
