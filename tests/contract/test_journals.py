"""The journal contract, against the file and against its twin in memory."""

import errno
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.memory_journal import MemoryJournal
from symbiont.ports import Journal
from tests.contract.journal_contract import JournalContract, Shelf
from tests.doubles.faulty_files import FaultyFiles


class FileShelf(Shelf):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = FaultyFiles()

    def journal(self, *, chained: bool = False, max_pending: int = 1_000) -> Journal:
        return FileJournal(self._path, chained=chained, max_pending=max_pending, files=self._files)

    def put(self, records: Sequence[bytes]) -> None:
        self._path.write_bytes(b"".join(record + b"\n" for record in records))

    def refuse_next_batch(self, code: int) -> None:
        self._files.fail("write", code)

    def fail_next_sync(self) -> None:
        self._files.fail("sync_data", errno.EIO)


class MemoryShelf(Shelf):
    def __init__(self) -> None:
        self._current = MemoryJournal()

    def journal(self, *, chained: bool = False, max_pending: int = 1_000) -> Journal:
        old = self._current
        self._current = MemoryJournal(old.records, chained=chained, max_pending=max_pending, noted=old.noted)
        return self._current

    def put(self, records: Sequence[bytes]) -> None:
        self._current = MemoryJournal(records)

    def refuse_next_batch(self, code: int) -> None:
        self._current.fail_next(OSError(code, f"injected {os.strerror(code)}"))

    def fail_next_sync(self) -> None:
        self._current.fail_next(SyncFailed("in memory", "injected"))


class TestFileJournal(JournalContract):
    @contextmanager
    def new_shelf(self) -> Generator[Shelf]:
        with tempfile.TemporaryDirectory() as folder:
            yield FileShelf(Path(folder) / "journal.jsonl")


class TestMemoryJournal(JournalContract):
    @contextmanager
    def new_shelf(self) -> Generator[Shelf]:
        yield MemoryShelf()
