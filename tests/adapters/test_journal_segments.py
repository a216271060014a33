"""Reading a journal beside its writer."""

import gzip
from pathlib import Path

import pytest

from symbiont.adapters.journal_segments import archived_file, lines, sealed_file, segments


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_a_journal_that_is_not_there_has_one_segment_and_no_lines(path: Path):
    assert [(part.path, part.number) for part in segments(path)] == [(path, 1)]
    assert list(lines(path)) == []


def test_lines_go_on_over_archived_sealed_and_active_files(path: Path):
    archived_file(path, 1).write_bytes(gzip.compress(b"1\n2\n"))
    sealed_file(path, 2).write_bytes(b"3\n")
    path.write_bytes(b"4\n5\n")
    assert [(part.path.name, part.number, part.is_compressed) for part in segments(path)] == [
        ("ledger-000001.jsonl.gz", 1, True),
        ("ledger-000002.jsonl", 2, False),
        ("ledger.jsonl", 3, False),
    ]
    assert list(lines(path)) == [b"1", b"2", b"3", b"4", b"5"]


def test_a_line_that_is_still_being_written_is_left_out(path: Path):
    path.write_bytes(b"1\r\n\n2\n3")
    assert list(lines(path)) == [b"1", b"2"]


def test_a_segment_that_is_there_twice_counts_once(path: Path):
    archived_file(path, 1).write_bytes(b"half")
    sealed_file(path, 1).write_bytes(b"1\n")
    assert list(lines(path)) == [b"1"]


def test_other_files_beside_it_are_none_of_its_segments(path: Path):
    for name in ("ledger-1.jsonl", "ledger-000001.jsonl.torn", "queue-000001.jsonl", "ledger.jsonl.tmp"):
        path.with_name(name).write_bytes(b"x\n")
    path.write_bytes(b"1\n")
    assert list(lines(path)) == [b"1"]


def test_a_file_that_is_sealed_while_it_is_read_is_read_to_its_end(path: Path):
    path.write_bytes(b"1\n2\n")
    reading = lines(path)
    assert next(reading) == b"1"
    path.rename(sealed_file(path, 1))
    path.write_bytes(b"3\n")
    assert list(reading) == [b"2"]


def test_a_file_that_is_sealed_between_two_segments_is_not_left_out(path: Path):
    sealed_file(path, 1).write_bytes(b"1\n")
    path.write_bytes(b"2\n")
    reading = lines(path)
    assert next(reading) == b"1"
    path.rename(sealed_file(path, 2))
    path.write_bytes(b"3\n")
    assert list(reading) == [b"2", b"3"]


def test_a_gap_between_the_files_is_not_passed_over(path: Path):
    sealed_file(path, 1).write_bytes(b"1\n")
    sealed_file(path, 3).write_bytes(b"3\n")
    path.write_bytes(b"4\n")
    reading = lines(path)
    assert next(reading) == b"1"
    with pytest.raises(FileNotFoundError, match="no gap"):
        next(reading)
