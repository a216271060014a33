"""Virtual time, and waiting for what is to happen instead of sleeping.

`VirtualClock` stands still until `advance` is awaited; then every timer due on the way fires at its exact moment, and between
two moments everything that can run, runs. So hours pass in microseconds and always in the same order, on any event loop.
Does not: make real input and output virtual. A test that uses sockets or threads uses real time.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, TypeVar

from supervisors.clock import Clock, Timer

__all__ = ["VirtualClock", "eventually", "settle"]

T = TypeVar("T")

_QUIET_PASSES: Final = 25
_SPARSE: Final = 64
_FIRST_LOOK_S: Final = 0.001
_SELDOM_S: Final = 0.02


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
        self.settle: Callable[[], Awaitable[None]] = settle
        self._now_s = 0.0
        self._epoch_s = epoch_s
        self._heap: list[tuple[float, int, _Armed]] = []
        self._order = count()
        self._full = _SPARSE

    def monotonic(self) -> float:
        return self._now_s

    def wall(self) -> float:
        return self._epoch_s + self._now_s

    def jump_wall(self, seconds: float) -> None:
        """Somebody corrects the wall clock, forward or back. No time passes."""
        self._epoch_s += seconds

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
        await self.settle()
        while await self.step(end_s):
            pass

    async def step(self, end_s: float) -> bool:
        """Let time pass to the next timer, and what follows from it happen. False if none is due until `end_s`, and it is that late."""
        if not self.ring(end_s):
            self._now_s = max(self._now_s, end_s)
            await self.settle()
            return False
        await self.settle()
        return True

    def ring(self, end_s: float) -> bool:
        """Fire the next timer that is due until `end_s`, at its moment. False if there is none."""
        while self._heap and self._heap[0][0] <= end_s:
            when_s, _, armed = heapq.heappop(self._heap)
            if armed.callback is not None:
                self._now_s = max(self._now_s, when_s)
                armed.callback()
                return True
        return False


async def settle() -> None:
    """Let everything that can run without time passing, run."""
    for _ in range(_QUIET_PASSES):
        await asyncio.sleep(0)


async def eventually(condition: Callable[[], T], within_s: float = 5.0, *, clock: Clock | None = None) -> T:
    """What `condition` returns, once it is true. Raises `AssertionError` with its last value if it was not in time.

    On a `VirtualClock` time passes from timer to timer, so the moment is exact; on any other it is looked at again and again,
    ever less often.
    """
    await settle()
    if isinstance(clock, VirtualClock):
        end_s = clock.monotonic() + within_s
        value = condition()
        while not value and await clock.step(end_s):
            value = condition()
    else:
        value = await _looked_at(condition, time.monotonic() + within_s)
    value = value or condition()
    if not value:
        name = getattr(condition, "__qualname__", repr(condition))
        raise AssertionError(f"{name} did not become true within {within_s} s, last value: {value!r}")
    return value


async def _looked_at(condition: Callable[[], T], end_s: float) -> T:
    pause_s = _FIRST_LOOK_S
    while not (value := condition()) and time.monotonic() < end_s:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _SELDOM_S)
    return value
