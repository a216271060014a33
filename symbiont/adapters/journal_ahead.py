"""A second process that checks the chain of a long file, portion by portion, while this one reads what the lines say.

How it works. Every line of a chain names the hash of its own, so a portion can be checked without the ones before it: behind the hash
that the line in front of it claims. Portions are asked about a few ahead of the one that is read. Whoever reads takes an answer only for
lines whose head it has reached itself, so that the whole is as sure as one pass over all lines.

Guarantees: an answer that is not there, for whatever reason, is a no, and the reader checks that portion itself; so the second process
changes how long reading takes, and nothing else. Memory: `DEPTH` portions. It ends with the `with` block.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from symbiont.adapters import journal_chain
from symbiont.adapters.journal_chain import GENESIS

LEAST_BYTES: Final = 33_554_432
"""Shorter files are read before a process would be of use."""

DEPTH: Final = 8

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

    def ask(self, offset: int, length: int, head: bytes) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):  # it is gone: there will be no answer
                self._process.stdin.write(b"%d %d %b\n" % (offset, length, head))

    def answer(self) -> bool:
        """To the oldest question; waits for it."""
        return self._process.stdout is not None and self._process.stdout.read(1) == b"1"

    def check(self, portions: Iterable[Portion], offset: int, head: bytes) -> Iterator[Portion]:
        """The portions, which begin at `offset` behind `head`, with what the other process says of them."""
        asked: deque[Portion] = deque()
        for portion in portions:
            lines = portion.lines
            length = sum(map(len, lines)) + len(lines)
            self.ask(offset, length, head if len(head) == len(GENESIS) and head.isalnum() else b"-")
            asked.append(portion._replace(holds_behind=head))
            if len(asked) > DEPTH:
                yield self._answered(asked.popleft())
            offset, head = offset + length, journal_chain.claimed(lines[-1]) if lines else head
        while asked:
            yield self._answered(asked.popleft())

    def _answered(self, portion: Portion) -> Portion:
        return portion if self.answer() else portion._replace(holds_behind=b"")


@contextmanager
def second_reader(path: Path, size: int) -> Generator[Ahead | None]:
    """For `size` bytes of a file that are to be read; None where it would not be of use, or cannot be started."""
    process = _start(path) if size >= LEAST_BYTES and len(_processors()) > 1 else None
    if process is None:
        yield None
        return
    with process:
        try:
            yield Ahead(process)
        finally:
            process.kill()


def _processors() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _start(path: Path) -> "subprocess.Popen[bytes] | None":
    argv = [sys.executable, "-I", "-S", journal_chain.__file__, str(path)]
    try:
        return subprocess.Popen(  # noqa: S603 -- our own file, no shell
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        _log.warning("second_reader_not_started", error=str(error))
        return None
