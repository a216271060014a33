"""The last resort of a program that is to end: a thread that leaves by `os._exit` when the time is up, whatever the loop does.

Guarantees: once begun, the process is gone after `within_s`, unless it ends before or code that never gives the interpreter back
runs; beginning is safe in a signal handler, and beginning twice changes nothing. Does not: flush, unwind, or run `atexit`.
"""

import os
import threading
import time
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, NoReturn, Self

__all__ = ["Deadline", "leave_now"]


def leave_now(code: int) -> NoReturn:
    """End the process here and now."""
    os._exit(code)


class Deadline:
    """Within `with`: `begin` starts the time; leaving the block calls it off."""

    def __init__(self, within_s: float, code: int) -> None:
        self._within_s: Final = within_s
        self._code: Final = code
        self._words: SimpleQueue[bool] = SimpleQueue()  # the one queue that may be used in a signal handler
        self._thread = threading.Thread(target=self._watch, name="shutdown-deadline", daemon=True)

    def begin(self) -> None:
        self._words.put(True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._words.put(False)

    def _watch(self) -> None:
        if not self._words.get():
            return
        end_s = time.monotonic() + self._within_s
        while True:
            try:
                has_begun = self._words.get(timeout=max(0.0, end_s - time.monotonic()))
            except Empty:
                leave_now(self._code)
            if not has_begun:
                return
