"""How the server process starts and ends: exit codes, error texts and what it leaves in its data directory. No CLI needed."""

import json
import signal
import socket
import sys

import pytest

from tests.e2e.orchestrator import Orchestrator, until

REHEARSAL = {"dispatch.worker": "rehearsal"}


@pytest.fixture
def server(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as running:
        yield running


def test_server_json_tells_where_the_server_listens_and_who_it_is(server):
    info = json.loads((server.data / "server.json").read_text("utf-8"))

    assert info == {"url": server.url, "pid": server.process.pid}
    assert server.ask("GET", "/health").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success_and_without_server_json(server, number):
    server.signal(number)

    assert server.wait() == 0
    assert not (server.data / "server.json").exists()


def test_what_was_done_is_still_there_after_a_restart(server):
    answer = server.ask("POST", "/task", {"task": "Say OK"}).body
    server.stop()
    server.start()

    assert server.task(answer["id"])["answer"] == answer
    assert server.ask("GET", "/ledger").body["count"] == 1


def test_server_json_of_a_killed_server_is_replaced_by_the_next_one(server):
    server.kill()
    assert (server.data / "server.json").exists()

    server.start()

    assert server.ask("GET", "/health").status == 200


def test_a_second_server_on_the_same_data_directory_is_told_who_has_it(server):
    second = server.run()

    assert second.returncode == 6
    assert "error DATA_DIR_LOCKED:" in second.stderr
    assert f"process {server.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert server.ask("GET", "/health").status == 200


def test_a_refused_second_server_leaves_server_json_alone(server):
    before = (server.data / "server.json").read_bytes()

    server.run()

    assert (server.data / "server.json").read_bytes() == before


def test_a_port_that_is_taken_is_named_with_a_free_one_to_try(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = Orchestrator(tmp_path, REHEARSAL).run("--port", str(port))

    assert refused.returncode == 6
    assert f"error ADDRESS_IN_USE: expected port {port} on 127.0.0.1 to be free" in refused.stderr
    assert "hint: SYMBIONT_PORT=" in refused.stderr
    assert "Traceback" not in refused.stderr


class WithABug(Orchestrator):
    """A server whose health check crashes whenever somebody asks for one."""

    def command(self, *arguments: str) -> list[str]:
        bug = "from symbiont.actors.heartbeat import Heartbeat; Heartbeat.handle_call = None"
        return [sys.executable, "-c", f"{bug}; import symbiont.cli.__main__", "serve", *(arguments or ("--port", "0"))]


def test_a_tree_that_gives_up_ends_the_process_so_that_the_service_manager_starts_it_again(tmp_path):
    with WithABug(tmp_path, REHEARSAL | {"supervision.max_restarts": 0}) as server:
        status = server.ask("POST", "/heartbeat").status

        assert status == 503
        assert server.wait() == 70
        assert '"event": "gave_up"' in server.said()
        assert server.start().ask("GET", "/health").status == 200


def test_a_missing_cli_that_was_named_is_an_error_with_the_way_to_install_it(tmp_path):
    with Orchestrator(tmp_path, {}, {"SYMBIONT_CLAUDE_CLI": "/nonexistent/claude"}) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK"})

        assert (answer.status, answer.body["code"]) == (503, "CLI_MISSING")
        assert "/nonexistent/claude" in answer.body["error"]
        assert "npm install -g @anthropic-ai/claude-code" in answer.body["error"]
        assert server.ask("GET", "/status").body["status"] == "degraded"


def test_without_any_cli_tasks_are_rehearsed_and_say_so(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with Orchestrator(tmp_path, {}, {"PATH": str(empty)}) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK"})

        assert (answer.status, answer.body["billing"]) == (200, "rehearsal")
        assert server.ask("GET", "/ledger/stats").body["total_calls"] == 0


def test_a_queue_of_hundreds_survives_a_stop_in_the_middle(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL | {"dispatch.slots": 1}) as server:
        ids = [asked.result().body["id"] for asked in [server.ask_meanwhile("POST", "/queue", {"task": str(n)}) for n in range(200)]]  # fmt: skip

        assert server.stop() == 0
        server.start()

        until(lambda: server.ask("GET", "/status").body["queue_size"] == 0)
        until(lambda: server.ask("GET", "/status").body["processing"] == 0)
        assert sorted(line["task_id"] for line in server.ledger()) == sorted(ids)


def test_data_of_a_server_is_readable_by_its_owner_alone(server):
    modes = {path.name: path.stat().st_mode & 0o077 for path in [server.data, *server.data.iterdir()]}

    assert set(modes.values()) == {0}, modes
