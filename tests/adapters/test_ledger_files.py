"""The files of the ledger, read beside the one who writes them: newest first, by filter, across segments."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters import ledger_files
from symbiont.adapters.journal_segments import segments
from symbiont.adapters.ledger_files import LedgerFiles
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode, encode
from symbiont.domain.ledger_query import EVERYTHING, LedgerFilter
from symbiont.domain.totals import Totals


def call(number: int, **changes: object) -> Entry:
    fields: dict[str, object] = {
        "timestamp": f"2026-03-{1 + number // 24 % 28:02}T{number % 24:02}:00:00.000000Z",
        "model": "haiku",
        "success": True,
        "elapsed_seconds": 1.0,
        "input_tokens": number,
        "output_tokens": 0,
        "estimated_cost_usd": 0.25,
        "prompt_preview": "",
        "task_id": f"task-{number}",
    }
    return Entry(**fields | changes)


def written(*entries: Entry) -> bytes:
    return b"".join(encode(entry) + b"\n" for entry in entries)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "ledger.jsonl"


def tasks(entries) -> list[str]:
    return [entry.task_id for entry in entries]


def in_three_segments(path: Path) -> None:
    (path.parent / "ledger-000001.jsonl.gz").write_bytes(gzip.compress(written(call(1), call(2))))
    (path.parent / "ledger-000002.jsonl").write_bytes(written(call(3), call(4)))
    path.write_bytes(written(call(5)))


def test_an_empty_directory_is_an_empty_ledger(path):
    files = LedgerFiles(path)
    assert (files.newest_now(EVERYTHING, 5), files.totals_now(EVERYTHING)) == ((), Totals())


@pytest.mark.parametrize(("limit", "expected"), [(1, [5]), (2, [4, 5]), (4, [2, 3, 4, 5]), (50, [1, 2, 3, 4, 5])])
def test_the_newest_come_from_as_many_segments_as_it_takes(path, limit, expected):
    in_three_segments(path)
    assert tasks(LedgerFiles(path).newest_now(EVERYTHING, limit)) == [f"task-{number}" for number in expected]


def test_a_segment_that_is_there_twice_while_it_is_compressed_counts_once(path):
    in_three_segments(path)
    (path.parent / "ledger-000002.jsonl.gz").write_bytes(b"half of it")
    assert LedgerFiles(path).totals_now(EVERYTHING).total.calls == 5


def test_other_files_are_not_taken_for_segments(path):
    in_three_segments(path)
    (path.parent / "ledger-000003.jsonl.1234.bad").write_bytes(b"cut off")
    (path.parent / "ledger-old.jsonl").write_bytes(written(call(9)))
    assert LedgerFiles(path).totals_now(EVERYTHING).total.calls == 5


def test_a_segment_that_is_sealed_between_two_looks_is_neither_missed_nor_read_twice(path, monkeypatch):
    path.write_bytes(written(call(1), call(2)))

    def sealing(journal):
        found = segments(journal)
        path.rename(path.parent / "ledger-000001.jsonl")
        path.write_bytes(written(call(3)))
        return found

    monkeypatch.setattr(ledger_files, "segments", sealing)
    assert tasks(LedgerFiles(path).newest_now(EVERYTHING, 9)) == ["task-1", "task-2"]


def test_a_line_that_is_just_being_written_is_not_seen(path):
    path.write_bytes(written(call(1)) + encode(call(2))[:40])
    files = LedgerFiles(path)
    assert (tasks(files.newest_now(EVERYTHING, 9)), files.totals_now(EVERYTHING).total.calls) == (["task-1"], 1)


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(1, 30), st.integers(1, 90))
def test_backwards_in_blocks_of_any_size_is_forwards_reversed(tmp_path_factory, sizes, limit, block):
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    entries = [call(number, prompt_preview="x" * size) for number, size in enumerate(sizes)]
    path.write_bytes(written(*entries))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledger_files, "_BLOCK_BYTES", block)
        assert list(LedgerFiles(path).newest_now(EVERYTHING, limit)) == entries[-limit:]


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        (LedgerFilter(model="opus"), {"model": "opus"}),
        (LedgerFilter(tier="opus"), {"tier": "opus"}),
        (LedgerFilter(tier="opus"), {"model": "opus"}),
        (LedgerFilter(worker="ollama"), {"worker": "ollama"}),
        (LedgerFilter(node="attic"), {"node": "attic"}),
        (LedgerFilter(project="a “shop”"), {"project": "a “shop”"}),
        (LedgerFilter(kind="judge"), {"kind": "judge"}),
        (LedgerFilter(billing="own"), {"billing": "own"}),
        (LedgerFilter(success=False), {"success": False}),
        (LedgerFilter(error="REFUSED"), {"error_code": "REFUSED"}),
        (LedgerFilter(task="task-x"), {"task_id": "task-x"}),
        (LedgerFilter(since=datetime(2026, 4, 1, tzinfo=UTC)), {"timestamp": "2026-04-01T00:00:00Z"}),
        (LedgerFilter(until=datetime(2026, 3, 1, tzinfo=UTC)), {"timestamp": "2026-02-28T23:59:59.9Z"}),
        (LedgerFilter(model="opus", success=False), {"model": "opus", "success": False}),
    ],
)
def test_a_filter_finds_what_matches_alone(path, wanted, changes):
    found = call(7, **changes)
    near = [call(6, model="opus", success=True)] if wanted.model and wanted.success is False else []
    path.write_bytes(written(call(5), found, *near, call(8)))
    assert LedgerFiles(path).newest_now(wanted, 9) == (found,)
    assert LedgerFiles(path).totals_now(wanted).total.calls == 1


def test_a_classic_line_is_found_by_what_it_does_not_say(path):
    path.write_bytes(
        b'{"timestamp": "2026-03-19T14:32:15.1Z", "model": "sonnet", "success": true, "elapsed_seconds": 6.2, '
        b'"input_tokens": 3, "output_tokens": 139, "estimated_cost_usd": 0.0384, "prompt_preview": "Classify"}\n'
    )
    wanted = LedgerFilter(kind="task", billing="subscription", project="", tier="sonnet")
    assert len(LedgerFiles(path).newest_now(wanted, 9)) == 1


def test_of_an_import_what_is_there_is_left_out_however_it_is_written(path):
    path.write_bytes(encode(call(1)).replace(b'","', b'", "').replace(b'":', b'": ') + b"\n" + written(call(2)))
    some = [call(1), call(2), call(3), call(3), call(2, input_tokens=9)]
    assert LedgerFiles(path).missing_now(some) == (call(3), call(2, input_tokens=9))


def test_a_line_that_is_none_is_told_with_what_examines_it(path):
    path.write_bytes(b"{}\n")
    with pytest.raises(SymbiontError) as refusal:
        LedgerFiles(path).newest_now(EVERYTHING, 1)
    assert (refusal.value.code, refusal.value.hint) == ("DATA_CORRUPT", "symbiont ledger verify")


async def test_the_port_reads_in_a_thread_what_the_others_read_at_once(path):
    in_three_segments(path)
    files = LedgerFiles(path)
    assert await files.newest(EVERYTHING, 3) == files.newest_now(EVERYTHING, 3)
    assert await files.totals(EVERYTHING) == files.totals_now(EVERYTHING)
    assert await files.missing([call(1), call(9)]) == (call(9),)


def test_what_matches_comes_as_it_stands_in_the_file(path):
    path.write_bytes(written(call(1))[:-2] + b',"seq":1,"batch":1,"hash":"00"}\n')
    ((line, entry),) = LedgerFiles(path).matching_now(EVERYTHING)
    assert (line.endswith(b'"hash":"00"}'), entry) == (True, decode(line))
