"""Mends a damaged journal that nobody has open: all readable entries stay, everything that was there is kept aside.

Guarantees: nothing is deleted before a durable copy of it lies in the quarantine directory (`ledger.damaged-1`, `-2` …); what
stands before the damage stays byte for byte; readable entries behind it are appended anew, in their order, and the chain goes
on. A crash leaves the journal damaged or mended, and repairing it again finishes the work. Does not take the lock of the data
directory: the caller holds it.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec

from symbiont.adapters.file_ops import FileOps, create_synced
from symbiont.adapters.journal_checkpoint import checkpoint_file, read_checkpoint
from symbiont.adapters.journal_format import stamp
from symbiont.adapters.journal_reading import Journalled, Reading, read_all
from symbiont.adapters.journal_salvage import Lost, RawLine, Salvage
from symbiont.adapters.journal_scan import Place
from symbiont.adapters.journal_segments import open_segment, segments
from symbiont.ports import Damage, Fold

_CHUNK_BYTES = 1 << 20


class Repair(msgspec.Struct, frozen=True):
    """What was found and done. `kept` lines stand as they were, `appended` were sealed anew, `lost` are in `quarantine` alone."""

    damage: Damage | None
    kept: int
    appended: int = 0
    lost: tuple[Lost, ...] = ()
    quarantine: str = ""


def repair(files: FileOps, journal: Journalled, fold: Fold, *, dry_run: bool) -> Repair:
    """Mend it, or only say what that would come to. `fold` must be new; it tells what means something. Raises `OSError`."""
    if not dry_run:
        _finish(files, journal.path)
    checkpoint = read_checkpoint(files, journal.path)
    reading = read_all(files, journal, fold.absorb, anchor=checkpoint.anchor if checkpoint else None)
    if reading.damage is None:
        return Repair(None, reading.position.seq)
    return _Mending(files, journal, fold, reading).run(reading.damage, dry_run=dry_run)


class _Mending:
    def __init__(self, files: FileOps, journal: Journalled, fold: Fold, reading: Reading) -> None:
        self._files = files
        self._path = journal.path
        self._chained = journal.chained
        self._reading = reading
        self._salvage = Salvage(reading.position, fold, chained=journal.chained)
        self._appended = 0

    def run(self, damage: Damage, *, dry_run: bool) -> Repair:
        aside = self._new_directory()
        if dry_run:
            self._appended = sum(1 for _ in self._salvage.entries(self._behind()))
        else:
            self._keep_aside(aside)
            ready = _ready_file(self._path, self._reading.number)
            beside = ready.with_name(ready.name + ".tmp")
            self._files.close(create_synced(self._files, beside, self._content()))
            self._files.rename(beside, ready)
            self._files.sync_directory(self._path.parent)
            _finish(self._files, self._path)
        lost = (*self._truncated(damage), *self._salvage.lost)
        return Repair(damage, self._reading.position.seq, self._appended, lost, "" if dry_run else str(aside))

    def _content(self) -> Iterator[bytes]:
        """The new active file: what stands before the damage, and behind it what could be saved."""
        yield from self._before()
        entries, position = self._salvage.entries(self._behind()), self._reading.position
        for entry in entries:  # each a commit of its own, for none of them is torn without the others
            content, position = stamp([entry], position, chained=self._chained)
            self._appended += 1
            yield content

    def _before(self) -> Iterator[bytes]:
        left = self._reading.active.good.offset
        with open_segment(self._path, self._reading.number, self._files) as part:
            while part is not None and left and (chunk := part.file.read(min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    def _behind(self) -> Iterator[RawLine]:
        """Every line from the damage on, also of the files that follow."""
        place = self._reading.active.good
        for segment in segments(self._path, self._files):
            if segment.number >= self._reading.number:
                yield from _raw_lines(self._files, self._path, segment.number, place)
                place = Place()

    def _truncated(self, damage: Damage) -> Iterator[Lost]:
        anchor, seq = self._reading.anchor, self._reading.position.seq
        if anchor is not None and seq + self._appended < anchor.seq and not self._salvage.lost:
            yield Lost(
                damage.file, damage.line, damage.offset, f"cut off: {anchor.seq - seq} lines that the checkpoint saw"
            )

    # Quarantine

    def _new_directory(self) -> Path:
        taken = set(self._files.names(self._path.parent))
        names = (f"{self._path.stem}.damaged-{number}" for number in count(1))
        return self._path.with_name(next(name for name in names if name not in taken))

    def _keep_aside(self, aside: Path) -> None:
        """Copies of all that will change, durable before anything does."""
        self._files.make_directory(aside)
        for segment in segments(self._path, self._files):
            if segment.number >= self._reading.number:
                self._copy(segment.path, aside / segment.path.name)
        self._copy(checkpoint_file(self._path), aside / checkpoint_file(self._path).name)
        self._files.sync_directory(aside)
        self._files.sync_directory(aside.parent)

    def _copy(self, source: Path, target: Path) -> None:
        try:
            file = self._files.reader(source)
        except FileNotFoundError:
            return
        with file:
            self._files.close(create_synced(self._files, target, iter(lambda: file.read(_CHUNK_BYTES), b"")))


def _ready_file(path: Path, number: int) -> Path:
    """Holds what is to be the active file, in the place of segment `number` and all behind it."""
    return path.with_name(f"{path.stem}-{number:06}.mended")


def _finish(files: FileOps, path: Path) -> None:
    """Put the mended file in its place, if one is ready. All that it replaces has been copied."""
    name = re.compile(re.escape(path.stem) + r"-(\d{6,})\.mended")
    for match in filter(None, map(name.fullmatch, files.names(path.parent))):
        for beside in (checkpoint_file(path), path.with_name(path.name + ".clean")):
            files.remove(beside)
        for segment in segments(path, files):
            if segment.number >= int(match[1]) and segment.path != path:
                files.remove(segment.path)
        files.sync_directory(path.parent)
        files.rename(path.with_name(match[0]), path)
        files.sync_directory(path.parent)


def _raw_lines(files: FileOps, path: Path, number: int, start: Place) -> Iterator[RawLine]:
    with open_segment(path, number, files) as part:
        if part is None:
            return
        line, offset = start
        try:
            part.file.seek(offset)
            for raw in part.file:
                line += 1
                yield RawLine(str(part.path), line, offset, raw.removesuffix(b"\n"))
                offset += len(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield RawLine(str(part.path), line + 1, offset, f"the archive cannot be unpacked: {error}".encode())
