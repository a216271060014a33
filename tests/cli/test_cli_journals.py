"""`symbiont ledger verify`, `ledger repair`, `queue repair`: over the files of a data directory."""

import asyncio
import json
from pathlib import Path

import pytest

from symbiont.adapters.data_dir import DataDir
from symbiont.adapters.journal import FileJournal
from tests.cli.test_cli_ledger import CLASSIC
from tests.contract.journal_contract import opening

TASK = {"id": "queued-1", "task": "one", "created_at": "2026-03-01T10:00:00Z", "status": "pending"}


@pytest.fixture
def data(home, monkeypatch) -> Path:
    directory = home / "data"
    directory.mkdir()
    monkeypatch.setenv("SYMBIONT_DATA_DIR", str(directory))
    write(directory / "ledger.jsonl", *[CLASSIC] * 4, chained=True)
    write(directory / "queue.jsonl", *[TASK | {"id": f"queued-{number}"} for number in range(4)])
    return directory


def write(path: Path, *records: dict, chained: bool = False) -> None:
    async def run() -> None:
        journal = FileJournal(path, chained=chained)
        await opening(journal)
        for record in records:
            await journal.append(json.dumps(record).encode())
        await journal.close()

    asyncio.run(run())


def damage(path: Path) -> list[bytes]:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[2:]]))
    return lines


def test_a_sound_ledger_is_told_with_count_and_head(ask, data):
    lines = (data / "ledger.jsonl").read_bytes().splitlines()
    ran = ask("ledger", "verify")
    assert (ran.code, ran.out) == (0, f"ok 4 lines, head {json.loads(lines[-1])['hash']}, 1 file\n")


def test_verifying_works_while_somebody_holds_the_directory(ask, data):
    held = DataDir.open(data)
    try:
        assert ask("ledger", "verify", "--json").json["count"] == 4
    finally:
        held.close()


def test_the_first_bad_line_is_named(ask, data):
    lines = damage(data / "ledger.jsonl")
    ran = ask("ledger", "verify")
    assert ran.code == 1
    assert f"expected line 2 of {data / 'ledger.jsonl'} (byte {len(lines[0])})" in ran.err
    assert "symbiont ledger repair" in ran.err


def test_the_first_bad_line_is_named_to_programs(ask, data):
    lines = damage(data / "ledger.jsonl")
    ran = ask("ledger", "verify", "--json")
    error = json.loads(ran.err)
    assert (ran.code, error["code"]) == (1, "DATA_CORRUPT")
    assert (error["details"]["line"], error["details"]["offset"], error["details"]["count"]) == (2, len(lines[0]), 1)


def test_lines_taken_away_after_an_orderly_close_are_missed(ask, data):
    path = data / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    ran = ask("ledger", "verify")
    assert ran.code == 1
    assert f"expected line 3 of {path} (byte {len(lines[0] + lines[1])}) to be there" in ran.err
    assert "restore the file from a backup" in ran.err


@pytest.mark.parametrize("noun", ["ledger", "queue"])
def test_a_repair_keeps_what_is_readable_and_says_what_is_not(ask, data, noun):
    damage(data / f"{noun}.jsonl")
    ran = ask(noun, "repair")
    assert ran.code == 0
    assert "kept: 1 line before it, 2 lines behind it" in ran.out
    assert f"lost: line 2 of {data / noun}.jsonl" in ran.out
    assert f"everything as it was: {data / noun}.damaged-1" in ran.out
    assert ask(noun, "repair").out == "ok 3 lines, nothing to repair\n"


def test_a_dry_run_changes_nothing(ask, data):
    damage(data / "ledger.jsonl")
    before = sorted(data.iterdir())
    ran = ask("ledger", "repair", "--dry-run")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "nothing was changed")
    assert [path for path in sorted(data.iterdir()) if path.name not in {"lock", "cli"}] == before
    assert ask("ledger", "verify").code == 1


@pytest.mark.parametrize("noun", ["ledger", "queue"])
def test_a_repair_refuses_while_somebody_holds_the_directory(ask, data, noun):
    damage(data / f"{noun}.jsonl")
    held = DataDir.open(data)
    try:
        ran = ask(noun, "repair")
    finally:
        held.close()
    assert ran.code == 6
    assert "DATA_DIR_LOCKED" in ran.err


def test_a_change_of_a_task_whose_record_is_lost_is_lost_too(ask, data):
    path = data / "queue.jsonl"
    write(path, {"id": "queued-1", "status": "cancelled"}, {"id": "queued-2", "status": "cancelled"})
    damage(path)
    report = ask("queue", "repair", "--json").json
    assert [lost["line"] for lost in report["lost"]] == [2, 5]
    assert report["kept"] + report["appended"] == 4


def test_without_a_data_directory_there_is_nothing_to_verify(ask, home, monkeypatch):
    monkeypatch.setenv("SYMBIONT_DATA_DIR", str(home / "nowhere"))
    assert ask("ledger", "verify").code == 3
