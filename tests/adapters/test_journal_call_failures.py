"""Every single call to the disk fails once, with each of the errors a disk has."""

import errno
import itertools
from contextlib import suppress
from pathlib import Path

import pytest

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_file import JournalFile
from tests.contract.journal_contract import Lines, record, without_seal
from tests.doubles.faulty_files import FaultyFiles


class Caller:
    """Uses a journal and keeps what it was promised. After a replacement ended in `SyncFailed`, either content will do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count()
        self.allowed: list[list[bytes]] = [[]]

    def live(self, files: FileOps) -> None:
        """One opening; whatever fails is left out."""
        file = JournalFile(self._path, chained=False, files=files)
        fold = Lines()
        try:
            file.open(fold)
        except OSError:
            return
        found = [without_seal(line) for line in fold.lines]
        assert found in self.allowed
        self.allowed = [found]
        for step in ("append 1", "append 3", "compact", "append 2"):
            with suppress(OSError):
                self._do(step, file)
        file.close()

    def _do(self, step: str, file: JournalFile) -> None:
        promised = self.allowed[0]
        if step == "compact":
            content = [*promised[1:], record(next(self._numbers))]
            try:
                file.compact(content)
            except SyncFailed:
                self.allowed.append(content)
                raise
            self.allowed = [content]
        else:
            batch = [record(next(self._numbers)) for _ in range(int(step[-1]))]
            file.append(batch)
            self.allowed = [promised + batch]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_was_promised_is_there_and_nothing_else_whichever_call_failed(tmp_path: Path, code: int):
    for number in itertools.count(1):
        path, files = tmp_path / str(number) / "journal.jsonl", FaultyFiles()

        def fail_once(call: int, name: str, *, files: FaultyFiles = files, chosen: int = number) -> None:
            if call == chosen:
                files.fail(name, code)

        files.before = fail_once
        caller = Caller(path)
        caller.live(files)
        caller.live(files)
        caller.live(FileOps())
        if number > len(files.calls):
            break
