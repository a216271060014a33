"""The run queue: one loop callback gives every process that has something to do a turn, in order of arrival.

Guarantees: a turn is bounded by messages and by time, and so is a pass, so timers, sockets and other tasks are never
kept waiting for long. Who is woken during a pass is served in the same pass, after those before it: a message that wakes
one actor after another pays for one loop callback, not for one each. Who has used up a turn waits for the next pass, behind
everybody. One queue for the runtime instead of one task per process makes a message several times cheaper (no task switch, no
future) and is where busy time is counted: the clock is read once a turn, and what passed belongs to whoever had it. A pass runs
in the context of whoever made the scheduler, never in that of a process that happened to wake another. Time is that of the
runtime's clock: on virtual time, which stands still meanwhile, only the counts apply, and the order of everything is the same in
every run. Does not: preempt. A callback that blocks, blocks everybody; `active` tells a watchdog who it is.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from enum import Enum
from types import coroutine
from typing import Any, Final, Literal, Protocol

__all__ = ["CLOCK_EVERY", "TURN_MESSAGES", "TURN_SLICE_S", "Runnable", "Scheduler"]

TURN_MESSAGES: Final = 256
TURN_SLICE_S: Final = 0.00007
GRACE_MESSAGES: Final = 128
GRACE_S: Final = 0.000001
"""How much longer a turn may be for each of the first so many messages: a crowd of quick calls is to be worked off in one turn, for
an actor that is idle then answers the next ones at once; with a rest waiting, it would never come back to that."""
SHORTCUT_SLICE_S: Final = 0.0001
CROWD_SLICE_S: Final = 0.001
CLOCK_EVERY: Final = 4
SELDOM: Final = 16
"""How often calls are looked at that are answered quickly: the clock would be a tenth of what they cost."""
QUICK_S: Final = 0.000003
PASS_TURNS: Final = 1_000
PASS_SLICE_S: Final = 0.00015


class _Verdict(Enum):
    AT_ONCE = "at once"
    STEP_ASIDE = "step aside"
    QUEUE = "queue"


AT_ONCE: Final[Literal[_Verdict.AT_ONCE]] = _Verdict.AT_ONCE
STEP_ASIDE: Final[Literal[_Verdict.STEP_ASIDE]] = _Verdict.STEP_ASIDE
QUEUE: Final[Literal[_Verdict.QUEUE]] = _Verdict.QUEUE
Verdict = _Verdict


@coroutine
def one_pass() -> Generator[None, None, None]:
    """Let everything else that can run, run once."""
    yield


class Runnable(Protocol):
    busy_s: float
    context: Context

    def work(self, until_s: float) -> None:
        """A turn: work until about `until_s`, in `context`; into the queue again if there is more. Must not raise."""
        ...


class Scheduler:
    """A FIFO of runnables on one event loop."""

    __slots__ = (
        "_context",
        "_last_caller",
        "_later",
        "_loop",
        "_slice_until_s",
        "active",
        "ask_at",
        "depth",
        "is_armed",
        "now",
        "passes",
        "queue",
        "shortcuts",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self.now = now
        self.active: Runnable | None = None
        self.depth = 0  # of first steps within first steps
        self.passes = 0
        self._loop = loop
        self._context = copy_context()
        self.queue: deque[Runnable] = deque()
        self._later: list[Runnable] = []
        self.is_armed = False
        self.shortcuts = 0
        self.ask_at = 1
        self._slice_until_s = 0.0
        self._last_caller: asyncio.Task[Any] | None = None

    def enqueue(self, runnable: Runnable) -> None:
        """Give `runnable` a turn soon. The caller makes sure that it is not queued twice."""
        self.queue.append(runnable)
        if not self.is_armed:
            self.arm()

    def enqueue_again(self, runnable: Runnable) -> None:
        """The same for one that may just have had its turn: if so, everybody else comes first."""
        if runnable is self.active:
            self._later.append(runnable)
        else:
            self.enqueue(runnable)

    def verdict(self, count: int) -> "Verdict":
        """Whether the `count`th call in a row of idle actors may be worked on within its caller's step.

        As many as fit into a slice; then whoever goes on and on steps aside for one pass, while other tasks have a few calls each;
        and when even that takes too long, calls queue, and are served in order of arrival. Who steps aside is overtaken: order is
        promised for the messages of one sender, as in Erlang, and not between senders. Asked for the first, and whenever
        `shortcuts`, which counts them, has come to `ask_at`; every pass begins anew.
        """
        now_s = self.now()
        self.ask_at = count + CLOCK_EVERY
        if count == 1:
            self._slice_until_s = now_s + SHORTCUT_SLICE_S
            return AT_ONCE
        if now_s < self._slice_until_s and count < TURN_MESSAGES:
            if now_s < self._slice_until_s - SHORTCUT_SLICE_S + count * QUICK_S:
                self.ask_at = count + SELDOM
            return AT_ONCE
        if not self.is_armed:
            self.arm()  # perhaps the loop has come round since, and only no pass: then this begins a new series
            return STEP_ASIDE
        if now_s > self._slice_until_s + CROWD_SLICE_S:
            return QUEUE
        task = asyncio.current_task(self._loop)
        was_here, self._last_caller = task is self._last_caller, task
        return STEP_ASIDE if was_here else AT_ONCE

    def arm(self) -> None:
        self.is_armed = True
        self._loop.call_soon(self._pass, context=self._context)

    def _pass(self) -> None:
        self.passes += 1
        self.shortcuts = 0
        self.ask_at = 1
        self._last_caller = None
        queue, later = self.queue, self._later
        started_s = self.now()
        deadline_s = started_s + PASS_SLICE_S
        try:
            for _ in range(PASS_TURNS):
                if not queue or started_s > deadline_s:
                    break
                self.active = runnable = queue.popleft()
                runnable.context.run(runnable.work, started_s + TURN_SLICE_S)
                ended_s = self.now()
                runnable.busy_s += ended_s - started_s
                started_s = ended_s
        finally:
            # also after a BaseException (KeyboardInterrupt): nobody's turn is lost
            self.active = None
            queue.extend(later)
            later.clear()
            self.is_armed = False
            if queue:
                self.arm()
