"""Reading one file of a journal: which lines are good, and whether what is not is a torn tail or corruption.

Guarantees: good lines are handed on in order, and nothing behind the first bad one; a bad line is a torn tail only if nothing
shows that it was ever acknowledged. Works on an open file and nothing else.

What shows it: a readable line of a later commit behind it, or an offset below which all is known to be safe (`durable`: a
checkpoint, a sealed file). A readable line without a seal (of earlier versions) counts as such a proof too,
with one exception: zeros, which no JSON contains, are sectors that the power did not let arrive, and if no more than a commit
follows them they belong to the last one. A readable line whose seal is wrong is no tear at all.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple, cast

from symbiont.adapters.journal_ahead import Ahead, Portion
from symbiont.adapters.journal_chain import chained_run, claimed
from symbiont.adapters.journal_format import (
    MAX_BATCH_BYTES,
    Position,
    is_intact,
    is_object,
    looks_sealed,
    trailer_of,
)
from symbiont.domain.errors import SymbiontError

EVERYTHING: Final = 1 << 62
_CHUNK_BYTES: Final = 1 << 18
_UNREADABLE: Final = "to be a JSON object, got: unreadable bytes"
_CHAIN: Final = "to continue the hash chain, got: a line changed, removed or inserted"
_CRC: Final = "to be as it was written, got: bytes that do not match their CRC"

Absorb = Callable[[Sequence[bytes]], None]


class Place(NamedTuple):
    """So many lines of a file, which end at this offset."""

    lines: int = 0
    offset: int = 0


class Fault(NamedTuple):
    """The first line that is corrupt, counted from 1, where it begins, and `expected line … WHAT`."""

    line: int
    offset: int
    what: str


class Scan(NamedTuple):
    """What a file holds: where to go on behind its good lines, and its size.

    `lacks_newline`: its last line is good but for that (files of earlier versions); `good` counts the newline that it needs.
    """

    position: Position
    good: Place
    size: int
    fault: Fault | None = None
    lacks_newline: bool = False

    @property
    def torn_bytes(self) -> int:
        return 0 if self.fault else max(0, self.size - self.good.offset)


class _Bad(NamedTuple):
    """The first line that is not good, and what may excuse it."""

    fault: Fault
    may_be_torn: bool
    has_hole: bool


def scan(
    file: BinaryIO,
    *,
    after: Position,
    start: Place,
    chained: bool,
    absorb: Absorb,
    durable: int = 0,
    ahead: Ahead | None = None,
) -> Scan:
    """Read `file` from `start` on, behind `after`; `absorb` is given the good lines, without newline, in portions.

    `ahead` checks the chain of the very same file.
    """
    scanner = _Scanner(after, start, absorb, chained=chained, durable=durable)
    file.seek(start.offset)
    portions, rest = _portions(file), b""
    try:
        for portion in portions if ahead is None else ahead.check(portions, start.offset, after.head):
            scanner.take(portion)
            rest = portion.rest
            if scanner.fault is not None:
                break
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return scanner.broken_off(str(error))
    return scanner.result(rest)


def _portions(file: BinaryIO) -> Iterator[Portion]:
    """A stretch without any newline, as a hole of zeros has none, is gathered and not looked through again and again."""
    rest = [b""]
    while chunk := file.read(_CHUNK_BYTES):
        end = chunk.rfind(b"\n") + 1
        if not end:
            rest.append(chunk)
            continue
        lines = b"".join((*rest, chunk[:end])).split(b"\n")
        lines.pop()
        rest = [chunk[end:]]
        yield Portion(lines, rest[0])
    if len(rest) > 1:
        yield Portion((), b"".join(rest))


class _Scanner:
    def __init__(self, after: Position, start: Place, absorb: Absorb, *, chained: bool, durable: int) -> None:
        self._position = after
        self._good = start
        self._absorb = absorb
        self._portion: list[bytes] = []
        self._chained = chained
        self._durable = durable
        self._size = start.offset
        self._bad: _Bad | None = None
        self._records_behind = False
        self._last_length = 0
        self.fault: Fault | None = None

    def take(self, portion: Portion) -> None:
        lines = portion.lines
        good = 0 if self._bad else self._take_good(portion)
        for line in lines[good:]:
            if self.fault is None and line.strip():
                self._judge(line)
        length = sum(map(len, lines)) + len(lines)
        self._last_length = len(lines[-1]) + 1 if lines else self._last_length
        self._size += length

    def result(self, rest: bytes) -> Scan:
        """`rest` is what comes behind the last newline."""
        is_whole = not (self._bad or self._position.is_sealed) and is_object(rest) and not looks_sealed(rest)
        if is_whole:
            self._take_good(Portion([rest]))
        elif rest and not self._bad:
            self._bad = _Bad(self._fault(_UNREADABLE), may_be_torn=True, has_hole=b"\0" in rest)
        self._size += len(rest)
        fault = self.fault or self._last_word()
        return Scan(self._position, self._good, self._size, fault, lacks_newline=is_whole and fault is None)

    def broken_off(self, error: str) -> Scan:
        """The archive cannot be unpacked any further."""
        fault = self.fault or self._fault(f"to be unpacked, got: a damaged archive ({error})")
        return Scan(self._position, self._good, self._size, fault)

    def _last_word(self) -> Fault | None:
        """Whether what is bad at the end of the file is more than a torn tail."""
        if self._bad is None:
            return None
        fault = self._bad.fault
        if fault.offset < self._durable:
            return fault._replace(what=f"{fault.what} where everything was known to be safe")
        lost = self._size - fault.offset
        return self._proven() if self._records_behind and lost >= MAX_BATCH_BYTES + self._last_length else None

    # Good lines

    def _take_good(self, portion: Portion) -> int:
        """Take lines up to the first one that is not good; returns how many."""
        lines, before = portion.lines, self._position
        index, what = 0, ""
        while index < len(lines) and not what:
            taken, what = self._next(portion, index)
            index += taken
        index, what = self._hand_over(lines, index, what, before)
        self._good = Place(self._good.lines + index, self._good.offset + sum(map(len, lines[:index])) + index)
        if what:
            self._meet_bad(lines[index], what)
        return index

    def _next(self, portion: Portion, index: int) -> tuple[int, str]:
        """How many lines from `index` on are good, at least one, or 0 and what is wrong."""
        line = portion.lines[index]
        trailer = trailer_of(line)
        if self._chained and trailer is not None and trailer.head:
            return self._next_of_chain(portion.lines[index:] if index else portion.lines, portion.holds_behind)
        if not line.strip():
            return 1, ""
        what = self._wrong(line)
        if what:
            return 0, what
        self._position = self._position._replace(
            seq=self._position.seq + 1, is_sealed=self._position.is_sealed or trailer is not None
        )
        self._portion.append(line.rstrip(b"\r"))
        return 1, ""

    def _next_of_chain(self, lines: Sequence[bytes], holds_behind: bytes) -> tuple[int, str]:
        head = self._position.head
        run, head = (len(lines), claimed(lines[-1])) if head == holds_behind else chained_run(lines, head)
        seq = self._position.seq + run
        last = trailer_of(lines[run - 1]) if run else None
        if last is None or last.seq != seq:
            return 0, _CHAIN if is_object(lines[0]) else _UNREADABLE
        self._position = Position(seq, head, is_sealed=True)
        self._portion.extend(lines[:run])
        return run, ""

    def _wrong(self, line: bytes) -> str:
        """What is wrong with a line that is no link of a chain."""
        trailer = trailer_of(line)
        if trailer is not None and not trailer.head and not self._chained:
            if not is_intact(line):
                return _CRC if is_object(line) else _UNREADABLE
            expected = self._position.seq + 1
            return "" if trailer.seq == expected else f"to have number {expected}, got: {trailer.seq}"
        if not is_object(line):
            return _UNREADABLE
        if looks_sealed(line) or (self._chained and self._position.is_sealed):
            return _CHAIN if self._chained else "to end in its number and CRC, got: none, or wrong ones"
        return ""

    def _hand_over(self, lines: Sequence[bytes], index: int, what: str, before: Position) -> tuple[int, str]:
        """Let the good lines be absorbed; one that means nothing is no good line."""
        good, self._portion = self._portion, []
        try:
            if good:
                self._absorb(good)
        except SymbiontError as error:
            known = _index_of(error)
            last = trailer_of(good[known - 1]) if known else None
            head = (last and last.head) or before.head
            self._position = Position(before.seq + known, head, before.is_sealed or last is not None)
            full = [place for place, line in enumerate(lines) if line.strip()]
            return full[known], f"to mean something, got: {error.message}"
        return index, what

    # Bad lines

    def _meet_bad(self, line: bytes, what: str) -> None:
        may_be_torn = what == _UNREADABLE
        self._bad = _Bad(self._fault(what), may_be_torn, has_hole=b"\0" in line)
        if not may_be_torn:
            self.fault = self._bad.fault

    def _judge(self, line: bytes) -> None:
        """A line behind the first bad one (or that one)."""
        bad = cast("_Bad", self._bad)
        trailer = trailer_of(line)
        if trailer is not None and (trailer.head or is_intact(line)):
            if trailer.batch > self._position.seq + 1:
                self.fault = self._proven()
        elif is_object(line):
            if self._chained or self._position.is_sealed or not bad.has_hole:
                self.fault = self._proven()
            self._records_behind = True

    def _fault(self, what: str) -> Fault:
        return Fault(self._good.lines + 1, self._good.offset, what)

    def _proven(self) -> Fault:
        fault = cast("_Bad", self._bad).fault
        return fault._replace(what=f"{fault.what} before later records")


def _index_of(error: SymbiontError) -> int:
    details: object = error.details
    index = cast("dict[str, object]", details).get("index", 0) if isinstance(details, dict) else 0
    return index if isinstance(index, int) else 0
