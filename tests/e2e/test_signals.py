"""Whatever signal ends a process, no model call outlives it. The CLI is the fake one, which hangs until it is stopped."""

import signal
import subprocess
import sys
import time

import pytest

from tests.doubles.claude import FakeClaude
from tests.e2e.orchestrator import Orchestrator, until

pytestmark = pytest.mark.slow
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HANGS = ({"touch": "asked"}, {"hang": True})


@pytest.fixture
def claude(tmp_path):
    (tmp_path / "claude").mkdir()
    return FakeClaude(tmp_path / "claude")


@pytest.fixture
def server(tmp_path, claude):
    environment = {"CLAUDE_CONFIG_DIR": str(claude.folder), "SYMBIONT_CLAUDE_CLI": str(claude.executable)}
    return Orchestrator(tmp_path, {"dispatch.stop_grace_s": 1.0}, environment)


def under_way(server, claude):
    until((claude.folder / "asked").exists)
    assert server.calls() != []


@pytest.mark.parametrize("number", STOPS)
def test_a_server_ends_in_order_at_any_of_them(server, claude, number):
    claude.does(*HANGS)
    with server:
        task_id = server.enqueue("Say OK", force_tier="haiku")
        under_way(server, claude)
        server.signal(number)
        assert (server.wait(), server.calls()) == (0, [])
        assert [(line["task_id"], line["error_code"]) for line in server.ledger()] == [(task_id, "CANCELLED")]


def test_a_second_signal_takes_deaf_calls_along(server, claude):
    claude.does(*HANGS, ignore=["SIGINT", "SIGTERM"])
    with server:
        server.enqueue("Say OK", force_tier="haiku")
        under_way(server, claude)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGHUP)
        # Python handles signals that are there together by number, not in the order they came.
        assert server.wait() in {128 + signal.SIGHUP, 128 + signal.SIGTERM}
        assert server.calls() == []


@pytest.mark.parametrize("number", STOPS)
def test_a_task_run_without_a_server_is_put_back_and_its_call_stopped(server, claude, number):
    claude.does(*HANGS)
    command = [sys.executable, "-m", "symbiont.cli", "task", "submit", "Say OK", "--tier", "haiku", "--local"]
    with subprocess.Popen(command, env=server.environment, stderr=subprocess.PIPE) as process:
        under_way(server, claude)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"interrupted\n")
    assert (server.calls(), [line["error_code"] for line in server.ledger()]) == ([], ["CANCELLED"])


def test_a_shutdown_takes_no_longer_than_it_may_whatever_a_call_does(server, claude):
    claude.does(*HANGS, ignore=["SIGINT", "SIGTERM"])
    server.environment |= {"SYMBIONT_SUPERVISION_SHUTDOWN_S": "6", "SYMBIONT_DISPATCH_STOP_GRACE_S": "60"}
    with server:
        server.enqueue("Say OK", force_tier="haiku")
        under_way(server, claude)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 6.0 + 3.0
        assert server.calls() == []
