"""A rehearsal tells what would happen, and never passes for a model."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.rehearsal import Rehearsal, rehearse
from symbiont.domain.outcome import BadRequest, Done, TooLong
from symbiont.domain.price import ModelPrice, PriceTable, Rates
from symbiont.domain.tier import Tier, TierTable
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import ModelCall, Worker

TIERS = TierTable.of([
    Tier("haiku", 1, "haiku", "claude-haiku-4-5", "short work"),
    Tier("sonnet", 2, "sonnet", "claude-sonnet-4-5", "most work"),
    Tier("opus", 3, "opus", "claude-opus-4-5", "hard work"),
    Tier("own", 4, "own", "unpriced", "home work", context_tokens=50),
])  # fmt: skip
ONE_USD_PER_MILLION = ModelPrice(Rates(input=1_000, output=1_000, cache_read=0, cache_write_5m=0, cache_write_1h=0))
PRICES = PriceTable("test", {tier.price_model: ONE_USD_PER_MILLION for tier in TIERS.tiers[:3]})


def call(**changes: Any) -> ModelCall:
    given: dict[str, Any] = {"task_id": "task-1", "attempt": 1, "kind": "task", "tier": "haiku", "model": "haiku"}
    return msgspec.convert({**given, "prompt": "x" * 400, "system": "y" * 40, **changes}, ModelCall)


def text_of(**changes: Any) -> str:
    outcome = rehearse(call(**changes), TIERS, PRICES).outcome
    assert isinstance(outcome, Done)
    return outcome.text


def test_the_answer_says_that_it_is_none():
    assert text_of().startswith("This is a rehearsal: no model was called, and this text is no answer.")


def test_the_answer_tells_who_would_have_got_the_task_and_at_what_price():
    assert text_of(tier="sonnet", model="sonnet-latest").endswith(
        "The task would have gone to sonnet-latest (tier sonnet) with about 110 input tokens. "
        "With an answer of about 800 tokens it would have cost about $0.000910."
    )


def test_a_model_without_a_price_gets_none():
    assert "an unknown amount (unpriced has no price)" in text_of(tier="own", prompt="hello")


@pytest.mark.parametrize(
    ("tier", "kind", "tokens"),
    [("haiku", "task", 300), ("sonnet", "task", 800), ("opus", "task", 1_500), ("haiku", "judge", 100)],
)
def test_the_answer_is_guessed_by_tier_and_kind(tier: str, kind: str, tokens: int):
    reply = rehearse(call(tier=tier, kind=kind), TIERS, PRICES)
    expected = Usage(input_tokens=110, output_tokens=tokens)
    assert reply.usage == (ModelUsage(f"claude-{tier}-4-5", expected),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"kind": "classify"}, "a classification"), ({"schema": {"type": "object"}}, "a call for a structured answer")],
)
def test_what_needs_a_models_judgement_is_refused(changes: dict[str, object], said: str):
    reply = rehearse(call(**changes), TIERS, PRICES)
    assert reply.outcome == BadRequest(f"expected a plain task for a rehearsal, got: {said}")
    assert reply.usage == ()


def test_an_unknown_tier_is_refused_with_the_known_ones():
    reply = rehearse(call(tier="gpt"), TIERS, PRICES)
    assert reply.outcome == BadRequest("expected tier to be one of haiku, sonnet, opus, own, got: gpt")


def test_a_prompt_that_would_not_fit_is_refused_as_the_model_would():
    reply = rehearse(call(tier="own"), TIERS, PRICES)
    assert reply.outcome == TooLong("about 110 tokens, own takes 50")


@given(prompt=st.text(max_size=200), kind=st.sampled_from(["task", "classify", "judge"]), tier=st.text(max_size=5))
def test_no_rehearsal_ever_counts_as_real(prompt: str, kind: str, tier: str):
    reply = rehearse(call(prompt=prompt, kind=kind, tier=tier), TIERS, PRICES)
    assert (reply.billing, reply.reported_cost_usd, reply.elapsed_s) == ("rehearsal", None, 0.0)


async def test_the_worker_rehearses():
    worker: Worker = Rehearsal(TIERS, PRICES)
    assert (worker.name, worker.slots) == ("rehearsal", 64)
    assert await worker.run(call()) == rehearse(call(), TIERS, PRICES)
