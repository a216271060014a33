"""What the end-to-end tests share: the stand-in of the Messages API, and the real CLI where there is one."""

import os
import shutil
from pathlib import Path

import pytest

from tests.doubles.anthropic_stub import StandIn

HOW = "no Claude Code CLI: set SYMBIONT_TEST_CLAUDE to the path that tests/e2e/install_claude.sh prints"


@pytest.fixture
def stand_in():
    """The Messages API on loopback: `.url`, `.scenario(**options)`, `.requests()`."""
    with StandIn() as server:
        yield server


@pytest.fixture(scope="session")
def real_claude():
    """The path of a real CLI: what SYMBIONT_TEST_CLAUDE names, a file or a folder that holds it somewhere inside."""
    named = os.environ.get("SYMBIONT_TEST_CLAUDE", "")
    found = shutil.which(named) if named else None
    if found is None and named and Path(named).is_dir():
        inside = (path for path in sorted(Path(named).rglob("claude")) if os.access(path, os.X_OK) and path.is_file())
        found = str(next(inside, "")) or None
    if found is None:
        pytest.skip(HOW)
    return found
