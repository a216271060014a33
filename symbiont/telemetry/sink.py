"""Where log lines go: a bounded queue, and a thread that writes it out.

Guarantees: `put` neither raises nor blocks, whatever became of the log: a reader that is gone, a full disk or a pipe nobody
empties must never cost an answer that has been paid for. What could not be written is dropped and counted, and the log says how
many lines are missing as soon as it can be written again.
Does not know what a line says, and never tries a line twice.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

LONGEST_QUEUE: Final = 10_000
"""Lines that may wait for a slow log; further ones are dropped."""

Write = Callable[[bytes], int]
"""Like `os.write` on one descriptor: takes what it can and says how much."""


class Sink:
    """`dropped` counts the lines lost so far. The thread is a daemon: who ends the process calls `flush` first."""

    def __init__(self, write: Write, *, longest: int = LONGEST_QUEUE) -> None:
        self.dropped = 0
        self._write = write
        self._longest = longest
        self._told = 0
        self._lines: deque[str] = deque()
        self._is_writing = False
        self._changed = threading.Condition()
        threading.Thread(target=self._serve, name="log writer", daemon=True).start()

    def put(self, line: str) -> None:
        """Take a line, without its end, to be written soon."""
        with self._changed:
            if len(self._lines) >= self._longest:
                self.dropped += 1
                return
            self._lines.append(line)
            self._changed.notify_all()

    def flush(self, within_s: float) -> bool:
        """Wait until everything is written or dropped; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._is_writing, within_s)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                self._is_writing = True
                line = self._lines.popleft()
            self._tell_losses()
            if not self._wrote(line):
                with self._changed:
                    self.dropped += 1

    def _tell_losses(self) -> None:
        lost = self.dropped - self._told
        if lost and self._wrote(f"… {lost} log lines are missing here: the log could not take them"):
            self._told += lost

    def _wrote(self, line: str) -> bool:
        left = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            while left:
                left = left[self._write(left) :]
        except OSError:
            return False
        return True
