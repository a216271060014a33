"""What an opening journal makes of the files that crashes, editors and failing disks leave behind."""

import errno
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_format import MAX_BATCH_BYTES
from symbiont.domain.errors import SymbiontError
from symbiont.ports import Damage
from tests.contract.journal_contract import CLASSIC, Lines, chain_fault, record, without_seal
from tests.doubles.faulty_files import FaultyFiles

Edit = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.jsonl"


class Found(NamedTuple):
    records: list[bytes]
    quarantined_bytes: int
    quarantine_file: str
    damage: Damage | None


def open_(file: JournalFile) -> Found:
    fold = Lines()
    opened = file.open(fold)
    assert opened.seq == len(fold.lines)
    return Found(fold.lines, opened.quarantined_bytes, opened.quarantine_file, opened.damage)


def reopen(path: Path, *, chained: bool = False, files: FileOps | None = None) -> Found:
    """Open, append one record, close; open once more to see that the first recovery was final."""
    file = JournalFile(path, chained=chained, files=files or FileOps())
    found = open_(file)
    assert found.damage is None
    file.append([b'{"after":1}'])
    file.close()
    again = open_(file)
    file.close()
    assert again.quarantined_bytes == 0
    assert again.records[:-1] == found.records
    assert chain_fault(again.records) == ""
    return found


def write(path: Path, *batches: int, chained: bool = False) -> bytes:
    """Batches of so many records; returns the bytes of the file."""
    file = JournalFile(path, chained=chained, files=FileOps())
    open_(file)
    for size in batches:
        file.append([b'{"text":"%b","n":%d}' % (b"x" * 40, number) for number in range(size)])
    file.close()
    return path.read_bytes()


def damage_in(path: Path, *, chained: bool) -> Damage:
    damage = open_(JournalFile(path, chained=chained, files=FileOps())).damage
    assert damage is not None
    return damage


def tear(path: Path) -> None:
    """One whole record, and five bytes of another."""
    path.write_bytes(write(path, 1) + b'{"n":')


def torn_files(path: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(path.parent.glob("*.torn"))]


@pytest.mark.parametrize("chained", [False, True])
def test_a_tail_torn_at_any_byte_is_cut_and_kept_aside(path: Path, chained: bool):
    kept = write(path, 2, chained=chained)
    whole = write(path, 3, chained=chained)
    lines = whole.splitlines(keepends=True)
    for end in range(len(kept) + 1, len(whole)):
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(whole[:end])
        opened = reopen(path, chained=chained)
        complete = [line for number, line in enumerate(lines, start=1) if len(b"".join(lines[:number])) <= end]
        assert [line + b"\n" for line in opened.records] == complete
        assert b"".join([*complete, *torn_files(path)]) == whole[:end]


def test_the_report_names_the_file_with_the_torn_bytes(path: Path):
    whole = write(path, 2)
    path.write_bytes(whole + b'{"n":')
    opened = reopen(path)
    assert opened.quarantined_bytes == len(b'{"n":')
    assert opened.quarantine_file == f"{path}.{len(whole)}.torn"
    assert Path(opened.quarantine_file).read_bytes() == b'{"n":'
    assert Path(opened.quarantine_file).stat().st_mode & 0o777 == 0o600


def test_a_second_accident_at_the_same_place_does_not_replace_the_first(path: Path):
    for tail in (b"first", b"second", b"second"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"n":1}\n' + tail)
        open_(JournalFile(path, chained=False, files=FileOps()))
    assert torn_files(path) == [b"second", b"first"]


@pytest.mark.parametrize("tail", [b"nonsense\n", b"\0" * 4096, b"\0\0\0\n", b'["list"]\n', b"{}x\n{broken\n"])
def test_an_unreadable_end_is_a_torn_tail(path: Path, tail: bytes):
    whole = write(path, 2)
    path.write_bytes(whole + tail)
    opened = reopen(path)
    assert [line + b"\n" for line in opened.records] == whole.splitlines(keepends=True)
    assert torn_files(path) == [tail]


@pytest.mark.parametrize(("chained", "damage"), [(False, b"nonsense\n"), (True, b"nonsense\n"), (True, b"\0\0\0\n")])
def test_an_unreadable_line_before_later_batches_is_corruption_and_changes_nothing(
    path: Path, chained: bool, damage: bytes
):
    lines = write(path, 1, 1, 1, chained=chained).splitlines(keepends=True)
    damaged = lines[0] + damage + lines[2]
    path.write_bytes(damaged)
    found = open_(JournalFile(path, chained=chained, files=FileOps(), repair="mend it"))
    damage = found.damage
    assert damage is not None
    assert (damage.file, damage.line, damage.offset, damage.hint) == (str(path), 2, len(lines[0]), "mend it")
    assert damage.reason.startswith(f"expected line 2 of {path} (byte {len(lines[0])}) to be a JSON object")
    assert [line + b"\n" for line in found.records] == lines[:1]
    assert path.read_bytes() == damaged


def test_sectors_of_one_batch_that_arrived_out_of_order_are_a_torn_tail(path: Path):
    lines = write(path, 2, 4, chained=True).splitlines(keepends=True)
    hole = lines[3][:20] + b"\0" * (len(lines[3]) - 21) + b"\n"
    path.write_bytes(b"".join([*lines[:3], hole, *lines[4:]]))
    opened = reopen(path, chained=True)
    assert [line + b"\n" for line in opened.records] == lines[:3]
    assert torn_files(path) == [b"".join([hole, *lines[4:]])]


def test_zeros_of_sectors_that_did_not_arrive_are_a_torn_tail_without_seals_too(path: Path):
    path.parent.mkdir()
    lines = [b'{"text":"%b","n":%d}\n' % (b"x" * 40, number) for number in range(6)]
    hole = b"\0" * 30 + lines[3][30:]
    path.write_bytes(b"".join([*lines[:3], hole, *lines[4:]]))
    opened = reopen(path)
    assert [line + b"\n" for line in opened.records] == lines[:3]
    assert torn_files(path) == [b"".join([hole, *lines[4:]])]


def test_zeros_before_more_than_a_batch_are_corruption(path: Path):
    path.parent.mkdir()
    lines = [record(1) + b"\n", record(2) + b"\n"]
    path.write_bytes(lines[0] + b"\0\0\n" + lines[1] * (MAX_BATCH_BYTES // len(lines[1]) + 2))
    assert damage_in(path, chained=False).line == 2


EDITS: dict[str, Edit] = {
    "changed": lambda lines: [lines[0], lines[1].replace(b"xxx", b"yyy", 1), *lines[2:]],
    "removed": lambda lines: [lines[0], *lines[2:]],
    "swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "inserted": lambda lines: [lines[0], CLASSIC[0] + b"\n", *lines[1:]],
    "repeated": lambda lines: [lines[0], lines[0], *lines[1:]],
    "renumbered": lambda lines: [*lines[:3], lines[3].replace(b'"seq":4', b'"seq":5')],
}


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_history_that_was_edited_is_damage(path: Path, edit: Edit, chained: bool):
    lines = write(path, 1, 2, 1, chained=chained).splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))
    damage = damage_in(path, chained=chained)
    wrong = next(number for number, (old, new) in enumerate(zip(lines, edit(lines), strict=False), 1) if old != new)
    assert damage.line - wrong in {0, int(not chained)}  # a line without a seal shows by the number of the next
    if chained:
        assert "to continue the hash chain, got: a line changed, removed or inserted" in damage.reason


@pytest.mark.parametrize("chained", [False, True])
def test_no_flipped_bit_passes_silently(path: Path, chained: bool):
    whole = write(path, 2, 1, 1, chained=chained)
    records = whole.splitlines()
    for position in range(len(whole)):
        for bit in (0x01, 0x80):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :])
            found = open_(JournalFile(path, chained=chained, files=FileOps()))
            assert found.damage or found.quarantined_bytes > 0
            assert found.records == records[: len(found.records)]
            if position < len(b"\n".join(records[:2])):
                assert found.damage


def test_lines_without_a_seal_are_damage_behind_the_first_sealed_one_of_a_chain(path: Path):
    path.parent.mkdir()
    path.write_bytes(CLASSIC[0] + b"\n")
    whole = write(path, 2, chained=True)
    path.write_bytes(whole + CLASSIC[1] + b"\n")
    assert damage_in(path, chained=True).line == 4


def test_a_line_added_by_hand_to_a_journal_without_a_chain_counts(path: Path):
    whole = write(path, 2)
    path.write_bytes(whole + CLASSIC[1] + b"\n")
    assert reopen(path).records[2] == CLASSIC[1]


@pytest.mark.parametrize("chained", [False, True])
def test_a_last_line_of_an_earlier_version_may_lack_its_newline(path: Path, chained: bool):
    path.parent.mkdir()
    path.write_bytes(CLASSIC[0] + b"\n" + CLASSIC[1])
    assert reopen(path, chained=chained).records == CLASSIC
    assert torn_files(path) == []


def test_a_line_that_means_nothing_to_the_fold_is_damage(path: Path):
    class Picky(Lines):
        def absorb(self, lines: Sequence[bytes]) -> None:
            for index, line in enumerate(lines):
                if b'"n":1' in line:
                    raise SymbiontError("DATA_CORRUPT", "expected no 1", details={"index": index})
                super().absorb([line])

    lines = write(path, 3, chained=True).splitlines(keepends=True)
    fold = Picky()
    opened = JournalFile(path, chained=True, files=FileOps()).open(fold)
    assert opened.seq == 1
    assert opened.damage is not None
    assert (opened.damage.line, opened.damage.offset) == (2, len(lines[0]))
    assert "to mean something, got: expected no 1" in opened.damage.reason
    assert [line + b"\n" for line in fold.lines] == lines[:1]


@pytest.mark.parametrize("blank", [b"\n", b"\n\n\n", b"  \n", b"\r\n"])
def test_empty_lines_carry_nothing(path: Path, blank: bytes):
    path.parent.mkdir()
    path.write_bytes(b"\n".join(CLASSIC) + b"\n" + blank)
    assert list(reopen(path, chained=True).records) == CLASSIC
    assert torn_files(path) == []


def test_lines_ending_in_crlf_are_read_without_it_and_keep_their_bytes(path: Path):
    path.parent.mkdir()
    path.write_bytes(CLASSIC[0] + b"\r\n")
    assert list(reopen(path).records) == [CLASSIC[0]]
    assert path.read_bytes().startswith(CLASSIC[0] + b"\r\n")


def test_after_an_unclean_stop_the_file_is_written_once_more(path: Path):
    whole = write(path, 2)
    Path(f"{path}.clean").unlink()
    inode = path.stat().st_ino
    reopen(path)
    assert path.stat().st_ino != inode
    assert path.read_bytes().startswith(whole)


def test_after_an_orderly_close_the_file_stays_where_it_is(path: Path):
    write(path, 2)
    inode = path.stat().st_ino
    reopen(path)
    assert path.stat().st_ino == inode


def test_the_mark_of_an_orderly_close_counts_once(path: Path):
    write(path, 2)
    file = JournalFile(path, chained=False, files=FileOps())
    open_(file)
    file.append([record(3)])
    assert not Path(f"{path}.clean").exists()


def test_a_journal_whose_sync_failed_is_written_once_more_and_goes_on(path: Path):
    files = FaultyFiles()
    file = JournalFile(path, chained=False, files=files)
    open_(file)
    file.append([record(1)])
    files.fail("sync_data", errno.EIO)
    with pytest.raises(SyncFailed):
        file.append([record(2)])
    file.close()
    inode = path.stat().st_ino
    assert [without_seal(line) for line in open_(file).records] == [record(1)]
    assert path.stat().st_ino != inode
    assert file.append([record(3)]) == 2


@pytest.mark.parametrize("mark", [b"", b"nonsense", b'{"length":1}'])
def test_a_mark_that_does_not_fit_the_file_is_no_mark(path: Path, mark: bytes):
    write(path, 2)
    Path(f"{path}.clean").write_bytes(mark)
    inode = path.stat().st_ino
    reopen(path)
    assert path.stat().st_ino != inode


def test_a_full_disk_does_not_keep_a_healthy_journal_from_opening(path: Path):
    whole = write(path, 2)
    Path(f"{path}.clean").unlink()
    files = FaultyFiles()
    files.fail("write", errno.ENOSPC)
    opened = open_(JournalFile(path, chained=False, files=files))
    assert [line + b"\n" for line in opened.records] == whole.splitlines(keepends=True)


def test_a_torn_journal_waits_for_space_with_nothing_lost(path: Path):
    whole = write(path, 2) + b'{"n"'
    path.write_bytes(whole)
    files = FaultyFiles()
    files.fail("write", errno.ENOSPC)
    with pytest.raises(OSError, match="injected"):
        open_(JournalFile(path, chained=False, files=files))
    assert path.read_bytes() == whole
    assert len(reopen(path).records) == 2


def test_leftovers_of_an_interrupted_replacement_are_removed(path: Path):
    whole = write(path, 2)
    Path(f"{path}.tmp").write_bytes(b"half")
    reopen(path)
    assert path.read_bytes().startswith(whole)
    assert not Path(f"{path}.tmp").exists()


def test_files_and_directory_are_private(path: Path):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b'{"n":1}\n{"n"')
    path.chmod(0o644)
    reopen(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_the_directory_is_created_private(path: Path):
    write(path, 1)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_line_reads_as_plain_json_with_the_chain_last(path: Path):
    line = write(path, 1, chained=True).splitlines()[0]
    assert list(json.loads(line)) == ["text", "n", "seq", "batch", "hash"]


async def test_a_torn_tail_is_told_in_the_log_with_where_it_is_kept(path: Path):
    tear(path)
    journal = FileJournal(path, chained=False)
    with capture_logs() as logs:
        opened = await journal.open(Lines())
        await journal.close()
    (told,) = logs
    assert (told["event"], told["log_level"], told["bytes"]) == ("torn_tail_put_aside", "warning", 5)
    assert (told["file"], told["kept_in"]) == (str(path), opened.quarantine_file)


async def test_a_whole_journal_opens_without_a_word(path: Path):
    write(path, 1)
    journal = FileJournal(path, chained=False)
    with capture_logs() as logs:
        await journal.open(Lines())
        await journal.close()
    assert logs == []


def test_a_file_that_is_shorter_than_when_it_was_closed_is_told_of(path: Path):
    whole = write(path, 2, 1)
    path.write_bytes(whole.splitlines(keepends=True)[0])
    found = JournalFile(path, chained=False, files=FileOps()).open(Lines())
    assert found.missing_bytes == len(whole) - path.stat().st_size
