"""Prices: exact, thresholded, honest about models they do not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.price import (
    LongPrompt,
    ModelPrice,
    PriceTable,
    Rates,
    estimate_tokens,
    nanos,
    nanos_per_token,
    usd,
)
from symbiont.domain.usage import Usage

SHORT = Rates(input=100, output=500, cache_read=10, cache_write_5m=125, cache_write_1h=200)
LONG = Rates(input=500, output=2_500, cache_read=50, cache_write_5m=625, cache_write_1h=1_000)
OPUS = Rates(input=4_000, output=20_000, cache_read=200, cache_write_5m=5_000, cache_write_1h=8_000)
TABLE = PriceTable(
    "test",
    {
        "claude-haiku-5-5": ModelPrice(SHORT, LongPrompt(100_000, LONG)),
        "claude-opus-5-5": ModelPrice(OPUS),
    },
)

tokens = st.integers(min_value=0, max_value=10**7)
usages = st.builds(Usage, tokens, tokens, tokens, tokens, tokens)
few = st.integers(min_value=0, max_value=10_000)
small_usages = st.builds(Usage, few, few, few, few, few)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(input_tokens=1_000_000), 4_000_000_000),
        (Usage(output_tokens=1_000_000), 20_000_000_000),
        (Usage(cache_read_tokens=1_000_000), 200_000_000),
        (Usage(cache_write_5m_tokens=1_000_000), 5_000_000_000),
        (Usage(cache_write_1h_tokens=1_000_000), 8_000_000_000),
        (Usage(), 0),
    ],
)
def test_each_way_of_counting_a_token_is_charged_at_its_own_rate(usage, expected):
    assert TABLE.cost_nanos("claude-opus-5-5", usage) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(input_tokens=100_000, output_tokens=10), 100_000 * 100 + 10 * 500),
        (Usage(input_tokens=100_001, output_tokens=10), 100_001 * 500 + 10 * 2_500),
        (Usage(input_tokens=1, cache_read_tokens=100_000), 1 * 500 + 100_000 * 50),
        (Usage(input_tokens=10, output_tokens=200_000), 10 * 100 + 200_000 * 500),
    ],
    ids=["at the threshold", "one token above", "cached tokens count towards it", "output does not"],
)
def test_a_long_prompt_moves_the_whole_request_to_the_higher_rates(usage, expected):
    assert TABLE.cost_nanos("claude-haiku-5-5", usage) == expected


def test_an_unknown_model_has_no_price():
    assert TABLE.cost_nanos("gpt-7", Usage(input_tokens=1)) is None


def test_a_dated_model_id_is_charged_like_its_base_row():
    assert TABLE.cost_nanos("claude-haiku-5-5-20261001", Usage(input_tokens=7)) == 700


@pytest.mark.parametrize("model_id", ["claude-haiku-5-5-1", "claude-haiku-5-5-2026100", "claude-haiku", ""])
def test_only_an_eight_digit_date_is_taken_off_a_model_id(model_id):
    assert TABLE.row(model_id) is None


def test_a_row_for_the_dated_id_goes_before_the_base_row():
    dated = PriceTable("test", {"m": ModelPrice(SHORT), "m-20260101": ModelPrice(LONG)})
    assert dated.cost_nanos("m-20260101", Usage(input_tokens=1)) == 500


@given(small_usages, small_usages)
def test_below_the_threshold_two_requests_cost_what_they_would_cost_as_one(left, right):
    costs = [TABLE.cost_nanos("claude-haiku-5-5", usage) for usage in (left, right, left + right)]
    assert costs[0] + costs[1] == costs[2]


@given(usages, usages)
def test_more_tokens_never_cost_less(usage, more):
    assert TABLE.cost_nanos("claude-haiku-5-5", usage) <= TABLE.cost_nanos("claude-haiku-5-5", usage + more)


@given(st.integers(min_value=0, max_value=10**15))
def test_money_survives_the_way_through_a_float(amount):
    assert nanos(usd(amount)) == amount


@given(st.lists(st.integers(min_value=0, max_value=10**9), max_size=200), st.randoms(use_true_random=False))
def test_a_sum_of_money_does_not_depend_on_the_order(amounts, random):
    floats = [usd(amount) for amount in amounts]
    random.shuffle(floats)
    assert sum(nanos(each) for each in floats) == sum(amounts)


@pytest.mark.parametrize(
    ("usd_per_million", "expected"), [(0.1, 100), (0.125, 125), (0.001, 1), (75.0, 75_000), (0, 0)]
)
def test_a_published_price_becomes_whole_nano_usd_per_token(usd_per_million, expected):
    assert nanos_per_token(usd_per_million) == expected


@pytest.mark.parametrize("usd_per_million", [0.0001, 0.1234567, -1.0, float("nan"), float("inf")])
def test_a_price_that_whole_nano_usd_cannot_express_is_refused(usd_per_million):
    with pytest.raises(ValueError, match=r"expected price to be a multiple of 0\.001 USD per million tokens, got:"):
        nanos_per_token(usd_per_million)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("é" * 4, 2), ("日本", 2), ("\ud800", 1)]
)
def test_tokens_are_estimated_as_a_quarter_of_the_bytes_rounded_up(text, expected):
    assert estimate_tokens(text) == expected
