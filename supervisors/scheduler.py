"""The run queue: one loop callback gives every process that has something to do a turn, in order of arrival.

Guarantees: a turn is bounded by messages and by time, and so is a pass, so timers, sockets and other tasks are never
kept waiting for long; a process with a backlog queues behind fresh ones. One queue for the runtime instead of one task per
process makes a message several times cheaper (no task switch, no future) and is where reductions are counted.
Does not: preempt. A callback that blocks, blocks everybody.
"""

import asyncio
from time import perf_counter
from typing import Final, Protocol

__all__ = ["CLOCK_EVERY", "TURN_MESSAGES", "TURN_SLICE_S", "Runnable", "Scheduler"]

TURN_MESSAGES: Final = 256
TURN_SLICE_S: Final = 0.0001
CLOCK_EVERY: Final = 4
PASS_SLICE_S: Final = 0.001


class Runnable(Protocol):
    def turn(self) -> None:
        """Work for one bounded turn; put yourself into the queue again if there is more. Must not raise."""
        ...


class Scheduler:
    """A FIFO of runnables on one event loop."""

    __slots__ = ("_armed", "_loop", "_queue", "passes")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: list[Runnable] = []
        self._armed = False
        self.passes = 0

    def enqueue(self, runnable: Runnable) -> None:
        """Give `runnable` a turn soon. The caller makes sure that it is not queued twice."""
        self._queue.append(runnable)
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._pass)

    def _pass(self) -> None:
        self.passes += 1
        queue, self._queue = self._queue, []
        self._armed = False
        served, deadline = 0, perf_counter() + PASS_SLICE_S
        try:
            for runnable in queue:
                served += 1
                runnable.turn()
                if perf_counter() > deadline:
                    break
        finally:
            # also after a BaseException (KeyboardInterrupt): nobody's turn is lost
            if served < len(queue):
                self._queue[:0] = queue[served:]
            if self._queue and not self._armed:
                self._armed = True
                self._loop.call_soon(self._pass)
