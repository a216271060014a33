"""The tutorial of the library is a program: every block of it runs, and prints what it says."""

import subprocess
import sys

import pytest

from tests.docs.readme import ROOT, Block, blocks

TUTORIAL = [
    block for block in blocks((ROOT / "supervisors" / "README.md").read_text("utf-8")) if block.language == "python"
]


def test_the_tutorial_has_examples_and_all_show_what_they_print():
    assert len(TUTORIAL) >= 5
    assert all(block.answer is not None for block in TUTORIAL)


@pytest.mark.parametrize("block", TUTORIAL, ids=str)
def test_an_example_of_the_tutorial_prints_what_it_says(block: Block):
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ran.stderr, ran.stdout) == ("", block.answer.code)
