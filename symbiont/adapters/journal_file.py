"""A journal file written by one thread: batches, replacement, and what to do when the disk refuses.

Guarantees: a batch that `append` returns from is durable; after an `OSError` nothing of it remains, and the next batch may
succeed; after a failed sync (`SyncFailed`) nothing succeeds until the file is opened anew. Every call blocks on the disk.
Does not lock: one thread per object, one process per file.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from symbiont.adapters.file_ops import FileOps, create_synced, write_all
from symbiont.adapters.journal_checkpoint import write_checkpoint
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_format import Position, stamp
from symbiont.adapters.journal_recovery import mark_clean, recover
from symbiont.ports import Fold, Opened

_NOT_OPEN = -1


class JournalFile:
    """One file of JSON lines, open for writing between `open` and `close`."""

    def __init__(self, path: Path, *, chained: bool, files: FileOps) -> None:
        self._path = path
        self._chained = chained
        self._files = files
        self._fd = _NOT_OPEN
        self._length = 0
        self._position = Position()
        self._sync_error: OSError | None = None

    def open(self, fold: Fold) -> Opened:
        """Recover, read into `fold` and make ready for writing. Raises `SymbiontError("DATA_CORRUPT")` or `OSError`."""
        self._fd, self._length, self._position, opened = recover(
            self._files, self._path, chained=self._chained, fold=fold
        )
        self._sync_error = None
        return opened

    def append(self, records: Sequence[bytes]) -> int:
        """Make a batch durable; returns the number of its first line."""
        self._refuse_after_failed_sync()
        content, position = stamp(records, self._position, chained=self._chained)
        try:
            write_all(self._files, self._fd, content)
        except OSError:
            self._cut_back()
            raise
        self._sync()
        first = self._position.seq + 1
        self._length, self._position = self._length + len(content), position
        return first

    def compact(self, records: Sequence[bytes]) -> int:
        """Replace the whole content; returns the number of its last line. On `OSError` the old content stands."""
        self._refuse_after_failed_sync()
        content, position = stamp(records, Position(), chained=self._chained)
        beside = self._path.with_name(self._path.name + ".tmp")
        fd = create_synced(self._files, beside, [content])
        try:
            self._files.rename(beside, self._path)
        except OSError:
            self._files.close(fd)
            self._files.remove(beside)
            raise
        self._files.close(self._fd)
        self._fd, self._length, self._position = fd, len(content), position
        self._sync_name()
        return position.seq

    def checkpoint(self, state: bytes) -> int:
        """Note `state` beside the file, durably; returns the number of the last line it stands for."""
        self._refuse_after_failed_sync()
        write_checkpoint(self._files, self._path, self._position, self._length, state)
        return self._position.seq

    def close(self) -> None:
        """Release the file; what was appended is durable already."""
        if self._fd == _NOT_OPEN:
            return
        if self._sync_error is None:
            mark_clean(self._files, self._path, self._length)
        self._files.close(self._fd)
        self._fd = _NOT_OPEN

    def _refuse_after_failed_sync(self) -> None:
        if self._sync_error is not None:
            raise SyncFailed(self._path, self._sync_error)

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
