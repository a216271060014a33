"""Reading a whole journal: its segments in order, from the beginning or from its checkpoint, and what is damaged in it.

Guarantees: every line is verified that no checkpoint vouches for, and a checkpoint vouches only for a journal that still holds
its line; nothing is changed on disk. Works beside a writer too, then up to some moment of the reading.
"""

from os import SEEK_END
from pathlib import Path
from typing import NamedTuple

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_ahead import second_reader
from symbiont.adapters.journal_checkpoint import Anchor, fits, read_checkpoint
from symbiont.adapters.journal_format import Position
from symbiont.adapters.journal_scan import EVERYTHING, Absorb, Fault, Place, Scan, scan
from symbiont.adapters.journal_segments import OpenSegment, open_segment, segments
from symbiont.ports import Damage, Fold


class Reading(NamedTuple):
    """`active` is what the active file holds, segment `number` (of a damaged journal: what was read last)."""

    position: Position
    number: int
    active: Scan
    damage: Damage | None = None
    anchor: Anchor | None = None


class Journalled(NamedTuple):
    """Which journal: its active file, its kind, and how to mend it (a command, for whoever finds it damaged)."""

    path: Path
    chained: bool
    repair: str


def read_journal(files: FileOps, journal: Journalled, fold: Fold) -> Reading:
    """What is there, from the checkpoint on if it can be used."""
    checkpoint = read_checkpoint(files, journal.path) if journal.chained else None
    if checkpoint is None:
        return _Reader(files, journal, fold.absorb).read(1, Place(), Position())
    anchor = checkpoint.anchor
    is_there = fits(files, journal.path, anchor)
    if is_there and _restored(fold, checkpoint.state):
        reader = _Reader(files, journal, fold.absorb)
        reading = reader.read(anchor.segment, anchor.place, anchor.position)
        return reading._replace(anchor=anchor, damage=reading.damage or reader.gap())
    return read_all(files, journal, fold.absorb, anchor=anchor)


def read_all(files: FileOps, journal: Journalled, absorb: Absorb, *, anchor: Anchor | None) -> Reading:
    """Every line from the first on; `anchor` (of the checkpoint) must be among them."""
    is_active = anchor is not None and anchor.segment == segments(journal.path, files)[-1].number
    safe = anchor.offset if anchor is not None and is_active else 0
    reading = _Reader(files, journal, absorb, safe).read(1, Place(), Position())
    if anchor is None or reading.damage is not None or fits(files, journal.path, anchor):
        return reading._replace(anchor=anchor)
    return reading._replace(anchor=anchor, damage=_other_history(files, journal, anchor, reading))


def damage_of(journal: Journalled, file: Path, fault: Fault) -> Damage:
    reason = f"expected line {fault.line} of {file} (byte {fault.offset}) {fault.what}"
    return Damage(str(file), fault.line, fault.offset, reason, journal.repair)


def _restored(fold: Fold, state: bytes) -> bool:
    try:
        fold.restore(state)
    except ValueError:
        return False
    return True


class _Reader:
    def __init__(self, files: FileOps, journal: Journalled, absorb: Absorb, durable: int = 0) -> None:
        self._files = files
        self._journal = journal
        self._absorb = absorb
        self._durable = durable

    def read(self, number: int, start: Place, position: Position) -> Reading:
        """From a place in segment `number` on, behind `position`."""
        while True:
            last = segments(self._journal.path, self._files)[-1].number
            with open_segment(self._journal.path, number, self._files) as part:
                found, damage = self._scan(part, number, start, position, is_last=number >= last)
            if damage is not None or part is None or part.is_active:
                return Reading(found.position, number, found, damage)
            number, start, position = number + 1, Place(), found.position

    def _scan(
        self, part: OpenSegment | None, number: int, start: Place, position: Position, *, is_last: bool
    ) -> tuple[Scan, Damage | None]:
        if part is None:
            nothing = Scan(position, Place(), 0)
            return nothing, None if is_last else self._missing(number)
        with second_reader(part.file, self._plain_bytes(part, start)) as ahead:
            found = scan(
                part.file,
                after=position,
                start=start,
                chained=self._journal.chained,
                absorb=self._absorb,
                durable=self._durable if part.is_active else EVERYTHING,
                ahead=ahead,
            )
        return found, found.fault and damage_of(self._journal, part.path, found.fault)

    def _plain_bytes(self, part: OpenSegment, start: Place) -> int:
        """How much of it a second process could check: nothing of an archive."""
        if not self._journal.chained or part.is_packed:
            return 0
        return part.file.seek(0, SEEK_END) - start.offset

    def gap(self) -> Damage | None:
        """The first segment that is not there, though later ones are."""
        numbers = [part.number for part in segments(self._journal.path, self._files)]
        return next((self._missing(wanted) for wanted, number in enumerate(numbers, start=1) if wanted != number), None)

    def _missing(self, number: int) -> Damage:
        later = next(part for part in segments(self._journal.path, self._files) if part.number > number)
        return damage_of(self._journal, later.path, Fault(1, 0, f"to follow on segment {number}, got: no such file"))


def _other_history(files: FileOps, journal: Journalled, anchor: Anchor, reading: Reading) -> Damage:
    """The chain is whole, yet not the one that the checkpoint saw."""
    if reading.position.seq < anchor.seq:
        good = reading.active.good
        what = f"to be there, for the checkpoint has seen {anchor.seq} lines in all, got: {reading.position.seq}"
        return damage_of(journal, journal.path, Fault(good.lines + 1, good.offset, what))
    file, place = _find(files, journal.path, anchor.seq)
    what = f"(number {anchor.seq} of all) to have the hash {anchor.head} as the checkpoint saw it, got: another line"
    return damage_of(journal, file, Fault(place.lines + 1, place.offset, what))


def _find(files: FileOps, path: Path, seq: int) -> tuple[Path, Place]:
    """Where line number `seq` of all begins."""
    for segment in segments(path, files):
        place = Place()
        with open_segment(path, segment.number, files) as part:
            for line in part.file if part is not None else ():
                seq -= bool(line.strip())
                if seq == 0:
                    return segment.path, place
                place = Place(place.lines + 1, place.offset + len(line))
    raise AssertionError(f"expected a journal with more lines, got: {path}")
