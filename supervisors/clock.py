"""Time as the runtime sees it: one monotonic clock that also wakes. Injected, so tests run on virtual time.

Never the wall clock: restart windows and timeouts must not jump with it (OTP uses `erlang:monotonic_time`).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Timer"]


class Timer(Protocol):
    """Something armed that can be disarmed; disarming twice or too late is harmless."""

    def cancel(self) -> object: ...


class Clock(Protocol):
    """Seconds since some fixed moment, and callbacks at a moment."""

    def monotonic(self) -> float: ...

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer: ...


class LoopClock:
    """The clock of a running event loop, read anew each time.

    Not `loop.time()`: uvloop reads its clock once per iteration, in milliseconds, so a slice of a turn would never end and a
    time-out set after a slow callback would come early.
    """

    monotonic = staticmethod(time.monotonic)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer:
        return self._loop.call_later(max(0.0, when_s - time.monotonic()), callback)
