"""For tests of actors: virtual time, and waiting for what is to happen instead of sleeping.

`VirtualClock` stands still until `advance` is awaited; then every timer due on the way fires at its exact moment, and between
two moments everything that can run, runs. So hours pass in microseconds and always in the same order, on any event loop.
Does not: make real input and output virtual. A test that uses sockets or threads uses real time.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

from supervisors.clock import Timer
from supervisors.events import Event
from supervisors.process import Process
from supervisors.runtime import Runtime

__all__ = ["Recorder", "VirtualClock", "restarted", "settle"]

_QUIET_PASSES: Final = 25
_SPARSE: Final = 64


class _Armed:
    """A timer. Cancelled, it lets go of its callback at once, though its place in the heap remains for a while."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    @property
    def cancelled(self) -> bool:
        return self.callback is None

    def cancel(self) -> None:
        self.callback = None


class VirtualClock:
    """A `Clock` that moves only when told. `wall()` follows, from `epoch_s`, for code that shows times."""

    def __init__(self, epoch_s: float = 1_800_000_000.0) -> None:
        self._now_s = 0.0
        self._epoch_s = epoch_s
        self._heap: list[tuple[float, int, _Armed]] = []
        self._order = count()
        self._full = _SPARSE

    def monotonic(self) -> float:
        return self._now_s

    def wall(self) -> float:
        return self._epoch_s + self._now_s

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer:
        armed = _Armed(callback)
        if len(self._heap) > self._full:
            self._forget_cancelled()
        heapq.heappush(self._heap, (when_s, next(self._order), armed))
        return armed

    def _forget_cancelled(self) -> None:
        self._heap = [entry for entry in self._heap if not entry[2].cancelled]
        heapq.heapify(self._heap)
        self._full = 2 * len(self._heap) + _SPARSE

    @property
    def pending(self) -> int:
        """Timers armed and not cancelled."""
        return sum(not armed.cancelled for _, _, armed in self._heap)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        end_s = self._now_s + seconds
        await settle()
        while self._heap and self._heap[0][0] <= end_s:
            when_s, _, armed = heapq.heappop(self._heap)
            if armed.callback is not None:
                self._now_s = max(self._now_s, when_s)
                armed.callback()
                await settle()
        self._now_s = end_s
        await settle()


async def settle() -> None:
    """Let everything that can run without time passing, run."""
    for _ in range(_QUIET_PASSES):
        await asyncio.sleep(0)


async def restarted(runtime: Runtime, old: Process, within_s: float = 5.0) -> Process:
    """The successor of `old` under its name, once it is up. Raises `TimeoutError`."""
    name = old.name or ""
    await old.ended(within_s)
    if not await runtime.await_name(name, within_s):
        raise TimeoutError(f"{name} was not restarted within {within_s} s")
    successor = runtime.whereis(name)
    if successor is None or successor is old:
        raise TimeoutError(f"{name} came up and went down again")
    return successor


class Recorder:
    """A reporter that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]
