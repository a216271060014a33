"""Tasks over HTTP through a whole server and the real CLI, against the stand-in of the Messages API."""

import re
import socket
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real_cli, pytest.mark.slow]

PRICES = Path(__file__).parents[2] / "config" / "prices.toml"
CLASSIC = ["timestamp", "model", "success", "elapsed_seconds", "input_tokens", "output_tokens", "estimated_cost_usd"]
WRITING = {"tier": 2, "confidence": "high", "reason": "writing", "task_type": "writing"}
ACCOUNTS = [{"ANTHROPIC_API_KEY": "dummy-test-key"}, {"CLAUDE_CODE_OAUTH_TOKEN": "dummy-test-token"}]
QUICK = {"dispatch__max_attempts": 2, "dispatch__backoff_base_s": 0.1}


def cost_usd(line):
    """By the published table, read here on its own. Older releases answer with dated ids."""
    rates = tomllib.loads(PRICES.read_text("utf-8"))["models"][re.sub(r"-\d{8}$", "", line["model_id"])]
    return (line["input_tokens"] * rates["input"] + line["output_tokens"] * rates["output"]) / 1_000_000


def test_a_task_costs_one_classification_and_one_call_of_the_chosen_tier(with_claude, stand_in):
    stand_in.scenario(
        name="structured", object=WRITING, text="Dear Ada", usage={"input_tokens": 1000, "output_tokens": 50}
    )
    with with_claude() as server:
        answer = server.ask("POST", "/task", {"task": "Write a letter"})

        assert (answer.status, answer.body["model"], answer.body["result"]) == (200, "sonnet", "Dear Ada")
        sent = stand_in.requests()
        assert ["haiku" in sent[0]["model"], "sonnet" in sent[1]["model"], len(sent)] == [True, True, 2]
        lines = server.ledger()
        assert [(line["kind"], line["tier"], line["attempt"]) for line in lines] == [
            ("classify", "haiku", 1),
            ("task", "sonnet", 1),
        ]


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: next(iter(account)))
def test_a_small_task_costs_less_than_4_kb_of_requests_in_all(with_claude, stand_in, account):
    stand_in.scenario(name="structured", object=WRITING, text="positive")
    with with_claude(account=account) as server:
        assert server.ask("POST", "/task", {"task": "Classify this: nice product"}).status == 200

    sent = stand_in.requests()
    assert len(sent) == 2
    assert sum(request["bytes"] for request in sent) <= 4096


def test_both_calls_are_in_the_ledger_with_their_tokens_and_their_price(with_claude, stand_in):
    stand_in.scenario(name="structured", object=WRITING, usage={"input_tokens": 1000, "output_tokens": 50})
    with with_claude() as server:
        answer = server.ask("POST", "/task", {"task": "Write a letter", "project": "post"}).body
        lines, stats = server.ledger(), server.ask("GET", "/ledger/stats").body

    assert [list(line)[:7] for line in lines] == [CLASSIC, CLASSIC]
    for line in lines:
        assert (line["input_tokens"], line["output_tokens"]) == (1000, 50)
        assert line["estimated_cost_usd"] == pytest.approx(cost_usd(line))
        assert line["reported_cost_usd"] > 0  # what older releases say of newer models rests on stale prices
        assert (line["task_id"], line["project"], line["billing"]) == (answer["id"], "post", "api")
    assert stats["total_calls"] == 2
    assert stats["total_cost_estimated_usd"] == pytest.approx(sum(line["estimated_cost_usd"] for line in lines))


def test_what_looks_like_a_command_or_a_file_reaches_the_model_as_text(with_claude, stand_in):
    prompts = ["@/etc/passwd", "/compact", 'see @"/etc/passwd"', "--model opus"]
    with with_claude() as server:
        for prompt in prompts:
            assert server.ask("POST", "/task", {"task": prompt, "force_tier": "haiku"}).status == 200

    sent = stand_in.requests()
    assert [request["user"][0].partition("Task:\n")[2] for request in sent] == prompts
    assert "root:" not in str([request["body"] for request in sent])


def test_a_file_mention_is_inert_for_the_classifier_too(with_claude, stand_in):
    stand_in.scenario(name="structured", object=WRITING)
    with with_claude() as server:
        server.ask("POST", "/task", {"task": "@/etc/passwd"})

    assert [("@/etc/passwd" in request["user"][0], "root:" in str(request["body"])) for request in stand_in.requests()] == [
        (True, False),
        (True, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [("401", 502, "UNAUTHORISED"), ("refusal", 422, "REFUSED"), ("hang", 504, "TIMED_OUT"), ("529", 502, "OVERLOADED")],
)
def test_a_failure_is_answered_with_its_code_and_settled(with_claude, stand_in, scenario, status, code):
    stand_in.scenario(name=scenario)
    with with_claude(dispatch__max_attempts=1, dispatch__idle_timeout_s=2) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"})

        assert (answer.status, answer.body["code"]) == (status, code)
        assert set(answer.body) == {"error", "code", "details"}
        assert [(line["success"], line["error_code"]) for line in server.ledger()] == [(False, code)]
        assert server.calls() == []


def test_without_a_credential_the_answer_says_so_and_nothing_is_sent(with_claude, stand_in):
    with with_claude(account={}) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK"})

        assert (answer.status, answer.body["code"]) == (502, "UNAUTHORISED")
        assert stand_in.requests() == []


def test_a_provider_that_cannot_be_reached_is_tried_as_often_as_configured(with_claude):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with with_claude(url=closed, **QUICK) as server:
            answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"})

            assert (answer.status, answer.body["code"]) == (502, "UNREACHABLE")
            assert answer.body["details"]["attempts"] == 2
            assert [line["error_code"] for line in server.ledger()] == ["UNREACHABLE", "UNREACHABLE"]


def test_an_overload_that_passes_costs_a_try_and_no_more(with_claude, stand_in):
    stand_in.scenario(name="529", times=2)  # the CLI itself asks twice within one call
    with with_claude(**QUICK) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"})

        assert (answer.status, answer.body["model"]) == (200, "haiku")
        assert [(line["attempt"], line["error_code"]) for line in server.ledger()] == [(1, "OVERLOADED"), (2, None)]


def test_a_slow_answer_is_no_stalled_one(with_claude, stand_in):
    stand_in.scenario(name="slow", chunk_s=0.3, text="slow " * 40)
    with with_claude(dispatch__idle_timeout_s=2) as server:
        answer = server.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"})

    assert (answer.status, answer.body["result"]) == (200, "slow " * 40)
    assert answer.body["elapsed_seconds"] > 2


def test_small_tasks_share_one_call_of_the_real_cli(with_claude, stand_in):
    stand_in.scenario(name="structured", each="done:", usage={"input_tokens": 1000, "output_tokens": 50})
    settings = {"batching__enabled": True, "batching__max_tasks": 3, "batching__patience_s": 30.0}
    with with_claude(**settings, **QUICK) as server:
        ids = [server.enqueue(f"Say {number}", force_tier="haiku") for number in range(3)]
        answers = [server.ended(task_id)["answer"]["result"] for task_id in ids]
        lines = server.ledger()

    assert answers == ["done: Say 0", "done: Say 1", "done: Say 2"]
    assert len({line["shared_call"] for line in lines}) == 1
    assert sum(line["estimated_cost_usd"] for line in lines) == pytest.approx(sum(map(cost_usd, lines)), abs=1e-12)
    assert len(lines) == 3
