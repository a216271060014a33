"""Recorded calls at other prices: side by side, exact, and nothing compared that is not known."""

import msgspec
import pytest

from symbiont.domain.ledger import Entry
from symbiont.domain.price import ModelPrice, PriceTable, Rates
from symbiont.domain.reprice import NAMED_CALLS, Compared, Repricing
from symbiont.domain.tier import Tier, TierTable

DEAR = Rates(input=2_000, output=10_000, cache_read=200, cache_write_5m=2_500, cache_write_1h=4_000)
PRICES = PriceTable("next", {"claude-haiku-5-5": ModelPrice(DEAR)})
TIERS = TierTable.of([Tier("haiku", 1, "haiku", "claude-haiku-5-5", "")])


def call(**changes: object) -> Entry:
    fields: dict[str, object] = {
        "timestamp": "2026-03-19T23:30:00-02:00",
        "model": "haiku",
        "success": True,
        "elapsed_seconds": 1.0,
        "input_tokens": 100,
        "output_tokens": 10,
        "estimated_cost_usd": 0.000_1,
        "prompt_preview": "",
        "model_id": "claude-haiku-5-5-20260101",
    }
    return Entry(**fields | changes)


def repriced(*calls: Entry, by: str = "model") -> Repricing:
    repricing = Repricing(PRICES, TIERS, by)
    for one in calls:
        repricing.add(one)
    return repricing


def test_recorded_and_repriced_stand_side_by_side():
    assert repriced(call(), call()).total == Compared(2, 200_000, 2 * (100 * 2_000 + 10 * 10_000))


@pytest.mark.parametrize(
    "changes", [{"model_id": ""}, {"model_id": "odd-1", "price_table": "2026-11-21 as claude-haiku-5-5"}]
)
def test_a_line_that_does_not_say_its_model_or_was_priced_like_its_tier_is_priced_like_its_tier(changes):
    assert repriced(call(**changes)).total.calls == 1


def test_cached_prompts_count_at_the_short_lifetime():
    only_caches = call(input_tokens=0, output_tokens=0, cache_read_tokens=1, cache_write_tokens=1)
    assert repriced(only_caches).total.repriced_nanos == 200 + 2_500


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"estimated_cost_usd": None}, "what it cost is unknown"),
        ({"model_id": "claude-limerick-9"}, "claude-limerick-9 has no price in table next"),
        ({"model": "titan", "model_id": ""}, "titan has no price in table next"),
    ],
)
def test_what_cannot_be_compared_is_named_and_in_no_sum(changes, reason):
    repricing = repriced(call(**changes))
    assert (repricing.total, repricing.unknown[0].reason) == (Compared(), reason)


def test_all_that_cannot_be_compared_are_counted_and_not_all_are_named():
    repricing = repriced(*[call(estimated_cost_usd=None)] * (NAMED_CALLS + 1))
    assert (repricing.unknown_calls, len(repricing.unknown)) == (NAMED_CALLS + 1, NAMED_CALLS)


def test_rehearsal_is_left_out():
    assert repriced(call(billing="rehearsal")).total == Compared()


@pytest.mark.parametrize(
    ("by", "key"),
    [("model", "haiku"), ("tier", "haiku"), ("day", "2026-03-20"), ("hour", "2026-03-20T01"), ("month", "2026-03")],
)
def test_rows_are_by_what_is_asked_for(by, key):
    assert list(repriced(call(), by=by).rows) == [key]


def test_an_entry_is_left_as_it_was():
    entry = call()
    before = msgspec.json.encode(entry)
    repriced(entry)
    assert msgspec.json.encode(entry) == before
