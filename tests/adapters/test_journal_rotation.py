"""A chained journal over several files, and its checkpoint."""

import errno
import gzip
import itertools
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_archive import Archiver
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_rotation import Rotation, month_of
from symbiont.adapters.journal_segments import lines
from symbiont.ports import Opened
from tests.contract.journal_contract import Lines, chain_fault, record, without_seal
from tests.doubles.faulty_files import FaultyFiles

SMALL = Rotation(max_bytes=400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def opened(path: Path, files: FileOps | None = None, rotation: Rotation = SMALL) -> tuple[JournalFile, Lines, Opened]:
    file, fold = JournalFile(path, chained=True, files=files or FileOps(), rotation=rotation), Lines()
    return file, fold, file.open(fold)


def write(path: Path, numbers: Sequence[int], files: FileOps | None = None) -> JournalFile:
    file, _, _ = opened(path, files)
    for number in numbers:
        file.append([record(number)])
    return file


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("*.jsonl*") if file.suffix != ".clean")


def dated(moment: str) -> bytes:
    return b'{"timestamp":"%b"}' % moment.encode()


def test_number_and_chain_go_on_from_file_to_file_and_over_restarts(path: Path):
    for start in (0, 10, 20):
        write(path, range(start, start + 10)).close()
    assert len(names(path)) > 5
    _, fold, found = opened(path)
    assert found == Opened(30)
    assert [without_seal(line) for line in fold.lines] == [record(number) for number in range(30)]
    assert chain_fault(fold.lines) == ""
    assert list(lines(path)) == fold.lines


def test_a_sealed_file_is_for_reading_only(path: Path):
    write(path, range(10)).close()
    assert path.with_name("ledger-000001.jsonl").stat().st_mode & 0o777 == 0o400


def test_a_month_has_a_file_of_its_own(path: Path):
    file, _, _ = opened(path, rotation=Rotation())
    for moment in ("2026-01-05T10:00:00Z", "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"):
        file.append([dated(moment)])
    file.close()
    file, _, _ = opened(path, rotation=Rotation())
    for moment in ("2026-01-31T23:59:59Z", "2026-02-02T00:00:00Z", "2026-03-01T00:00:00Z"):
        file.append([dated(moment)])
    file.close()
    months = [[month_of(line) for line in path.with_name(name).read_bytes().splitlines()] for name in names(path)]
    assert months == [["2026-01"] * 2, ["2026-02", "2026-01", "2026-02"], ["2026-03"]]


@pytest.mark.parametrize("call", ["create", "sync", "rename"])
def test_a_file_that_cannot_be_sealed_takes_more(path: Path, call: str):
    files = FaultyFiles()
    file = write(path, range(3), files)
    files.fail(call, errno.ENOSPC)
    for number in range(3, 6):
        file.append([record(number)])
    file.close()
    assert names(path) == ["ledger.jsonl"]
    assert [without_seal(line) for line in opened(path)[1].lines] == [record(number) for number in range(6)]


def test_names_that_may_not_be_durable_end_the_journal_and_lose_nothing(path: Path):
    files = FaultyFiles()
    file = write(path, range(4), files)
    files.fail("sync_directory", errno.EIO)
    for number in (4, 5):
        with pytest.raises(SyncFailed):
            file.append([record(number)])
    file.close()
    assert [without_seal(line) for line in opened(path)[1].lines] == [record(number) for number in range(4)]


def test_damage_in_a_sealed_file_is_damage_also_at_its_end(path: Path):
    write(path, range(10)).close()
    sealed = path.with_name("ledger-000002.jsonl")
    content = sealed.read_bytes()
    sealed.chmod(0o600)
    sealed.write_bytes(content[:-3])
    _, fold, found = opened(path)
    assert found.damage is not None
    assert found.damage.file == str(sealed)
    assert found.seq == len(fold.lines) == json.loads(content.splitlines()[-1])["seq"] - 1


def test_a_sealed_file_that_is_gone_is_damage(path: Path):
    write(path, range(10)).close()
    path.with_name("ledger-000001.jsonl").unlink()
    damage = opened(path)[2].damage
    assert damage is not None
    assert "to follow on segment 1, got: no such file" in damage.reason


def test_an_archived_file_reads_the_same(path: Path):
    write(path, range(10)).close()
    before = list(lines(path))
    sealed = path.with_name("ledger-000001.jsonl")
    sealed.with_name(sealed.name + ".gz").write_bytes(gzip.compress(sealed.read_bytes()))
    sealed.unlink()
    assert opened(path)[1].lines == before


def test_an_archive_that_cannot_be_unpacked_is_damage(path: Path):
    write(path, range(10)).close()
    sealed = path.with_name("ledger-000001.jsonl")
    packed = gzip.compress(sealed.read_bytes())
    sealed.unlink()
    sealed.with_name(sealed.name + ".gz").write_bytes(packed[: len(packed) // 2])
    damage = opened(path)[2].damage
    assert damage is not None
    assert "to be unpacked, got: a damaged archive" in damage.reason


# Checkpoints


def noted(path: Path, *, before: int, behind: int) -> None:
    """So many lines, a checkpoint of them, and so many behind it."""
    file = write(path, range(before))
    state = b"".join(line + b"\n" for line in lines(path))
    file.checkpoint(state)
    for number in range(before, before + behind):
        file.append([record(number)])
    file.close()


@pytest.mark.parametrize("behind", [0, 1, 12])
def test_a_restart_reads_only_what_is_behind_the_checkpoint(path: Path, behind: int):
    noted(path, before=7, behind=behind)
    _, fold, found = opened(path)
    assert found == Opened(7 + behind)
    assert fold.restored == 7
    assert [without_seal(line) for line in fold.lines] == [record(number) for number in range(7 + behind)]


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_a_ledger_shorter_than_its_checkpoint_is_damaged(path: Path, cut: int):
    noted(path, before=3, behind=0)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:-cut]))
    _, fold, found = opened(path)
    assert found.damage is not None
    assert found.damage.line == len(whole[:-cut]) + 1
    assert "for the checkpoint has seen 3 lines in all" in found.damage.reason
    assert fold.restored == 0


def test_a_tail_torn_below_the_checkpoint_is_damage_and_not_cut(path: Path):
    noted(path, before=3, behind=0)
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    damage = opened(path)[2].damage
    assert damage is not None
    assert damage.line == 3
    assert path.read_bytes() == torn


def test_a_tail_torn_behind_the_checkpoint_is_cut(path: Path):
    noted(path, before=2, behind=1)
    path.write_bytes(path.read_bytes()[:-5])
    _, fold, found = opened(path)
    assert (found.seq, found.damage, fold.restored) == (2, None, 2)
    assert found.quarantined_bytes > 0


def test_another_history_of_the_same_length_is_damage(path: Path):
    noted(path, before=3, behind=0)
    checkpoint = path.with_name("ledger.checkpoint").read_bytes()
    path.unlink()
    path.with_name("ledger.checkpoint").unlink()
    write(path, [7, 8, 9]).close()
    path.with_name("ledger.checkpoint").write_bytes(checkpoint)
    damage = opened(path)[2].damage
    assert damage is not None
    assert damage.line == 3
    assert "as the checkpoint saw it, got: another line" in damage.reason


@pytest.mark.parametrize("bad", [b"", b"{}\n", b"nonsense"])
def test_a_checkpoint_that_cannot_be_read_is_none(path: Path, bad: bytes):
    noted(path, before=3, behind=2)
    path.with_name("ledger.checkpoint").write_bytes(bad)
    _, fold, found = opened(path)
    assert (found, fold.restored, len(fold.lines)) == (Opened(5), 0, 5)


def test_no_flipped_bit_of_a_checkpoint_passes_silently(path: Path):
    noted(path, before=3, behind=1)
    file = path.with_name("ledger.checkpoint")
    whole = file.read_bytes()
    for position in range(len(whole)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        _, fold, found = opened(path)
        assert (found.seq, found.damage) == (4, None)
        assert [without_seal(line) for line in fold.lines] == [record(number) for number in range(4)]


def test_a_checkpoint_over_lines_of_an_earlier_version_counts(path: Path):
    path.write_bytes(b'{"n":0}\n{"n":1}\n')
    file, fold, _ = opened(path)
    file.checkpoint(b"\n".join(fold.lines))
    file.append([record(2)])
    file.close()
    _, fold, found = opened(path)
    assert (found.seq, fold.restored, len(fold.lines)) == (3, 2, 3)


# Archives


def archived(path: Path, files: FileOps | None = None) -> None:
    """A checkpoint, and the work of the archiver behind it."""
    file, _, _ = opened(path, files)
    file.checkpoint(b"")
    assert file._archiver is not None
    file._archiver.join()
    file.close()


def test_sealed_files_that_a_checkpoint_has_passed_are_packed_and_read_the_same(path: Path):
    write(path, range(10)).close()
    before = list(lines(path))
    assert "ledger-000001.jsonl" in names(path)
    archived(path)
    assert names(path) == ["ledger-000001.jsonl.gz", "ledger-000002.jsonl.gz", "ledger.jsonl"]
    assert list(lines(path)) == before
    path.with_name("ledger.checkpoint").unlink()
    assert opened(path)[1].lines == before
    assert path.with_name("ledger-000001.jsonl.gz").stat().st_mode & 0o777 == 0o400


def test_without_a_checkpoint_nothing_is_packed(path: Path):
    write(path, range(10)).close()
    write(path, range(2)).close()
    assert not [name for name in names(path) if name.endswith(".gz")]


def test_a_packed_file_is_what_gzip_makes_of_it(path: Path):
    write(path, range(10)).close()
    before = path.with_name("ledger-000001.jsonl").read_bytes()
    archived(path)
    assert gzip.decompress(path.with_name("ledger-000001.jsonl.gz").read_bytes()) == before


def test_whatever_call_of_the_archiver_fails_no_line_is_lost(tmp_path: Path):
    for number in itertools.count(1):
        path, files = tmp_path / str(number) / "ledger.jsonl", FaultyFiles()
        write(path, range(10)).close()
        before = list(lines(path))
        archiver = Archiver(path, files)
        files.before = lambda call, name, files=files, chosen=number: files.fail(name, errno.EIO) if (
            call == chosen
        ) else None  # fmt: skip
        archiver.consider(9)
        archiver.stop()
        assert list(lines(path)) == before
        assert opened(path)[1].lines == before
        if number > len(files.calls):
            break


def test_a_checkpoint_that_comes_during_the_packing_is_not_forgotten(path: Path):
    write(path, range(10)).close()
    files, is_busy, may_go_on = FaultyFiles(), threading.Event(), threading.Event()

    def before(*_: object) -> None:
        is_busy.set()
        assert may_go_on.wait(10)

    files.before = before
    archiver = Archiver(path, files)
    archiver.consider(2)
    assert is_busy.wait(10)
    archiver.consider(9)
    may_go_on.set()
    archiver.join()
    assert names(path) == ["ledger-000001.jsonl.gz", "ledger-000002.jsonl.gz", "ledger.jsonl"]


def test_an_archiver_that_is_stopped_leaves_the_file(path: Path):
    write(path, range(10)).close()
    archiver = Archiver(path, FileOps())
    archiver._stopping.set()
    archiver.consider(9)
    archiver.stop()
    assert names(path) == ["ledger-000001.jsonl", "ledger-000002.jsonl", "ledger.jsonl"]
    assert not list(path.parent.glob("*.tmp"))


def test_a_flipped_bit_of_an_archive_never_changes_what_is_read(path: Path):
    write(path, range(10)).close()
    before = list(lines(path))
    archived(path)
    path.with_name("ledger.checkpoint").unlink()
    file = path.with_name("ledger-000001.jsonl.gz")
    whole = file.read_bytes()
    file.chmod(0o600)
    for position in range(len(whole)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        _, fold, found = opened(path)
        assert found.damage is not None or fold.lines == before
        assert fold.lines == before[: len(fold.lines)]
