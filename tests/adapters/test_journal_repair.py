"""Mending a damaged journal: what is readable stays, what is not is kept aside and named."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_reading import Journalled
from symbiont.adapters.journal_repair import Repair, repair
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.journal_verify import verify
from tests.contract.journal_contract import Lines, chain_fault, record, without_seal
from tests.doubles.faulty_files import FaultyFiles

Edit = Callable[[list[bytes]], list[bytes]]
SMALL = Rotation(max_bytes=400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def write(path: Path, count: int, *, chained: bool = True, rotation: Rotation | None = None) -> list[bytes]:
    file = JournalFile(path, chained=chained, files=FileOps(), rotation=rotation)
    file.open(Lines())
    for number in range(1, count + 1):
        file.append([record(number)])
    file.close()
    return path.read_bytes().splitlines(keepends=True)


def mended(path: Path, *, chained: bool = True, dry_run: bool = False) -> Repair:
    return repair(FileOps(), Journalled(path, chained, "mend it"), Lines(), dry_run=dry_run)


def found(path: Path, *, chained: bool = True) -> list[bytes]:
    fold = Lines()
    opened = JournalFile(path, chained=chained, files=FileOps()).open(fold)
    assert opened.damage is None
    assert opened.quarantined_bytes == 0
    if chained:
        assert chain_fault(fold.lines) == ""
    return [without_seal(line) for line in fold.lines]


DAMAGES: dict[str, tuple[Edit, list[int], list[str]]] = {
    "unreadable": (lambda lines: [*lines[:2], b"xxx\n", *lines[3:]], [1, 2, 4, 5, 6], ["unreadable"]),
    "changed": (
        lambda lines: [*lines[:2], lines[2].replace(b'"n":3', b'"n":9'), *lines[3:]],
        [1, 2, 4, 5, 6],
        ["changed: its seal does not fit"],
    ),
    "removed": (
        lambda lines: [*lines[:2], *lines[4:]],
        [1, 2, 5, 6],
        ["missing before this line: 2 of all, from number 3 on"],
    ),
    "repeated": (
        lambda lines: [*lines[:3], lines[1], *lines[3:]],
        [1, 2, 3, 4, 5, 6],
        ["repeated: number 2 was there before"],
    ),
    "two": (
        lambda lines: [lines[0], b"x\n", lines[2], lines[3].replace(b"n", b"\0"), *lines[4:]],
        [1, 3, 5, 6],
        ["unreadable", "unreadable"],
    ),
    "first": (lambda lines: [b"{\n", *lines[1:]], [2, 3, 4, 5, 6], ["unreadable"]),
    "half_a_line_at_the_end": (
        lambda lines: [lines[0], b"x\n", *lines[2:], b'{"n'],
        [1, 3, 4, 5, 6],
        ["unreadable"] * 2,
    ),
}


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize(("edit", "kept", "lost"), DAMAGES.values(), ids=DAMAGES)
def test_every_readable_entry_stays_and_what_is_lost_is_named(
    path: Path, edit: Edit, kept: list[int], lost: list[str], chained: bool
):
    damaged = b"".join(edit(write(path, 6, chained=chained)))
    path.write_bytes(damaged)
    done = mended(path, chained=chained)
    assert [one.why for one in done.lost] == lost
    assert done.kept + done.appended == len(kept)
    assert (Path(done.quarantine) / path.name).read_bytes() == damaged
    assert found(path, chained=chained) == [record(number) for number in kept]


@pytest.mark.parametrize(("edit", "kept", "lost"), DAMAGES.values(), ids=DAMAGES)
def test_a_dry_run_says_the_same_and_does_nothing(path: Path, edit: Edit, kept: list[int], lost: list[str]):
    path.write_bytes(b"".join(edit(write(path, 6))))
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    said = mended(path, dry_run=True)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    done = mended(path)
    assert (said.damage, said.kept, said.appended, said.lost) == (done.damage, done.kept, done.appended, done.lost)


def test_lines_before_the_damage_keep_every_byte(path: Path):
    lines = write(path, 5)
    path.write_bytes(b"".join([*lines[:3], b"x\n", lines[4]]))
    mended(path)
    assert path.read_bytes().startswith(b"".join(lines[:3]))


def test_a_lost_line_is_named_by_file_line_and_byte(path: Path):
    lines = write(path, 3)
    path.write_bytes(lines[0] + b"x\n" + lines[2])
    (lost,) = mended(path).lost
    assert (lost.file, lost.line, lost.offset) == (str(path), 2, len(lines[0]))


def test_a_sound_journal_is_left_alone(path: Path):
    write(path, 3)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    done = mended(path)
    assert (done.damage, done.kept, done.quarantine) == (None, 3, "")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_second_repair_finds_nothing_and_keeps_the_first_quarantine(path: Path):
    lines = write(path, 3)
    path.write_bytes(lines[0] + b"x\n" + lines[2])
    first = mended(path)
    assert mended(path).damage is None
    path.write_bytes(b"x\n" + path.read_bytes())
    second = mended(path)
    assert first.quarantine != second.quarantine


def test_damage_in_a_sealed_file_is_mended_over_all_files_behind_it(path: Path):
    write(path, 12, rotation=SMALL)
    sealed = path.with_name("ledger-000002.jsonl")
    lines = sealed.read_bytes().splitlines(keepends=True)
    sealed.chmod(0o600)
    sealed.write_bytes(b"".join([b"x\n", *lines[1:]]))
    done = mended(path)
    lost = json.loads(lines[0])["seq"]
    assert found(path) == [record(number) for number in range(1, 13) if number != lost]
    assert {file.name for file in Path(done.quarantine).iterdir()} == {"ledger-000002.jsonl", "ledger.jsonl"}


def test_a_file_that_is_missing_is_a_gap(path: Path):
    write(path, 12, rotation=SMALL)
    missing = path.with_name("ledger-000002.jsonl")
    numbers = [json.loads(line)["n"] for line in missing.read_bytes().splitlines()]
    missing.unlink()
    (lost,) = mended(path).lost
    assert lost.why == f"missing before this line: {len(numbers)} of all, from number {numbers[0]} on"
    assert found(path) == [record(number) for number in range(1, 13) if number not in numbers]


def test_a_ledger_shorter_than_its_checkpoint_goes_on_without_it(path: Path):
    file = JournalFile(path, chained=True, files=FileOps())
    file.open(Lines())
    for number in range(1, 6):
        file.append([record(number)])
    file.checkpoint(b"five lines")
    file.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    done = mended(path)
    assert [one.why for one in done.lost] == ["cut off: 2 lines that the checkpoint saw"]
    assert (Path(done.quarantine) / "ledger.checkpoint").exists()
    assert found(path) == [record(1), record(2), record(3)]


def test_whatever_call_fails_the_journal_is_still_damaged_or_mended_and_a_second_repair_ends_it(tmp_path: Path):
    for number in itertools.count(1):
        path, files = tmp_path / str(number) / "ledger.jsonl", FaultyFiles()
        path.parent.mkdir()
        write(path, 12, rotation=SMALL)
        sealed = path.with_name("ledger-000002.jsonl")
        sealed.chmod(0o600)
        lines = sealed.read_bytes().splitlines(keepends=True)
        sealed.write_bytes(b"".join([lines[0], b"x\n", *lines[2:]]))
        lost = json.loads(lines[1])["n"]

        def fail_once(call: int, name: str, *, files: FaultyFiles = files, chosen: int = number) -> None:
            if call == chosen:
                files.fail(name, 5)

        files.before = fail_once
        try:
            repair(files, Journalled(path, chained=True, repair=""), Lines(), dry_run=False)
        except OSError:
            mended(path)
        assert found(path) == [record(one) for one in range(1, 13) if one != lost]
        if number > len(files.calls):
            break


# Verifying


def test_verifying_says_count_and_head_over_all_files(path: Path):
    lines = write(path, 12, rotation=SMALL)
    verified = verify(FileOps(), Journalled(path, chained=True, repair="mend it"), Lines())
    assert (verified.count, verified.head, verified.damage) == (12, json.loads(lines[-1])["hash"], None)
    assert verified.files == len(list(path.parent.glob("*.jsonl")))


def test_a_line_that_is_being_written_is_no_damage(path: Path):
    whole = b"".join(write(path, 3))
    path.write_bytes(whole + b'{"n":4')
    verified = verify(FileOps(), Journalled(path, chained=True, repair="mend it"), Lines())
    assert (verified.count, verified.unfinished_bytes, verified.damage) == (3, 6, None)
    assert path.read_bytes() == whole + b'{"n":4'
