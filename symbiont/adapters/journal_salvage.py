"""What can be saved of a journal from its first damaged line on. Pure: gets lines, says which are entries and what is lost.

Guarantees: every line is either an entry to keep or named among the lost ones. Kept is what reads as an entry and is not known
to be changed: of a chain that is a line which follows on the stated hash of the one before, or stands behind a gap. A line that
stands where it should, and does not follow on, was changed; one with a number that has passed is there twice.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from symbiont.adapters.journal_chain import HASH_LENGTH, link
from symbiont.adapters.journal_format import (
    Position,
    Trailer,
    is_intact,
    is_object,
    looks_sealed,
    trailer_of,
    without_seal,
)
from symbiont.domain.errors import SymbiontError
from symbiont.ports import Fold


class Lost(msgspec.Struct, frozen=True):
    """A line that stays in the quarantine alone, or a gap before it."""

    file: str
    line: int
    offset: int
    why: str


class RawLine(NamedTuple):
    """A line as it was found, without its newline, and where."""

    file: str
    line: int
    offset: int
    content: bytes


class Salvage:
    """Goes on behind `position`; `fold`, which has seen all before, judges what means something. `lost` fills as one reads."""

    def __init__(self, position: Position, fold: Fold, *, chained: bool) -> None:
        self._seq = position.seq
        self._head: bytes | None = position.head  # None: what the next line should follow on cannot be known
        self._is_sealed = position.is_sealed
        self._fold = fold
        self._chained = chained
        self.lost: list[Lost] = []

    def entries(self, lines: Iterable[RawLine]) -> Iterator[bytes]:
        """The records to keep, without their seals."""
        for raw in lines:
            line = raw.content.rstrip(b"\r")
            if not line.strip():
                continue
            why = self._fault(raw, line)
            if why:
                self._lose(raw, why)
                self._step_over(line)
            elif meaning := self._meaning(line):
                self._lose(raw, meaning)
            else:
                yield without_seal(line)

    def _fault(self, raw: RawLine, line: bytes) -> str:
        """Why this line cannot be believed; empty if it can."""
        if not is_object(line):
            return "unreadable"
        trailer = trailer_of(line)
        if trailer is None or bool(trailer.head) != self._chained:
            if looks_sealed(line):
                return "its seal is damaged"
            self._seq += not (self._chained and self._is_sealed)  # in a chain it was put in between
            return ""
        if not self._is_whole(line, trailer):
            return "changed: its seal does not fit"
        if trailer.seq <= self._seq:
            return f"repeated: number {trailer.seq} was there before"
        if trailer.seq > self._seq + 1:
            self._lose(
                raw, f"missing before this line: {trailer.seq - self._seq - 1} of all, from number {self._seq + 1} on"
            )
        self._seq, self._head, self._is_sealed = trailer.seq, trailer.head, True
        return ""

    def _is_whole(self, line: bytes, trailer: Trailer) -> bool:
        if not self._chained:
            return is_intact(line)
        if self._head is None or trailer.seq != self._seq + 1:
            return True  # nothing to hold it against
        return link(self._head, line[:-HASH_LENGTH]) == trailer.head

    def _meaning(self, line: bytes) -> str:
        try:
            self._fold.absorb([line])
        except SymbiontError as error:
            return f"means nothing: {error.message}"
        return ""

    def _lose(self, raw: RawLine, why: str) -> None:
        self.lost.append(Lost(raw.file, raw.line, raw.offset, why))

    def _step_over(self, line: bytes) -> None:
        """What comes next may follow on this line, although it is not believed."""
        trailer = trailer_of(line)
        if trailer is None:
            self._seq, self._head = self._seq + 1, None
        elif trailer.seq == self._seq + 1:
            self._seq, self._head = trailer.seq, trailer.head
