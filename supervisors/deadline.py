"""The last resort of a program that is to end: a thread that leaves by `os._exit`, whatever the loop does.

Guarantees: once begun, the process is gone after `within_s`, unless it ends before or code that never gives the interpreter back
runs; `begin` and `leave` are safe in a signal handler, and beginning twice changes nothing. The last words, a callback of the
program, get `LAST_WORDS_S` at most. Does not: flush, unwind, or run `atexit`.
"""

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

__all__ = ["LAST_WORDS_S", "Deadline"]

LAST_WORDS_S: Final = 5.0

_BEGIN: Final = -1
_OVER: Final = -2


class Deadline:
    """Within `with`: `begin` starts the time, `leave` ends the process; leaving the block calls both off."""

    def __init__(self, within_s: float, code: int, last_words: Callable[[int], object]) -> None:
        self._within_s: Final = within_s
        self._code: Final = code
        self._last_words: Final = last_words
        self._words: SimpleQueue[int] = SimpleQueue()  # the one queue that may be used in a signal handler
        self._thread = threading.Thread(target=self._watch, name="shutdown-deadline", daemon=True)

    def begin(self) -> None:
        self._words.put(_BEGIN)

    def leave(self, code: int) -> None:
        """End the process with `code`, from this thread and soon: whoever calls goes on for a moment."""
        self._words.put(code)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._words.put(_OVER)

    def _watch(self) -> None:
        end_s: float | None = None
        while True:
            try:
                word = self._words.get(timeout=None if end_s is None else max(0.0, end_s - time.monotonic()))
            except Empty:
                word = self._code
            if word == _OVER:
                return
            if word == _BEGIN:
                end_s = end_s or time.monotonic() + self._within_s
            else:
                self._leave(word)

    def _leave(self, code: int) -> None:
        """The last words in a thread of their own: they may hang, or raise."""
        speaking = threading.Thread(target=self._last_words, args=(code,), name="last-words", daemon=True)
        speaking.start()
        speaking.join(LAST_WORDS_S)
        os._exit(code)
