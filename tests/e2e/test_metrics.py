"""The figures of a real server: those of its ledger and its queue, whoever is asked for them."""

from contextlib import closing
from http.client import HTTPConnection

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.orchestrator import Orchestrator


def metrics(server):
    with closing(HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    families = text_string_to_metric_families(text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_status_statistics_and_metrics_tell_the_same(tmp_path):
    with Orchestrator(tmp_path, {"dispatch.worker": "rehearsal"}) as server:
        for number in range(3):
            server.ask("POST", "/task", {"task": f"Say {number}"})
        server.ask("POST", "/ledger/import", {"entries": [LINE, LINE | {"task_id": "elsewhere", "tier": "opus"}]})
        found = metrics(server)
        status, stats = (server.ask("GET", path).body for path in ("/status", "/ledger/stats"))

        assert found[("symbiont_calls_total",)] == status["total_calls"] == stats["total_calls"] == 2
        assert found[("symbiont_cost_usd_total",)] == status["total_cost_estimated_usd"] == 0.5
        assert found[("symbiont_rehearsals_total",)] == status["rehearsal"]["calls"]
        assert found["symbiont_tier_cost_usd_total", "opus"] == 0.25
        assert found["symbiont_tasks", "done"] == 3
        assert found["symbiont_actor_starts_total", "ledger"] == 1
        assert found[("symbiont_heartbeat_healthy",)] == 1


LINE = {
    "timestamp": "2026-03-01T10:00:00Z",
    "model": "haiku",
    "success": True,
    "elapsed_seconds": 1.0,
    "input_tokens": 1,
    "output_tokens": 1,
    "estimated_cost_usd": 0.25,
    "prompt_preview": "x",
}
