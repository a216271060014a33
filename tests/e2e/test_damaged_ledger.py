"""A server over a ledger in which a line was changed: it starts, says so, takes nothing, and works again after the repair."""

import subprocess
import sys

from tests.e2e.orchestrator import Orchestrator, until

REHEARSAL = {"dispatch.worker": "rehearsal"}


def exit_code(server: Orchestrator, *arguments: str) -> int:
    """Of a command over the data directory of the server."""
    command = [sys.executable, "-m", "symbiont.cli", *arguments]
    return subprocess.run(command, env=server.environment, capture_output=True, check=False).returncode


def test_from_damage_to_repair(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        for number in range(3):
            server.ask("POST", "/task", {"task": f"Say {number}"})
        server.stop()
        ledger = server.data / "ledger.jsonl"
        lines = ledger.read_bytes().splitlines(keepends=True)
        damaged = b"".join([lines[0], lines[1].replace(b'"success":true', b'"success":null'), lines[2]])
        ledger.write_bytes(damaged)

        server.start()
        health = server.ask("GET", "/health").body
        refused = server.ask("POST", "/task", {"task": "Say no"})
        assert (health["status"], server.ask("GET", "/status").body["status"]) == ("damaged", "degraded")
        assert f"expected line 2 of {ledger} (byte {len(lines[0])})" in health["problems"][0]
        assert (refused.status, refused.body["code"]) == (503, "DATA_CORRUPT")
        assert refused.body["details"]["hint"] == "symbiont ledger repair"
        assert server.ask("GET", "/ledger/stats").body["rehearsal"]["calls"] == 1
        assert "journal_damaged" in server.said()
        server.stop()
        assert ledger.read_bytes() == damaged

        assert exit_code(server, "ledger", "verify") == 1
        assert exit_code(server, "ledger", "repair") == 0
        assert exit_code(server, "ledger", "verify") == 0

        server.start()
        assert server.ask("POST", "/task", {"task": "Say yes"}).status == 200
        assert server.ask("GET", "/health").body == {"runtime": "python/asyncio", "status": "ok"}
        assert server.ask("GET", "/ledger").body["count"] == 3


def test_any_other_journal_that_is_damaged_is_told_with_what_mends_it(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        for _ in range(3):
            server.ask("POST", "/heartbeat")
        server.stop()
        beats = server.data / "heartbeat.jsonl"
        first, *rest = beats.read_bytes().splitlines(keepends=True)
        beats.write_bytes(b"".join([first[:20] + b"#" + first[21:], *rest]))

        server.start()
        health = server.ask("GET", "/health").body
        assert (health["status"], f"mv '{beats}' '{beats}.broken'" in health["problems"][0]) == ("damaged", True)
        assert server.ask("POST", "/task", {"task": "Say yes"}).status == 200


def test_a_ledger_that_is_cut_while_the_server_runs_takes_nothing_more(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        server.ask("POST", "/task", {"task": "Say yes"})
        ledger = server.data / "ledger.jsonl"
        ledger.write_bytes(ledger.read_bytes()[:-5])

        until(lambda: server.ask("POST", "/task?wait_s=1", {"task": "Say no"}).status != 200)
        health = server.ask("GET", "/health").body
        assert (health["status"], "symbiont ledger repair" in health["problems"][0]) == ("damaged", True)
        until(lambda: "journal_changed_by_somebody_else" in server.said())


def test_a_ledger_that_somebody_changes_under_a_running_server_stops_the_work_and_not_the_server(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        server.ask("POST", "/task", {"task": "Say yes"})
        ledger = server.data / "ledger.jsonl"
        with ledger.open("ab") as file:
            file.write(b"scribble")
        until(lambda: server.ask("GET", "/health").body["status"] == "damaged", 10)

        refused = server.ask("POST", "/task", {"task": "Say no"})
        assert (refused.status, refused.body["code"]) == (503, "DATA_CORRUPT")
        assert server.ask("GET", "/status").body["rehearsal"]["calls"] == 1
        assert server.stop() == 0
        assert ledger.read_bytes().endswith(b"scribble")

        server.start()  # as after a power cut: what is no line is put aside
        assert server.ask("POST", "/task", {"task": "Say yes again"}).status == 200
        server.stop()
        assert exit_code(server, "ledger", "verify") == 0
