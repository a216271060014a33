"""Somebody else cuts, fills, moves or replaces the file of a journal that is open: nothing is written behind that."""

import pytest

from symbiont.adapters.journal import FileJournal
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
