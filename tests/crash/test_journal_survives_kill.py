"""A real process, killed with SIGKILL while it appends, again and again over the same file."""

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from symbiont.adapters.journal import FileJournal
from tests.contract.journal_contract import chain_fault, opening

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("journal_child.py")
RUNS = 10


def acknowledged_until_killed(path: Path, run: int, kind: str, patience: int) -> list[int]:
    """The numbers the child reported; it is killed once it has reported `patience` of them."""
    command = [sys.executable, str(CHILD), str(path), str(run), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as child:
        assert child.stdout is not None
        seen = [int(child.stdout.readline()) for _ in range(patience)]
        child.kill()
        rest = child.stdout.read()
    # what was written before the kill arrives whole: each report is one small write to a pipe
    return seen + [int(line) for line in rest.splitlines()]


async def contents(path: Path, kind: str) -> list[bytes]:
    journal = FileJournal(path, chained=kind == "chained")
    records = await opening(journal)
    await journal.close()
    return records


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["chained", "plain"])
def test_every_acknowledged_record_is_there_exactly_once_and_in_order(tmp_path: Path, kind: str):
    path, rng = tmp_path / "journal.jsonl", random.Random(kind)
    acknowledged: dict[int, list[int]] = {}
    for run in range(RUNS):
        acknowledged[run] = acknowledged_until_killed(path, run, kind, patience=rng.randint(1, 400))
        lines = asyncio.run(contents(path, kind)) if run % 2 else path.read_bytes().splitlines()[:-1]
        assert chain_fault(lines) == ""
    written = [(fields["run"], fields["n"]) for fields in map(json.loads, asyncio.run(contents(path, kind)))]
    assert written == sorted(set(written))
    for run, numbers in acknowledged.items():
        of_this_run = [number for owner, number in written if owner == run]
        assert of_this_run == list(range(len(of_this_run)))
        assert set(numbers) <= set(of_this_run)
