"""Usage limits and rate limits, through a whole server and the real CLI, against the stand-in of the Messages API."""

import time

import pytest

from tests.e2e.orchestrator import until

pytestmark = [pytest.mark.real_cli, pytest.mark.slow]

SUBSCRIPTION = {"CLAUDE_CODE_OAUTH_TOKEN": "dummy-test-token"}
RESETS_IN_S = 12


def test_a_limit_of_the_account_is_waited_for_without_using_up_tries(with_claude, stand_in):
    stand_in.scenario(name="429_unified", claim="five_hour", resets_in=RESETS_IN_S, times=1)
    with with_claude(account=SUBSCRIPTION, limits__wake_jitter_s=0.5, dispatch__max_attempts=1) as server:
        task_id = server.enqueue("Say OK")
        waiting = until(lambda: (seen := server.task(task_id)) and seen["waiting_for"] and seen)
        status = server.ask("GET", "/status").body

        assert (waiting["status"], waiting["waiting_for"]) == ("pending", "limit five_hour")
        assert (status["rate_limited"], status["queue_size"]) == (True, 1)
        (limit,) = status["limits"]
        assert (limit["limit"], limit["tiers"]) == ("five_hour", ["haiku", "sonnet", "opus"])

        until(lambda: len(stand_in.requests()) > 1)
        assert 0 <= time.time() - time_of(limit["resets_at"]) < 5.5
        assert server.ended(task_id)["status"] == "done"
        assert server.ask("GET", "/status").body["rate_limited"] is False
        assert server.ledger()[0]["error_code"] == "USAGE_LIMITED"


def test_a_limit_of_one_model_sends_the_task_to_the_dearer_one_at_once(with_claude, stand_in):
    stand_in.scenario(name="429_unified", claim="seven_day_sonnet", resets_in=7200, models=["sonnet"])
    with with_claude(account=SUBSCRIPTION) as server:
        answer = server.ask("POST", "/task", {"task": "Write a letter", "force_tier": "sonnet"})

        assert (answer.status, answer.body["model"]) == (200, "opus")
        assert [(line["tier"], line["error_code"], line["attempt"]) for line in server.ledger()] == [
            ("sonnet", "USAGE_LIMITED", 1),
            ("opus", None, 2),
        ]
        assert {line["billing"] for line in server.ledger()} == {"subscription"}


def test_a_model_under_a_limit_is_not_asked_again(with_claude, stand_in):
    stand_in.scenario(name="429_unified", claim="seven_day_sonnet", resets_in=7200, models=["sonnet"])
    with with_claude(account=SUBSCRIPTION) as server:
        for _ in range(2):
            server.ask("POST", "/task", {"task": "Write a letter", "force_tier": "sonnet"})

    assert sum("sonnet" in request["model"] for request in stand_in.requests()) == 1


def test_a_limit_is_remembered_over_a_restart(with_claude, stand_in):
    stand_in.scenario(name="429_unified", claim="five_hour", resets_in=7200)
    with with_claude(account=SUBSCRIPTION) as server:
        server.enqueue("Say OK", force_tier="haiku")
        until(lambda: server.ask("GET", "/status").body["rate_limited"])

        server.stop()
        server.start()

        assert server.ask("GET", "/status").body["rate_limited"] is True
        assert len(stand_in.requests()) == 1


def test_an_api_key_refused_for_its_rate_sends_the_task_to_the_dearer_model(with_claude, stand_in):
    stand_in.scenario(name="429", models=["haiku"])
    with with_claude() as server:
        answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"})

        assert (answer.status, answer.body["model"]) == (200, "sonnet")
        assert [line["error_code"] for line in server.ledger()] == ["RATE_LIMITED", None]
        assert server.ask("GET", "/status").body["rate_limited"] is True


def test_after_the_pause_of_a_refused_rate_the_model_is_asked_again(with_claude, stand_in):
    stand_in.scenario(name="429", retry_after=1, should_retry="false", times=2)
    with with_claude(limits__rate_backoff_base_s=0.5, limits__wake_jitter_s=0) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "opus"})

        assert (answer.status, answer.body["model"]) == (200, "opus")
        assert server.ask("GET", "/status").body["rate_limited"] is False


def time_of(timestamp):
    return time.mktime(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
