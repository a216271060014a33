"""A short marathon; `python -m tests.crash.marathon` runs the long one. SYMBIONT_MARATHON_TASKS sets the length (400)."""

import os
from pathlib import Path

import pytest

from tests.crash.marathon import Marathon

TASKS = int(os.environ.get("SYMBIONT_MARATHON_TASKS", "400"))
KILL_EVERY_S = 0.6


@pytest.mark.slow
@pytest.mark.timeout(60 + TASKS)
def test_killed_again_and_again_it_answers_each_task_once(tmp_path: Path) -> None:
    marathon = Marathon(tmp_path, TASKS, KILL_EVERY_S)
    marathon.run()
    assert marathon.kills > 0
    assert marathon.faults() == []
