"""The run queue: one loop callback gives every process that has something to do a turn, in order of arrival.

Guarantees: a turn is bounded by messages and by time, and so is a pass, so timers, sockets and other tasks are never
kept waiting for long. Who is woken during a pass is served in the same pass, after those before it: a message that wakes
one actor after another pays for one loop callback, not for one each. Who has used up a turn waits for the next pass, behind
everybody. One queue for the runtime instead of one task per process makes a message several times cheaper (no task switch, no
future) and is where reductions are counted. A pass runs in the context of whoever made the scheduler, never in that of a
process that happened to wake another. Time is that of the runtime's clock: on virtual time, which stands still meanwhile, only
the counts apply, and the order of everything is the same in every run. Does not: preempt. A callback that blocks, blocks
everybody.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, Protocol

__all__ = ["CLOCK_EVERY", "TURN_MESSAGES", "TURN_SLICE_S", "Runnable", "Scheduler"]

TURN_MESSAGES: Final = 256
TURN_SLICE_S: Final = 0.0001
CLOCK_EVERY: Final = 4
PASS_TURNS: Final = 1_000
PASS_SLICE_S: Final = 0.001


class Runnable(Protocol):
    def turn(self) -> None:
        """Work for one bounded turn; put yourself into the queue again if there is more. Must not raise."""
        ...


class Scheduler:
    """A FIFO of runnables on one event loop."""

    __slots__ = (
        "_armed",
        "_context",
        "_later",
        "_loop",
        "_queue",
        "_serving",
        "_shortcut_until",
        "_shortcuts",
        "now",
        "passes",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self.now = now
        self._loop = loop
        self._context = copy_context()
        self._queue: deque[Runnable] = deque()
        self._later: list[Runnable] = []
        self._serving: Runnable | None = None
        self._armed = False
        self._shortcuts = 0
        self._shortcut_until = 0.0
        self.passes = 0

    def enqueue(self, runnable: Runnable) -> None:
        """Give `runnable` a turn soon. The caller makes sure that it is not queued twice."""
        if runnable is self._serving:
            self._later.append(runnable)
        else:
            self._queue.append(runnable)
        if not self._armed:
            self._arm()

    def allows_shortcut(self) -> bool:
        """Whether a call of an idle process may be worked on within its caller's step.

        As many in a row as fit into a turn, then the next one takes the way through the queue, and the loop comes round.
        """
        self._shortcuts += 1
        if self._shortcuts == 1:
            self._shortcut_until = self.now() + TURN_SLICE_S
            return True
        if self._shortcuts > TURN_MESSAGES:
            return False
        return self._shortcuts % CLOCK_EVERY != 0 or self.now() < self._shortcut_until

    def _arm(self) -> None:
        self._armed = True
        self._loop.call_soon(self._pass, context=self._context)

    def _pass(self) -> None:
        self.passes += 1
        self._shortcuts = 0
        queue, deadline = self._queue, self.now() + PASS_SLICE_S
        try:
            for _ in range(PASS_TURNS):
                if not queue or self.now() > deadline:
                    break
                self._serving = queue.popleft()
                self._serving.turn()
        finally:
            # also after a BaseException (KeyboardInterrupt): nobody's turn is lost
            self._serving = None
            queue.extend(self._later)
            self._later.clear()
            self._armed = False
            if queue:
                self._arm()
