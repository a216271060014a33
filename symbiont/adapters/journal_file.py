"""A journal file written by one thread: batches, replacement, and what to do when the disk refuses.

Guarantees: a batch that `append` returns from is durable; after an `OSError` nothing of it remains, and the next batch may
succeed; after a failed sync (`SyncFailed`) nothing succeeds until the file is opened anew. Every call blocks on the disk.
What somebody else does to the file while it is open is noticed before the next batch, if `LOOK_EVERY_S` has passed since the last
look, or by `look`: it is damage then, and nothing is written behind it. Does not lock: one thread per object, one process per file.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from symbiont.adapters.file_ops import FileOps, create_synced, write_all
from symbiont.adapters.journal_archive import Archiver
from symbiont.adapters.journal_checkpoint import Anchor, Checkpoint, write_checkpoint
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_format import Position, stamp, stamp_apart
from symbiont.adapters.journal_reading import Journalled
from symbiont.adapters.journal_recovery import NOT_OPEN, mark_clean, recover
from symbiont.adapters.journal_rotation import Rotation, month_of
from symbiont.adapters.journal_segments import sealed_file
from symbiont.ports import Damage, Fold, JournalDamaged, Opened

_RETRY_BYTES = 1 << 20
_FIRST_BYTES = 1 << 10

LOOK_EVERY_S: Final = 0.1
"""Two calls of the system for each batch would be felt."""

_log = structlog.get_logger("symbiont.journal")


class JournalFile:
    """One journal of JSON lines, open for writing between `open` and `close`. `rotation` is for chained ones."""

    def __init__(
        self, path: Path, *, chained: bool, files: FileOps, rotation: Rotation | None = None, repair: str = ""
    ) -> None:
        self._path = path
        self._chained = chained
        self._files = files
        self._rotation = rotation
        self._archiver: Archiver | None = None
        self._journal = Journalled(path, chained, repair or f"mv '{path}' '{path}.broken'")
        self._fd = NOT_OPEN
        self._length = 0
        self._position = Position()
        self._lines = 0
        self._number = 1
        self._month = ""
        self._rotate_from = 0
        self._sync_error: OSError | None = None
        self._damage: Damage | None = None
        self._look_at_s = 0.0

    @property
    def damage(self) -> Damage | None:
        """What was damaged when it was opened, or has been since."""
        return self._damage

    def open(self, fold: Fold) -> Opened:
        """Recover, read into `fold` and make ready for writing, unless it is damaged. Raises `OSError`."""
        self._fd, self._length, reading, opened = recover(self._files, self._journal, fold)
        self._position, self._number, self._lines = reading.position, reading.number, reading.active.good.lines
        self._damage, self._sync_error, self._rotate_from = opened.damage, None, 0
        self._month = self._first_month() if self._rotation and opened.damage is None else ""
        if self._rotation and self._rotation.packs and opened.damage is None:
            self._archiver = Archiver(self._path, self._files)
            self._archiver.consider(reading.anchor.segment if reading.anchor else 0)
        return opened

    def append(self, records: Sequence[bytes]) -> int:
        """Make a batch durable; returns the number of its first line."""
        self._refuse_what_cannot_be_kept()
        self._begin_a_new_file_if_due(records[0])
        content, position = stamp(records, self._position, chained=self._chained)
        try:
            write_all(self._files, self._fd, content)
        except OSError:
            self._cut_back()
            raise
        self._sync()
        first = self._position.seq + 1
        if self._rotation and not self._month:
            self._month = month_of(records[0])
        self._length, self._position, self._lines = self._length + len(content), position, self._lines + len(records)
        return first

    def compact(self, records: Sequence[bytes]) -> int:
        """Replace the whole content; returns the number of its last line. On `OSError` the old content stands."""
        self._refuse_what_cannot_be_kept()
        content, position = stamp_apart(records)
        beside = self._path.with_name(self._path.name + ".tmp")
        fd = create_synced(self._files, beside, [content])
        try:
            self._files.rename(beside, self._path)
        except OSError:
            self._files.close(fd)
            self._files.remove(beside)
            raise
        self._files.close(self._fd)
        self._fd, self._length, self._position, self._lines = fd, len(content), position, len(records)
        self._sync_name()
        return position.seq

    def checkpoint(self, state: bytes) -> int:
        """Note `state` beside the file, durably; returns the number of the last line it stands for."""
        self._refuse_what_cannot_be_kept()
        anchor = Anchor(self._position.seq, self._position.head.decode(), self._number, self._lines, self._length)
        write_checkpoint(self._files, self._path, Checkpoint(anchor, state))
        if self._archiver:
            self._archiver.consider(anchor.segment)
        return anchor.seq

    def close(self) -> None:
        """Release the file; what was appended is durable already."""
        if self._archiver:
            self._archiver.stop()
        if self._fd == NOT_OPEN:
            return
        if self._sync_error is None:
            mark_clean(self._files, self._path, self._length)
        self._files.close(self._fd)
        self._fd = NOT_OPEN

    def _refuse_what_cannot_be_kept(self) -> None:
        if self._damage is not None:
            raise JournalDamaged(self._damage)
        if self._sync_error is not None:
            raise SyncFailed(self._path, self._sync_error)
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + LOOK_EVERY_S
            if (damage := self.look()) is not None:
                raise JournalDamaged(damage)

    def look(self) -> Damage | None:
        """Whether it is as it was left. Raises `OSError`. Of what is known to be damaged, or unknown after a failed sync, no more is known."""
        if self._damage is not None or self._sync_error is not None:
            return self._damage
        found = self._files.size_here(self._path, self._fd)
        if found == self._length:
            return None
        got = "another file" if found is None else f"{found}"
        reason = f"expected {self._path} to have the {self._length} bytes that were written to it, got: {got}"
        at = self._length if found is None else min(found, self._length)
        self._damage = Damage(str(self._path), self._lines + 1, at, reason, self._journal.repair)
        _log.critical("journal_changed_by_somebody_else", reason=reason, hint=self._journal.repair)
        return self._damage

    def _begin_a_new_file_if_due(self, record: bytes) -> None:
        rotation = self._rotation
        if rotation and self._length >= self._rotate_from and rotation.is_due(self._length, self._month, record):
            try:
                self._rotate()
            except SyncFailed:
                raise
            except OSError:
                # no reason to refuse anything: the file at hand takes more, and a later batch tries again
                self._rotate_from = self._length + _RETRY_BYTES

    def _rotate(self) -> None:
        """Seal the file and go on in a new one. On `OSError` nothing has changed, unless it is `SyncFailed`."""
        beside, sealed = self._path.with_name(self._path.name + ".tmp"), sealed_file(self._path, self._number)
        fd = create_synced(self._files, beside, [])
        try:
            self._files.rename(self._path, sealed)
        except OSError:
            self._files.close(fd)
            self._files.remove(beside)
            raise
        self._files.close(self._fd)
        self._fd, self._length, self._lines, self._number, self._month = fd, 0, 0, self._number + 1, ""
        self._rotate_from = 0
        self._take_name(beside)
        with suppress(OSError):
            self._files.protect(sealed)

    def _take_name(self, beside: Path) -> None:
        # the sealed name must be safe before its old one is taken, else a crash could leave neither
        self._sync_name()
        try:
            self._files.rename(beside, self._path)
        except OSError as error:
            self._sync_error = error
            raise SyncFailed(self._path, error) from error
        self._sync_name()

    def _first_month(self) -> str:
        with suppress(OSError), self._files.reader(self._path) as file:
            return month_of(file.read(_FIRST_BYTES))
        return ""

    def _sync(self) -> None:
        try:
            self._files.sync_data(self._fd)
        except OSError as error:
            self._sync_error = error
            # nobody was told that these records are safe; do not let them reappear if it can be helped
            with suppress(OSError):
                self._files.truncate(self._fd, self._length)
            raise SyncFailed(self._path, error) from error

    def _sync_name(self) -> None:
        # until this succeeds it is unknown whether the old or the new content survives
        try:
            self._files.sync_directory(self._path.parent)
        except OSError as error:
            self._sync_error = error
            raise SyncFailed(self._path, error) from error

    def _cut_back(self) -> None:
        """Remove what was written of a refused batch, durably: none of its callers may see it again after a crash."""
        try:
            self._files.truncate(self._fd, self._length)
            self._files.sync_data(self._fd)
        except OSError as error:
            self._sync_error = error
