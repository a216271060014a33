"""A real server, killed right after it has acknowledged a task with an idempotency key: the same request is the same task afterwards."""

import json

import pytest

from tests.crash.independent_reader import lines_of
from tests.e2e.orchestrator import Orchestrator

REHEARSAL = {"dispatch.worker": "rehearsal"}
REQUEST = {"task": "Say yes", "project": "shop", "idempotency_key": "order-17"}


def acknowledged(server: Orchestrator, request: dict[str, object]) -> str:
    answer = server.ask("POST", "/queue", request)
    assert answer.status == 200, answer.body
    return str(answer.body["id"])


@pytest.mark.parametrize("kills", [1, 4])
def test_the_same_request_after_a_kill_is_the_same_task_and_runs_once(tmp_path, kills):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        ids = set[str]()
        for _ in range(kills):
            ids.add(acknowledged(server, REQUEST))
            server.kill()
            server.start()
        ids.add(acknowledged(server, REQUEST))
        (task_id,) = ids
        assert server.ended(task_id)["status"] == "done"
        waited_for = server.ask("POST", "/task", REQUEST)
        assert (waited_for.status, waited_for.body["id"]) == (200, task_id)
        server.stop()
        assert {json.loads(line)["id"] for line in lines_of(server.data / "queue.jsonl")} == {task_id}


def test_another_request_under_the_key_is_refused_after_a_kill_and_another_project_is_free(tmp_path):
    with Orchestrator(tmp_path, REHEARSAL) as server:
        task_id = acknowledged(server, REQUEST)
        server.kill()
        server.start()
        refused = server.ask("POST", "/queue", {**REQUEST, "task": "Say no"})
        assert (refused.status, refused.body["code"], refused.body["details"]["id"]) == (409, "CONFLICT", task_id)
        assert acknowledged(server, {**REQUEST, "project": "web"}) != task_id
        assert acknowledged(server, {key: REQUEST[key] for key in ("task", "idempotency_key")}) != task_id
