"""What an opening journal makes of the files that crashes, editors and failing disks leave behind."""

import errno
import json
from collections.abc import Callable
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
from tests.contract.journal_contract import CLASSIC, Lines, chain_fault, record
from tests.doubles.faulty_files import FaultyFiles

Edit = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.jsonl"


class Found(NamedTuple):
    records: list[bytes]
    quarantined_bytes: int
    quarantine_file: str


def open_(file: JournalFile) -> Found:
    fold = Lines()
    opened = file.open(fold)
    assert opened.seq == len(fold.lines)
    return Found(fold.lines, opened.quarantined_bytes, opened.quarantine_file)


def reopen(path: Path, *, chained: bool = False, files: FileOps | None = None) -> Found:
    """Open, append one record, close; open once more to see that the first recovery was final."""
    file = JournalFile(path, chained=chained, files=files or FileOps())
    found = open_(file)
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
    with pytest.raises(
        SymbiontError, match=rf"expected line 2 of .* \(byte {len(lines[0])}\) to be a JSON object"
    ) as error:
        open_(JournalFile(path, chained=chained, files=FileOps()))
    assert error.value.code == "DATA_CORRUPT"
    assert error.value.details == {"file": str(path), "line": 2, "offset": len(lines[0])}
    assert f"mv '{path}'" in error.value.hint
    assert path.read_bytes() == damaged


def test_sectors_of_one_batch_that_arrived_out_of_order_are_a_torn_tail(path: Path):
    lines = write(path, 2, 4, chained=True).splitlines(keepends=True)
    hole = lines[3][:20] + b"\0" * (len(lines[3]) - 21) + b"\n"
    path.write_bytes(b"".join([*lines[:3], hole, *lines[4:]]))
    opened = reopen(path, chained=True)
    assert [line + b"\n" for line in opened.records] == lines[:3]
    assert torn_files(path) == [b"".join([hole, *lines[4:]])]


def test_zeros_of_sectors_that_did_not_arrive_are_a_torn_tail_without_a_chain_too(path: Path):
    lines = write(path, 2, 4).splitlines(keepends=True)
    hole = b"\0" * 30 + lines[3][30:]
    path.write_bytes(b"".join([*lines[:3], hole, *lines[4:]]))
    opened = reopen(path)
    assert [line + b"\n" for line in opened.records] == lines[:3]
    assert torn_files(path) == [b"".join([hole, *lines[4:]])]


def test_zeros_before_more_than_a_batch_are_corruption(path: Path):
    lines = write(path, 2).splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0\0\n" + lines[1] * (MAX_BATCH_BYTES // len(lines[1]) + 2))
    with pytest.raises(SymbiontError, match="expected line 2 of"):
        open_(JournalFile(path, chained=False, files=FileOps()))


EDITS: dict[str, Edit] = {
    "changed": lambda lines: [lines[0], lines[1].replace(b"xxx", b"yyy", 1), *lines[2:]],
    "removed": lambda lines: [lines[0], *lines[2:]],
    "swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "inserted": lambda lines: [lines[0], CLASSIC[0] + b"\n", *lines[1:]],
    "repeated": lambda lines: [lines[0], lines[0], *lines[1:]],
    "renumbered": lambda lines: [*lines[:3], lines[3].replace(b'"seq":4', b'"seq":5')],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_history_that_was_edited_does_not_open(path: Path, edit: Edit):
    lines = write(path, 1, 2, 1, chained=True).splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))
    with pytest.raises(SymbiontError, match=r"to continue the hash chain, got: a line changed, removed or inserted"):
        open_(JournalFile(path, chained=True, files=FileOps()))


def test_no_flipped_bit_of_a_chained_journal_passes_silently(path: Path):
    whole = write(path, 2, 1, chained=True)
    records = whole.splitlines()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x01]) + whole[position + 1 :])
        try:
            opened = open_(JournalFile(path, chained=True, files=FileOps()))
        except SymbiontError:
            continue
        assert opened.quarantined_bytes > 0
        assert list(opened.records) == records[: len(opened.records)]


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
    assert open_(file).records == [record(1)]
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
