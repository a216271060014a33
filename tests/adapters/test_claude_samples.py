"""Every recorded answer of the real CLI, replayed through a real process, and the outcome it stands for."""

import pytest

from symbiont.domain.outcome import BudgetExceeded, Done, Interrupted, RateLimited, UsageLimited
from symbiont.domain.usage import ModelUsage, Usage
from tests.doubles.claude import LOOPS, SAMPLES, FakeClaude, a_call, run_on

EXPECTED = {
    "json success": Done,
    "json 429 api key": RateLimited,
    "json five_hour limit (subscription)": UsageLimited,
    "stream five_hour limit (subscription)": UsageLimited,
    "stream api key 429 retry_after 300": RateLimited,
    "stream 529 x1 then ok": Done,
    "json max_budget": BudgetExceeded,
    "json sigint": Interrupted,
    "json permission denial": Done,
    "stream fallback 529->sonnet": Done,
}


@pytest.fixture(params=list(LOOPS))
def loop(request):
    return request.param


@pytest.fixture
def fake(tmp_path):
    return FakeClaude(tmp_path)


def replay(fake, loop, sample):
    return run_on(loop, fake.replays(sample).worker().run(a_call()))


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_recorded_answer_becomes_its_outcome(fake, loop, sample):
    kind = sample.partition(" ")[2]

    assert type(replay(fake, loop, sample).outcome) is EXPECTED[kind]


@pytest.mark.parametrize(
    ("sample", "resets_at"),
    [
        ("2.1.197 stream five_hour limit (subscription)", 1_795_225_728),
        ("2.1.329 stream five_hour limit (subscription)", 1_795_225_738),
        ("2.1.197 json five_hour limit (subscription)", 1_795_225_680),
        ("2.1.329 json five_hour limit (subscription)", 1_795_225_680),
    ],
)
def test_a_limit_tells_its_end_by_the_event_and_to_the_minute_by_the_text(fake, loop, sample, resets_at):
    outcome = replay(fake, loop, sample).outcome

    assert (outcome.limit, outcome.scope, outcome.resets_at) == ("five_hour", "account", resets_at)


def test_an_answer_carries_text_usage_cost_billing_and_version(fake, loop):
    reply = replay(fake, loop, "2.1.329 stream 529 x1 then ok")

    assert reply.outcome.text.startswith("stub(claude-haiku-5-5): ")
    assert reply.usage == (ModelUsage("claude-haiku-5-5", Usage(input_tokens=485, output_tokens=45)),)
    assert (reply.reported_cost_usd, reply.billing, reply.worker_version) == (7.1e-05, "api", "2.1.329")


def test_usage_names_the_model_that_really_answered(fake, loop):
    reply = replay(fake, loop, "2.1.329 stream fallback 529->sonnet")

    assert [used.model_id for used in reply.usage] == ["claude-sonnet-5-5"]


def test_money_spent_on_a_failure_is_kept(fake, loop):
    reply = replay(fake, loop, "2.1.197 json max_budget")

    assert reply.reported_cost_usd == pytest.approx(0.000368)
    assert reply.usage[0].usage == Usage(input_tokens=328, output_tokens=8)


def test_a_subscription_shows_its_windows(fake, loop):
    reply = replay(fake, loop, "2.1.329 stream five_hour limit (subscription)")

    assert reply.billing == "subscription"
    assert [(window.name, window.used) for window in reply.quota] == [("five_hour", 1.0), ("seven_day", 0.42)]
