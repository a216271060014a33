"""Rules in place of a model: a table of realistic prompts, and what holds for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.heuristic import HEAD_CHARS, TAIL_CHARS, classify_by_rules
from symbiont.domain.tier import Tier, TierTable


def table(*names: str, context_tokens: int = 200_000) -> TierTable:
    rows = enumerate(names, start=1)
    return TierTable.of([Tier(name, rank, name, "", "", context_tokens=context_tokens) for rank, name in rows])


TIERS = table("haiku", "sonnet", "opus")

PROMPTS = [
    ("Classify this customer feedback as positive, negative or neutral: 'Great app!'", "haiku", "classification"),
    ("Extract all email addresses from the text below and return them as JSON.", "haiku", "extraction"),
    ("List the ingredients in this recipe.", "haiku", "extraction"),
    ("Count the rows that mention Berlin.", "haiku", "extraction"),
    ("Translate 'good morning' into Spanish.", "haiku", "translation"),
    ("Convert this CSV to a Markdown table: a,b,c", "haiku", "formatting"),
    ("Please could you tag each of these tickets with a product area?", "haiku", "classification"),
    ("What is the capital of France?", "haiku", "question"),
    ("Is 17 prime? Answer yes or no.", "haiku", "question"),
    ("Answer in one word: what colour is the sky?", "haiku", "question"),
    ("Write a blog post about our new espresso machine.", "sonnet", "writing"),
    ("Draft a polite reply to this angry customer.", "sonnet", "writing"),
    ("Summarise the meeting notes below for the team.", "sonnet", "writing"),
    ("Rewrite this paragraph in plain English.", "sonnet", "writing"),
    ("Explain how TCP slow start works.", "sonnet", "analysis"),
    ("Why does ice float?", "sonnet", "question"),
    ("Compare PostgreSQL and MySQL for a small web shop.", "sonnet", "analysis"),
    ("Review this pull request and suggest improvements.", "sonnet", "analysis"),
    ("Write a Python function that parses ISO dates.", "sonnet", "code"),
    ("Implement quicksort in Rust.", "sonnet", "code"),
    ("Debug this:\n```py\ndef f(x):\n    return x + 1 / 0\n```", "sonnet", "code"),
    ("Fix the failing login test.", "sonnet", "code"),
    ("Plan my week.", "sonnet", "analysis"),
    ("Design a multi-tenant billing architecture and discuss the trade-offs.", "opus", "design"),
    ("Prove that there are infinitely many primes.", "opus", "reasoning"),
    ("Derive the closed form of this recurrence.", "opus", "reasoning"),
    ("Develop a go-to-market strategy for a company entering Japan.", "opus", "strategy"),
    ("Refactor the whole repository to async, keeping every invariant.", "opus", "code"),
    ("Analyse the root cause of this outage across our distributed system.", "opus", "analysis"),
    ("Work out a long-term migration plan, step by step, with a threat model.", "opus", "analysis"),
]


@pytest.mark.parametrize(("prompt", "tier", "task_type"), PROMPTS, ids=[row[0][:40] for row in PROMPTS])
def test_a_realistic_prompt_is_routed(prompt, tier, task_type):
    result = classify_by_rules(prompt, TIERS)
    assert (result.tier, result.task_type, result.source) == (tier, task_type, "heuristic")
    assert result.confidence in {"medium", "high"}


@pytest.mark.parametrize(
    "prompt",
    ["hi", "", " \n", "🙂🙂", "この文章を要約してください。", "Fasse das in drei Sätzen zusammen.", "а" * 5_000],
)
def test_what_the_rules_do_not_understand_is_judged_with_low_confidence(prompt):
    assert classify_by_rules(prompt, TIERS).confidence == "low"


def test_the_reason_names_every_feature_that_decided():
    result = classify_by_rules("Compare the trade-offs:\n- a\n- b\n- c\n- d\n- e\nWhy? How? When?", TIERS)
    assert result.reason == "rules: says 'compare', speaks of trade-offs, 5 listed points, 3 questions"


def test_an_order_at_the_end_of_a_long_text_is_heard():
    result = classify_by_rules("The sea was calm and grey that day. " * 2_000 + "Summarise the above.", TIERS)
    assert (result.tier, result.confidence) == ("sonnet", "medium")


def test_an_order_in_the_middle_of_pasted_text_is_hardly_trusted():
    filler = "the sea was calm and grey that day " * 10
    assert classify_by_rules(f"{filler} classify {filler}", TIERS).confidence == "low"


def test_signs_against_the_order_lower_the_confidence():
    assert classify_by_rules("Find where the consensus breaks.", TIERS).confidence == "medium"


def test_a_tier_that_the_task_would_not_fit_is_skipped():
    tiers = TierTable.of([Tier("small", 1, "s", "", "", 0.0, 1_000), Tier("big", 2, "b", "", "", 0.0, 100_000)])
    result = classify_by_rules("Classify this: " + "word " * 2_000, tiers)
    assert (result.tier, "too long for small" in result.reason) == ("big", True)


def test_a_task_that_fits_nowhere_goes_to_the_dearest_tier():
    assert classify_by_rules("Classify: " + "word " * 2_000, table("a", "b", context_tokens=10)).tier == "b"


@pytest.mark.parametrize(
    ("names", "easy", "middling", "hard"),
    [
        (["only"], "only", "only", "only"),
        (["small", "large"], "small", "small", "large"),
        (["haiku", "sonnet", "opus", "fable"], "haiku", "sonnet", "fable"),
        (["a", "b", "c", "d", "e"], "a", "c", "e"),
    ],
    ids=["one", "two", "four", "five"],
)
def test_any_tier_table_is_covered_from_end_to_end(names, easy, middling, hard):
    prompts = ("Classify this.", "Write a poem.", "Prove this theorem.")
    assert [classify_by_rules(each, table(*names)).tier for each in prompts] == [easy, middling, hard]


@pytest.mark.parametrize("unit", ["a", " \n", "```", "- ", "strateg", "?", "classify ", "日本", "\x00", "1. "])
def test_of_a_megabyte_only_the_start_and_the_end_are_read(unit):
    text = unit * (1_000_000 // len(unit))
    tiers = table("haiku", "sonnet", "opus", context_tokens=10**9)
    shorter = text[: HEAD_CHARS * 2] + text[-TAIL_CHARS:]
    result = classify_by_rules(text, tiers)
    assert result == classify_by_rules(shorter, tiers)
    assert len(result.reason) < 400


@given(st.text(st.characters()), st.integers(1, 6))
def test_any_text_gets_a_tier_of_any_table(text, size):
    tiers = table(*"abcdef"[:size])
    assert classify_by_rules(text, tiers).tier in tiers.names
