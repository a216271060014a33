"""Every command the README shows is run against a real server in rehearsal, and answers what the README says."""

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
