"""A real file system that is filled to its last byte: nothing acknowledged is lost, and it goes on when there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_rotation import Rotation
from tests.contract.journal_contract import Lines, chain_fault, opening, record, without_seal

BALLAST_BYTES = 40_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Half a megabyte of its own, mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"needs to mount a small tmpfs, which is for root: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def fill(journal: FileJournal, start: int = 0) -> int:
    """Append until the disk refuses; returns how many records are acknowledged in all."""
    number = start
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012 — which one is refused is the question
        while True:
            await journal.append(record(number))
            number += 1
    return number


def fill_up(disk: Path) -> None:
    """Take what is left, to the last byte."""
    fd = os.open(disk / "rest", os.O_WRONLY | os.O_CREAT)
    for size in (4096, 1):
        try:
            while True:
                os.write(fd, b"x" * size)
        except OSError:
            pass
    os.close(fd)


@pytest.mark.parametrize("chained", [True, False])
async def test_a_full_disk_refuses_and_goes_on_by_itself_when_there_is_room(disk: Path, chained: bool):
    (disk / "ballast").write_bytes(b"x" * BALLAST_BYTES)
    journal = FileJournal(disk / "journal.jsonl", chained=chained, rotation=Rotation() if chained else None)
    await opening(journal)
    kept = await fill(journal)
    fill_up(disk)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            await journal.append(record(kept))
    (disk / "ballast").unlink()
    await journal.append(record(kept))
    await journal.close()
    assert await opening(journal) == [record(number) for number in range(kept + 1)]
    await journal.close()


async def test_a_journal_opens_on_a_full_disk_with_all_that_was_acknowledged(disk: Path):
    journal = FileJournal(disk / "ledger.jsonl", chained=True, rotation=Rotation(max_bytes=20_000))
    await opening(journal)
    kept = await fill(journal)
    await journal.close()
    fill_up(disk)
    (disk / "ledger.jsonl.clean").unlink(missing_ok=True)
    again, fold = FileJournal(disk / "ledger.jsonl", chained=True, rotation=Rotation(max_bytes=20_000)), Lines()
    opened = await again.open(fold)
    await again.close()
    assert (opened.seq, opened.damage) == (kept, None)
    assert [without_seal(line) for line in fold.lines] == [record(number) for number in range(kept)]
    assert chain_fault(fold.lines) == ""


async def test_a_checkpoint_and_a_compaction_that_do_not_fit_leave_everything_as_it_was(disk: Path):
    ledger, queue = (
        FileJournal(disk / name, chained=name == "ledger.jsonl") for name in ("ledger.jsonl", "queue.jsonl")
    )
    for journal in (ledger, queue):
        await opening(journal)
        await journal.append(record(1))
    big = b'{"text":"%b"}' % (b"x" * 600_000)
    for refused in (ledger.checkpoint(lambda: big), queue.compact(lambda: [big])):
        with pytest.raises(OSError, match="No space left"):
            await refused
    for journal in (ledger, queue):
        await journal.append(record(2))
        await journal.close()
        assert await opening(journal) == [record(1), record(2)]
        await journal.close()
