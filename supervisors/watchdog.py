"""A thread that notices when the event loop does not come round, and says whose code holds it up, and where.

    with Watchdog(runtime, threshold_s=0.1) as watchdog: ...

Every period the thread sends one callback through the loop and looks whether the last one has come back: its way is the lag.
Guarantees: one `LoopBlocked` for each blockage, while it lasts, and one `LoopFree` within a period after it; a healthy loop pays one callback per
period; the thread ends with the watchdog, and with the loop. Does not: interrupt anybody, and see code that never lets go of the
interpreter (an extension that keeps the GIL) before it has let go.
"""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final, Self

from supervisors.loop_events import LoopBlocked, LoopEvent, LoopFree, LoopLag, log_loop_event
from supervisors.process import Process
from supervisors.runtime import Runtime

__all__ = ["Watchdog", "running_process"]

Tell = Callable[[LoopEvent], object]

THRESHOLD_S: Final = 0.1
WINDOW: Final = 1_024
DEEPEST: Final = 32


class _Beat:
    """A callback on its way through the loop, and what was found while it was waited for."""

    __slots__ = ("blocked", "came_s", "sent_s")

    def __init__(self, sent_s: float) -> None:
        self.sent_s: Final = sent_s
        self.came_s: float | None = None
        self.blocked: LoopBlocked | None = None


class Watchdog:
    """Make it in the thread of the loop. `tell` is called in the watchdog's own thread, `report` in that of the loop.

    `tell` must not wait for the loop.

    A blockage is noticed between `threshold_s` and `threshold_s` + `period_s` (default: half the threshold) after it began.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        threshold_s: float = THRESHOLD_S,
        period_s: float | None = None,
        tell: Tell = log_loop_event,
        report: Tell | None = None,
    ) -> None:
        self._runtime: Final = runtime
        self._threshold_s: Final = threshold_s
        self._period_s: Final = threshold_s / 2 if period_s is None else period_s
        self._tell: Final = tell
        self._report: Final = tell if report is None else report
        self._loop_thread: Final = threading.get_ident()
        self._lags: deque[float] = deque(maxlen=WINDOW)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    # Life

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended. Harmless if it never began."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def lag(self) -> LoopLag:
        """How late the loop was, lately."""
        lags = sorted(self._lags)
        if not lags:
            return LoopLag(0, 0.0, 0.0, 0.0)
        return LoopLag(len(lags), lags[len(lags) // 2], lags[len(lags) * 99 // 100], lags[-1])

    # In the thread of the watchdog

    def _watch(self) -> None:
        beat: _Beat | None = None
        while not self._stopped.wait(self._period_s):
            if beat is None or beat.came_s is not None:
                if beat is not None and beat.blocked is not None and not self._tell_loop(beat):
                    return
                beat = _Beat(time.monotonic())
                if not self._send(self._come, beat):
                    return
            elif beat.blocked is None and time.monotonic() - beat.sent_s > self._threshold_s:
                self._look(beat)

    def _send(self, callback: Callable[..., object], *args: object) -> bool:
        """False when the loop is closed: there is nothing left to watch."""
        try:
            self._runtime.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return False
        return True

    def _look(self, beat: _Beat) -> None:
        """Say who is in the way, unless the loop has come round meanwhile. Reads no sources: it has to be quick."""
        process = running_process(self._runtime)
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- the only way to another thread's stack
        where = _positions(frame)
        if beat.came_s is None:
            label, pid = ("", None) if process is None else (process.label, process.pid)
            beat.blocked = LoopBlocked(label, pid, time.monotonic() - beat.sent_s, where)
            self._say(self._tell, beat.blocked)

    def _tell_loop(self, beat: _Beat) -> bool:
        """The blockage is over. From here, so that it comes after `LoopBlocked` was told, however long that took."""
        if beat.blocked is None or beat.came_s is None:
            return True
        free = LoopFree(beat.blocked.process, beat.blocked.pid, beat.came_s - beat.sent_s)
        return self._send(self._say, self._report, free)

    # In the thread of the loop

    def _come(self, beat: _Beat) -> None:
        beat.came_s = time.monotonic()
        self._lags.append(beat.came_s - beat.sent_s)

    @staticmethod
    def _say(tell: Tell, event: LoopEvent) -> None:
        """Whatever a listener makes of it, the watch goes on."""
        try:
            tell(event)
        except Exception:  # noqa: BLE001 -- said by the default instead, which is made not to fail
            with suppress(Exception):
                log_loop_event(event)


def running_process(runtime: Runtime) -> Process | None:
    """Whose code the loop is running, asked from another thread: a sync turn of the scheduler, else the task that is in a step.

    A guess by nature: the answer may be out of date when it arrives.
    """
    active: object = runtime.scheduler.active
    if isinstance(active, Process):
        return active
    with suppress(RuntimeError):
        task = asyncio.current_task(runtime.loop)
        if task is not None:
            return next((each for each in list(runtime.processes.values()) if each.running_task() is task), None)
    return None


def _positions(frame: FrameType | None) -> tuple[tuple[str, int, str], ...]:
    """The innermost frames, innermost last."""
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < DEEPEST:
        found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(reversed(found))
