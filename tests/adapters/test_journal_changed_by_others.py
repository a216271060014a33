"""Somebody else cuts, fills, moves or replaces the file of a journal that is open: nothing is written behind that."""

import asyncio
import errno
import threading

import pytest

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_errors import JournalClosed
from symbiont.ports import JournalDamaged
from tests.contract.journal_contract import Lines

RECORD = b'{"n":1}'


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def fill(path):
    with path.open("ab") as file:
        file.write(b"scribble\n")


def move(path):
    path.rename(path.with_name("elsewhere"))


def replace(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


@pytest.fixture(autouse=True)
def looks_every_time(monkeypatch):
    monkeypatch.setattr("symbiont.adapters.journal_file.LOOK_EVERY_S", 0.0)


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("change", [cut, fill, move, replace])
async def test_what_somebody_else_does_to_it_is_damage_from_then_on(tmp_path, chained, change):
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, chained=chained, repair="mend it")
    await journal.open(Lines())
    await journal.append(RECORD)
    assert journal.damage is None
    change(path)
    left = path.read_bytes() if path.exists() else None

    for _ in range(2):
        with pytest.raises(JournalDamaged) as refused:
            await journal.append(RECORD)
    assert (refused.value.damage.hint, refused.value.damage.line) == ("mend it", 2)
    assert journal.damage == refused.value.damage
    assert (path.read_bytes() if path.exists() else None) == left
    await journal.close()
    assert journal.damage == refused.value.damage


async def test_its_own_rewriting_is_no_change_by_somebody_else(tmp_path):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False)
    await journal.open(Lines())
    for _ in range(3):
        await journal.append(RECORD)
        await journal.compact(lambda: [RECORD])
    await journal.append(RECORD)

    assert journal.damage is None
    await journal.close()


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("change", [cut, fill, move, replace])
async def test_it_is_noticed_while_nothing_is_written(tmp_path, monkeypatch, chained, change):
    monkeypatch.setattr("symbiont.adapters.journal_writer.IDLE_LOOK_S", 0.01)
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, chained=chained)
    await journal.open(Lines())
    await journal.append(RECORD)
    change(path)

    assert await asyncio.wait_for(journal.spoiled(), 10) == journal.damage
    await journal.close()


async def test_whoever_appends_is_not_the_only_one_to_hear_of_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, chained=True)
    await journal.open(Lines())
    spoiled = journal.spoiled()
    await journal.append(RECORD)
    cut(path)

    with pytest.raises(JournalDamaged) as refused:
        await journal.append(RECORD)
    assert await asyncio.wait_for(spoiled, 10) == refused.value.damage
    await journal.close()


async def test_a_file_that_cannot_be_looked_at_is_not_taken_for_changed(tmp_path, monkeypatch):
    monkeypatch.setattr("symbiont.adapters.journal_writer.IDLE_LOOK_S", 0.01)
    files = Blind()
    journal = FileJournal(tmp_path / "journal.jsonl", chained=True, files=files)
    await journal.open(Lines())
    await journal.append(RECORD)
    files.is_blind = True
    await asyncio.wait_for(asyncio.to_thread(files.was_asked.wait), 10)
    files.is_blind = False
    await journal.append(RECORD)

    assert journal.damage is None
    await journal.close()


async def test_a_journal_that_is_not_open_cannot_be_watched(tmp_path):
    with pytest.raises(JournalClosed):
        FileJournal(tmp_path / "journal.jsonl", chained=True).spoiled()


class Blind(FileOps):
    """A disk that does not say how large a file is."""

    def __init__(self):
        self.is_blind = False
        self.was_asked = threading.Event()

    def size_here(self, path, fd):
        if self.is_blind:
            self.was_asked.set()
            raise OSError(errno.EIO, "Input/output error")
        return super().size_here(path, fd)
