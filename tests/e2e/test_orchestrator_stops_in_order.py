"""Stopping, of a task and of the whole server, while the real CLI is in the middle of an answer."""

import signal
import time

import pytest

from tests.e2e.orchestrator import until

pytestmark = [pytest.mark.real_cli, pytest.mark.slow]

ENDLESS = {"name": "slow", "chunk_s": 0.1, "text": "slow " * 4000}
OPUS = {"force_tier": "opus"}
SHUTDOWN_S = 15


def running(server, stand_in):
    """A task whose call is under way; its id."""
    stand_in.scenario(**ENDLESS)
    task_id = server.enqueue("Say OK", **OPUS)
    until(stand_in.requests)
    until(server.calls)
    return task_id


def test_a_cancelled_task_is_stopped_and_paid_for(with_claude, stand_in):
    with with_claude() as server:
        task_id = running(server, stand_in)

        assert server.ask("POST", f"/queue/{task_id}/cancel").status == 200

        assert server.ended(task_id)["status"] == "cancelled"
        assert server.calls() == []
        (line,) = server.ledger()
        assert (line["task_id"], line["error_code"]) == (task_id, "CANCELLED")
        assert line["input_tokens"] > 0
        assert line["estimated_cost_usd"] > 0


def test_whoever_waits_for_a_task_hears_that_it_was_cancelled(with_claude, stand_in):
    stand_in.scenario(**ENDLESS)
    with with_claude() as server:
        waiting = server.ask_meanwhile("POST", "/task", {"task": "Say OK", **OPUS})
        until(stand_in.requests)
        (task,) = server.ask("GET", "/queue").body["tasks"]

        server.ask("POST", f"/queue/{task['id']}/cancel")

        assert (waiting.result().status, waiting.result().body["code"]) == (409, "CANCELLED")


def test_cancelling_twice_loses_no_money(with_claude, stand_in):
    with with_claude() as server:
        task_id = running(server, stand_in)

        for _ in range(3):
            server.ask("POST", f"/queue/{task_id}/cancel")

        assert server.ended(task_id)["status"] == "cancelled"
        assert [line["task_id"] for line in server.ledger()] == [task_id]
        assert server.calls() == []


def test_a_task_under_way_at_sigterm_is_put_back_in_time_and_leaves_no_process(with_claude, stand_in):
    with with_claude(supervision__shutdown_s=SHUTDOWN_S) as server:
        task_id = running(server, stand_in)

        began = time.monotonic()
        assert server.stop() == 0

        assert time.monotonic() - began < SHUTDOWN_S
        assert server.calls() == []
        assert [line["error_code"] for line in server.ledger()] == ["CANCELLED"]
        stand_in.scenario(text="at last")
        server.start()
        task = server.ended(task_id)
        assert (task["status"], task["answer"]["result"], task["attempt"]) == ("done", "at last", 2)
        assert [(line["attempt"], line["error_code"]) for line in server.ledger()] == [(1, "CANCELLED"), (2, None)]


def test_whoever_waits_when_the_server_stops_is_told_the_id_and_pays_once(with_claude, stand_in):
    stand_in.scenario(**ENDLESS)
    with with_claude() as server:
        waiting = server.ask_meanwhile("POST", "/task", {"task": "Say OK", **OPUS})
        until(stand_in.requests)

        assert server.stop() == 0

        answer = waiting.result()
        assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (504, "STILL_PENDING", None)
        assert "shutting down" in answer.body["error"]
        stand_in.scenario(text="at last")
        server.start()
        assert server.ended(answer.body["details"]["id"])["answer"]["result"] == "at last"


def test_a_call_that_outlived_a_killed_server_is_stopped_and_marked_as_interrupted(with_claude, stand_in):
    with with_claude() as server:
        task_id = running(server, stand_in)
        (orphan, *_) = server.calls()

        server.kill()
        stand_in.scenario(text="at last")
        server.start()

        assert orphan not in server.calls()
        assert server.ended(task_id)["status"] == "done"
        lines = server.ledger()
        assert [(line["attempt"], line["error_code"]) for line in lines] == [(1, "INTERRUPTED"), (2, None)]
        assert lines[0]["estimated_cost_usd"] is None


def test_an_impatient_second_signal_leaves_at_once(with_claude, stand_in):
    stand_in.scenario(**ENDLESS)
    with with_claude() as server:
        running(server, stand_in)

        server.signal(signal.SIGSTOP)  # so that both signals are there when it looks
        server.signal(signal.SIGINT)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)

        # Python may find one before the other is delivered, or both, and then takes them by number: either may be the second.
        assert server.wait() in {128 + signal.SIGINT, 128 + signal.SIGTERM}
