"""The worker with the real Claude Code CLI, against the stand-in of the Messages API. No login, no network but loopback."""

import asyncio
import os
import socket
import time

import pytest

from symbiont.adapters.claude_cli import ClaudeCli
from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    Cancelled,
    Done,
    NoCredit,
    Overloaded,
    RateLimited,
    Refused,
    TimedOut,
    TooLong,
    Truncated,
    Unauthorised,
    Unreachable,
    UsageLimited,
)
from tests.doubles.claude import LOOPS, FixedWall, a_call, run_on

pytestmark = [pytest.mark.real_cli, pytest.mark.slow]

API_KEY = {"ANTHROPIC_API_KEY": "dummy-test-key"}
SUBSCRIPTION = {"CLAUDE_CODE_OAUTH_TOKEN": "dummy-test-token"}
SCHEMA = {
    "type": "object",
    "properties": {"tier": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["tier", "reason"],
    "additionalProperties": False,
}


@pytest.fixture
def worker(real_claude, stand_in, tmp_path):
    """A worker with a fresh HOME; `credential` decides how it is billed, `url` where it asks."""

    def make(credential=API_KEY, url=stand_in.url):
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        return ClaudeCli(
            executable=real_claude,
            slots=1,
            stop_grace_s=5.0,
            environment={"PATH": os.environ["PATH"], "HOME": str(home), "ANTHROPIC_BASE_URL": url, **credential},
            cwd=tmp_path / "empty",
            owner=f"owner of {tmp_path}",
            clock=FixedWall(time.time()),
        )

    return make


def ask(worker, loop="asyncio", **changed):
    return run_on(loop, worker.run(a_call(**changed)))


# Answers


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_arrives_with_what_it_consumed(worker, stand_in, loop):
    stand_in.scenario(text="forty-two")

    reply = ask(worker(), loop)

    assert (reply.outcome, reply.billing) == (Done("forty-two"), "api")
    assert reply.usage[0].usage.input_tokens > 0
    assert reply.reported_cost_usd > 0
    assert reply.worker_version.startswith("2.")


def test_a_small_task_costs_a_small_request(worker, stand_in):
    ask(worker())

    (sent,) = stand_in.requests()
    assert sent["bytes"] <= 2048
    assert sent["tools"] == []
    assert "Be brief" in sent["system"]


def test_a_classification_is_one_request(worker, stand_in):
    stand_in.scenario(name="structured", object={"tier": "opus", "reason": "hard"})

    reply = ask(worker(), schema=SCHEMA, frugal=True, kind="classify")

    assert reply.outcome.structured == {"tier": "opus", "reason": "hard"}
    (sent,) = stand_in.requests()
    assert sent["bytes"] <= 4096
    assert sent["tools"] == ["StructuredOutput"]


def test_an_answer_that_never_fits_its_schema_is_bad_output(worker, stand_in):
    stand_in.scenario(name="structured", object={"wrong": 1}, again=True)

    reply = ask(worker(), schema=SCHEMA)

    assert isinstance(reply.outcome, BadOutput)
    assert reply.reported_cost_usd > 0


def test_a_model_that_ignores_its_schema_is_bad_output(worker, stand_in):
    stand_in.scenario(text="I would rather not")

    assert isinstance(ask(worker(), schema=SCHEMA).outcome, BadOutput)


def test_a_slow_answer_shows_signs_of_life(worker, stand_in):
    stand_in.scenario(name="slow", chunk_s=0.5, text="slow " * 40)

    reply = ask(worker(), idle_timeout_s=3.0)

    assert reply.outcome == Done("slow " * 40)
    assert reply.elapsed_s > 4.0


def test_an_overload_that_passes_is_not_seen(worker, stand_in):
    stand_in.scenario(name="529", times=1)

    assert isinstance(ask(worker()).outcome, Done)
    assert [sent["scenario"] for sent in stand_in.requests()] == ["529", "ok"]


# Failures


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("401", Unauthorised),
        ("403", Unauthorised),
        ("404", BadRequest),
        ("400", BadRequest),
        ("400_long", TooLong),
        ("400_credit", NoCredit),
        ("413", TooLong),
        ("429", RateLimited),
        ("500", Overloaded),
        ("503", Overloaded),
        ("529", Overloaded),
        ("refusal", Refused),
        ("max_tokens", Truncated),
    ],
)
def test_a_failure_is_told_by_its_kind(worker, stand_in, scenario, expected):
    stand_in.scenario(name=scenario)

    assert type(ask(worker()).outcome) is expected


def test_a_key_that_is_not_there_is_unauthorised_without_a_request(worker, stand_in):
    assert isinstance(ask(worker(credential={})).outcome, Unauthorised)
    assert stand_in.requests() == []


def test_a_schema_that_is_none_never_gives_an_answer(worker):
    # Older releases ignore such a schema, so that a text comes instead of an object.
    assert isinstance(ask(worker(), schema={"type": "nonsense"}).outcome, BadRequest | BadOutput)


def test_a_refused_connection_is_unreachable(worker):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"

        assert isinstance(ask(worker(url=closed)).outcome, Unreachable)


# Subscription limits


@pytest.mark.parametrize(
    ("claim", "scope"),
    [("five_hour", "account"), ("seven_day", "account"), ("seven_day_opus", "model"), ("seven_day_sonnet", "model")],
)
def test_a_usage_limit_tells_whom_it_stops_and_until_when(worker, stand_in, claim, scope):
    stand_in.scenario(name="429_unified", claim=claim, resets_in=7200)

    reply = ask(worker(SUBSCRIPTION))

    assert (type(reply.outcome), reply.outcome.limit, reply.outcome.scope) == (UsageLimited, claim, scope)
    assert abs(reply.outcome.resets_at - time.time() - 7200) < 60
    assert reply.billing == "subscription"
    assert claim in {window.name for window in reply.quota}


# Stopping


@pytest.mark.parametrize("scenario", ["hang", "hang_noheaders"])
def test_a_stalled_answer_is_given_up(worker, stand_in, scenario):
    stand_in.scenario(name=scenario)

    outcome = ask(worker(), idle_timeout_s=2.0).outcome

    assert (type(outcome), outcome.limit) == (TimedOut, "idle")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_cancelled_in_the_middle_returns_with_what_it_had_consumed(worker, stand_in, loop):
    stand_in.scenario(name="slow", chunk_s=0.2, text="slow " * 200)

    async def scene():
        run = asyncio.create_task(worker().run(a_call()))
        while not stand_in.requests():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.6)  # the answer has begun by then; nothing outside the CLI shows when
        run.cancel()
        return await run

    reply = run_on(loop, scene())

    assert isinstance(reply.outcome, Cancelled)
    assert reply.usage[0].usage.input_tokens > 0


# Prompts are text, whatever they say


@pytest.mark.parametrize("credential", [API_KEY, SUBSCRIPTION], ids=["key", "subscription"])
@pytest.mark.parametrize(
    "prompt",
    [
        "/compact",
        "/nosuch command",
        "@/etc/passwd",
        'see @"/etc/passwd" and\n@/etc/passwd',
        "--model opus",
        "!id",
        "#remember",
    ],
)
def test_a_prompt_reaches_the_model_as_it_is(worker, stand_in, prompt, credential):
    assert isinstance(ask(worker(credential), prompt=prompt).outcome, Done)

    (sent,) = stand_in.requests()
    # Older releases put a reminder with the date before the prompt, in the same message.
    assert sent["user"][0].endswith(f"Task:\n{prompt}")
    assert "root:" not in str(sent["body"])
    assert "haiku" in sent["model"]


def test_a_call_leaves_no_transcript_behind(worker, tmp_path):
    ask(worker(), prompt="a secret to keep")

    kept = [
        path for path in (tmp_path / "home").rglob("*") if path.is_file() and b"a secret to keep" in path.read_bytes()
    ]
    assert kept == []
