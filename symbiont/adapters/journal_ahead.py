"""A second process that checks the chain of a long file, portion by portion, while this one reads what the lines say.

How it works. Every line of a chain names the hash of its own, so a portion can be checked without the ones before it: behind the hash
that the line in front of it claims. Portions are asked about a few ahead of the one that is read. Whoever reads takes an answer only for
lines whose head it has reached itself; so the whole is as sure as one pass over all lines, of a file that nobody changes meanwhile.

Guarantees: both read the one file that was opened, whatever has its name. An answer that does not come, for whatever reason, within
`PATIENCE_S` is a no, and the reader checks that portion and all after it itself; so the second process changes how long reading takes, and
nothing else. Memory: `DEPTH` portions. It ends with the `with` block.
"""

import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, BinaryIO, Final, NamedTuple, cast

import structlog

from symbiont.adapters import journal_chain
from symbiont.adapters.journal_chain import GENESIS

LEAST_BYTES: Final = 33_554_432
"""Shorter files are read before a process would be of use."""

DEPTH: Final = 8

PATIENCE_S: Final = 5.0
"""With one answer. It takes milliseconds, unless the process has been stopped."""

_log = structlog.get_logger("symbiont.journal")


class Portion(NamedTuple):
    """Whole lines, and what was read behind the last of them; known to continue the chain behind `holds_behind`, unless that is empty."""

    lines: Sequence[bytes]
    rest: bytes = b""
    holds_behind: bytes = b""


class Ahead:
    """The other process, from its start on."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._questions = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)
        self._arrival = select.poll()
        self._arrival.register(self._answers, select.POLLIN)
        self._is_over = False

    def ask(self, offset: int, length: int, head: bytes) -> None:
        with suppress(OSError):  # it is gone: there will be no answer
            self._questions.write(b"%d %d %b\n" % (offset, length, head))

    def answer(self) -> bool:
        """To the oldest question; waits for it."""
        said = b"" if self._is_over or not self._arrival.poll(PATIENCE_S * 1_000) else self._answers.read(1)
        if not said and not self._is_over:
            self._is_over = True
            self._process.kill()
            _log.warning("second_reader_gave_no_answer")
        return said == b"1"

    def check(self, portions: Iterable[Portion], offset: int, head: bytes) -> Iterator[Portion]:
        """The portions, which begin at `offset` behind `head`, with what the other process says of them."""
        asked: deque[Portion] = deque()
        for portion in portions:
            lines = portion.lines
            length = sum(map(len, lines)) + len(lines)
            if is_asked := len(head) == len(GENESIS) and head.isalnum() and bool(lines):
                self.ask(offset, length, head)
            asked.append(portion._replace(holds_behind=head if is_asked else b""))
            if len(asked) > DEPTH:
                yield self._answered(asked.popleft())
            offset, head = offset + length, journal_chain.claimed(lines[-1]) if lines else head
        while asked:
            yield self._answered(asked.popleft())

    def _answered(self, portion: Portion) -> Portion:
        return portion if not portion.holds_behind or self.answer() else portion._replace(holds_behind=b"")


@contextmanager
def second_reader(file: BinaryIO, size: int) -> Generator[Ahead | None]:
    """For `size` bytes of an open file that are to be read; None where it would not be of use, or cannot be started."""
    process = _start(file.fileno()) if size >= LEAST_BYTES and _processors() > 1 else None
    if process is None:
        yield None
        return
    with process:
        try:
            yield Ahead(process)
        finally:
            process.kill()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(descriptor: int) -> "subprocess.Popen[bytes] | None":
    argv = [sys.executable, "-I", "-S", journal_chain.__file__, str(descriptor)]
    try:
        return subprocess.Popen(  # noqa: S603 -- our own file, no shell
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(descriptor,),
        )
    except OSError as error:
        _log.warning("second_reader_not_started", error=str(error))
        return None
