"""Time as the runtime sees it: one monotonic clock that also wakes. Injected, so tests run on virtual time.

Never the wall clock: restart windows and timeouts must not jump with it (OTP uses `erlang:monotonic_time`).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Timer"]


class Timer(Protocol):
    """Something armed that can be disarmed; disarming twice or too late is harmless."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds since some fixed moment, and callbacks at a moment."""

    def monotonic(self) -> float: ...

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer: ...


class LoopClock:
    """The clock of a running event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def call_at(self, when_s: float, callback: Callable[[], object]) -> Timer:
        return self._loop.call_at(when_s, callback)
