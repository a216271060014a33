"""Every command the README shows is run against a real server in rehearsal, and answers what the README says."""

import json
import shutil
import subprocess
import sys

import pytest

from symbiont.config import load
from tests.docs.readme import README, ROOT, blocks, same

BLOCKS = blocks(README.read_text("utf-8"))
COMMANDS = [block for block in BLOCKS if block.is_run]
RECORDED = [block for block in COMMANDS if block.answer is not None]
NEEDS = [pytest.mark.skipif(shutil.which(tool) is None, reason=f"no {tool}") for tool in ("bash", "curl", "jq")]

pytestmark = NEEDS


@pytest.fixture(scope="module")
def ran(rehearsing, busy):
    """All commands, run once in the order of the README, by their line."""
    return {block.line: (busy if block.on_busy_server else rehearsing).run(block) for block in COMMANDS}


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_a_command_works_as_it_is_written(block, ran):
    assert ran[block.line].code == 0, ran[block.line].output


@pytest.mark.parametrize("block", RECORDED, ids=str)
def test_a_command_answers_what_the_readme_shows(block, ran):
    shown, came = same(block, ran[block.line].output)

    assert came == shown


@pytest.mark.parametrize("block", [block for block in COMMANDS if "ledger.jsonl" in block.code], ids=str)
def test_a_look_at_the_ledger_survives_a_call_whose_cost_is_unknown(block, tmp_path):
    calls = [{"task_id": f"task-{cost}", "model": "haiku", "estimated_cost_usd": cost} for cost in (0.1, None, 0.2)]
    lines = [json.dumps({"timestamp": "2026-03-19T14:33:12Z", "billing": "api", **call}) for call in calls]
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    code = block.code.replace("~/.local/state/symbiont/ledger.jsonl", str(ledger))

    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr


def test_a_command_that_is_not_run_says_why():
    unexplained = [block for block in BLOCKS if block.language == "sh" and not block.is_run and len(block.note) < 20]

    assert unexplained == []


def test_nearly_all_commands_are_run():
    left_out = [block for block in BLOCKS if block.language == "sh" and not block.is_run]

    assert len(left_out) * 4 < len(COMMANDS)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_a_piece_of_configuration_is_valid(block, tmp_path):
    file = tmp_path / "symbiont.toml"
    file.write_text(block.code, "utf-8")

    assert load(path=file, env={}).warnings == ()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_a_program_prints_what_the_readme_shows(block):
    done = subprocess.run([sys.executable, "-c", block.code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == block.answer.code
