"""What the end-to-end tests share: the stand-in of the Messages API, and the real CLI where there is one."""

import os
import shutil
from pathlib import Path

import pytest

from tests.doubles.anthropic_stub import StandIn
from tests.e2e.orchestrator import Orchestrator

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


@pytest.fixture
def with_claude(real_claude, stand_in, tmp_path):
    """A server, not yet started, whose worker is the real CLI and asks the stand-in; `account` is the credential it has."""

    def make(account=None, url=stand_in.url, **settings):
        dotted = {key.replace("__", "."): value for key, value in settings.items()}
        account = {"ANTHROPIC_API_KEY": "dummy-test-key"} if account is None else account
        environment = {"SYMBIONT_CLAUDE_CLI": real_claude, "ANTHROPIC_BASE_URL": url, **account}
        return Orchestrator(tmp_path, dotted, environment)

    return make
