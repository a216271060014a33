"""A real server, killed while several tasks share a call of the (fake) CLI: none is lost, the call counts once, each runs alone then."""

import json

import pytest

from tests.doubles.claude import FakeClaude
from tests.e2e.orchestrator import Orchestrator, until

pytestmark = pytest.mark.slow
SETTINGS = {
    "batching.enabled": True,
    "batching.max_tasks": 3,
    "batching.patience_s": 30.0,
    "dispatch.backoff_base_s": 0.1,
    "dispatch.stop_grace_s": 1.0,
}


def test_a_kill_in_the_middle_of_a_shared_call_loses_no_task_and_counts_one_call(tmp_path):
    (tmp_path / "claude").mkdir()
    claude = FakeClaude(tmp_path / "claude").does({"touch": "asked"}, {"hang": True})
    environment = {"CLAUDE_CONFIG_DIR": str(claude.folder), "SYMBIONT_CLAUDE_CLI": str(claude.executable)}
    with Orchestrator(tmp_path, SETTINGS, environment) as server:
        ids = [server.enqueue(f"Say {number}", force_tier="haiku") for number in range(3)]
        until((claude.folder / "asked").exists)
        (call,) = server.calls()
        server.kill()
        claude.replays("2.1.329 stream 529 x1 then ok")
        server.start()

        assert [server.ended(task_id)["status"] for task_id in ids] == ["done"] * 3
        assert call not in server.calls()
        lines = server.ledger()
        cut, whole = [line for line in lines if line["error_code"]], [line for line in lines if not line["error_code"]]
        assert [(line["error_code"], line["shares"]) for line in cut] == [("INTERRUPTED", 3)] * 3
        assert (len(whole), [json.dumps(line) for line in whole if "shared_call" in line]) == (3, [])
        stats = server.ask("GET", "/ledger/stats").body
        assert (stats["total_calls"], stats["unknown_cost_calls"]) == (4, 1)
