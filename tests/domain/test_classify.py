"""The classifier's contract: small, fenced, lenient, and never raising."""

import json
import re
from string import printable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.classify import classifier_prompt, classifier_schema, classifier_system, read_classification
from symbiont.domain.task import Classification
from symbiont.domain.tier import Tier, TierTable

TIERS = TierTable.of(
    [
        Tier("haiku", 1, "haiku", "claude-haiku-5-5", "classification, extraction, simple formatting"),
        Tier("sonnet", 2, "sonnet", "claude-sonnet-5-5", "writing, code, analysis, moderate reasoning"),
        Tier("opus", 3, "opus", "claude-opus-5-5", "complex reasoning, strategy, whole-context checks"),
    ]
)
GOOD = {"tier": 2, "confidence": "high", "reason": "needs reasoning"}


def read(answer: object, text: str = "") -> Classification | str:
    return read_classification(answer, text, TIERS)


def test_system_prompt_and_schema_stay_small_for_every_task_pays_for_them():
    assert len(classifier_system(TIERS).encode()) + len(json.dumps(classifier_schema())) < 750


def test_the_system_prompt_names_every_tier_and_what_it_suits():
    system = classifier_system(TIERS)
    assert all(f"{tier.rank} {tier.name}: {tier.suits}" in system for tier in TIERS.tiers)


def test_the_schema_requires_three_keys_and_forbids_none():
    schema = classifier_schema()
    assert schema["required"] == ["tier", "confidence", "reason"]
    assert "additionalProperties" not in json.dumps(schema)


def test_a_whole_short_task_stands_between_the_tags():
    assert re.fullmatch(r"<task-(\w{8})>\nSay hi\n</task-\1>\nWhich tier\?", classifier_prompt("Say hi", 8_000))


@given(st.text(st.characters()), st.integers(1, 200))
def test_a_task_cannot_close_its_own_fence(text, max_chars):
    lines = classifier_prompt(text + "\n</task-00000000>", max_chars).split("\n")
    assert "\n".join(lines[1:-2]).count(lines[-2]) == 0


def test_a_long_task_shows_its_head_and_its_tail_and_says_what_is_missing():
    prompt = classifier_prompt("a" * 5_000 + "z" * 5_000, 1_000)
    body = "\n".join(prompt.split("\n")[1:-2])
    assert body == "a" * 750 + "\n[… 9000 characters left out …]\n" + "z" * 250


@given(st.text(st.sampled_from("xyz"), min_size=1, max_size=500), st.integers(1, 400))
def test_no_more_of_a_task_is_shown_than_allowed(text, max_chars):
    prompt = classifier_prompt(text, max_chars)
    body = "".join(prompt.split("\n")[1:-2])
    shown = re.sub(r"\[….*…\]", "", body)
    assert len(shown) == min(len(text), max_chars)


@pytest.mark.parametrize("tier", [2, "2", 2.0, "2.0", "sonnet", "Sonnet", " SONNET ", "tier 2", "Tier #2", "rank 2"])
def test_a_tier_may_be_told_by_rank_or_by_name(tier):
    assert read(GOOD | {"tier": tier}).tier == "sonnet"


@pytest.mark.parametrize("tier", [0, 4, -1, 1.5, "four", "", True, [2], {}, "9" * 5_000, 10**18])
def test_a_tier_outside_the_table_is_described(tier):
    assert read(GOOD | {"tier": tier}).startswith("expected tier to be one of 1 (haiku), 2 (sonnet), 3 (opus), got: ")


@pytest.mark.parametrize(
    ("told", "read_as"),
    [
        ("low", "low"),
        ("Medium", "medium"),
        ("moderate", "medium"),
        ("HIGH.", "high"),
        (0, "low"),
        (0.49, "low"),
        (0.5, "medium"),
        (0.79, "medium"),
        (0.8, "high"),
        (1, "high"),
        ("0.9", "high"),
    ],
)
def test_a_confidence_may_be_a_word_or_a_share(told, read_as):
    assert read(GOOD | {"confidence": told}).confidence == read_as


@pytest.mark.parametrize("told", ["sure", "", 1.01, -0.1, 85, "nan", True, [], {}])
def test_a_confidence_that_is_none_is_described(told):
    assert read(GOOD | {"confidence": told}).startswith("expected confidence to be low, medium, high or 0..1, got: ")


@pytest.mark.parametrize("key", ["tier", "confidence", "reason"])
def test_a_missing_field_is_named(key):
    answer = {name: value for name, value in GOOD.items() if name != key}
    assert read(answer).startswith(f"expected classification to have {key}, got: ")
    assert read(GOOD | {key: None}).startswith(f"expected classification to have {key}, got: ")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=2)}\n```",
        f"Sure! Here is my answer: {json.dumps(GOOD)} Hope this helps.",
    ],
    ids=["bare", "fenced", "in a sentence"],
)
def test_json_in_the_text_counts_when_nothing_was_parsed(text):
    assert read(None, text) == Classification("sonnet", "high", "needs reasoning", "general", "model")


def test_what_was_parsed_goes_before_the_text():
    assert read(GOOD, json.dumps(GOOD | {"tier": 3})).tier == "sonnet"


@pytest.mark.parametrize(
    "text", ["", "Tier 2, I guess", "}{", "{", "[1]", '{"tier": }', '{"a":' * 50_000 + "}", "\ud800{}"]
)
def test_a_text_without_an_answer_is_described(text):
    assert read(None, text).startswith("expected classification to ")


def test_extra_fields_are_harmless_and_the_task_type_is_kept():
    assert read(GOOD | {"task_type": " code\n", "thoughts": ["…"]}).task_type == "code"


def test_a_long_reason_is_cut_to_one_line_of_bounded_length():
    reason = read(GOOD | {"reason": "why\n" * 1_000}).reason
    assert (len(reason), "\n" in reason) == (300, False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
near_misses = st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "task_type"], json_values))


@given(st.none() | near_misses, st.text(st.characters()) | near_misses.map(lambda a: msgspec.json.encode(a).decode()))
def test_whatever_the_model_says_is_read_or_described(structured, text):
    result = read(structured, text)
    assert isinstance(result, str) or result.tier in TIERS.names
