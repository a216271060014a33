"""Totals: exact, by every key, rehearsal apart, the same whatever the order or the split."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.ledger import Entry
from symbiont.domain.totals import DETAIL_DAYS, Tally, Totals


def call(**changes: object) -> Entry:
    fields: dict[str, object] = {
        "timestamp": "2026-03-19T14:32:15.123456Z",
        "model": "haiku",
        "success": True,
        "elapsed_seconds": 1.0,
        "input_tokens": 100,
        "output_tokens": 20,
        "estimated_cost_usd": 0.1,
        "prompt_preview": "",
        "tier": "haiku",
        "worker": "claude",
    }
    return Entry(**fields | changes)


def fold(entries: list[Entry]) -> Totals:
    totals = Totals()
    for entry in entries:
        totals.add(entry)
    return totals


words = st.sampled_from(["haiku", "sonnet", "opus"])
entries = st.builds(
    call,
    timestamp=st.sampled_from(["2026-03-19T14:00:00Z", "2026-03-19T23:30:00-02:00", "2026-03-21T00:00:00Z"]),
    model=words,
    tier=words | st.just(""),
    kind=st.sampled_from(["task", "classify", "judge"]),
    worker=st.sampled_from(["claude", "ollama"]),
    project=st.sampled_from(["", "shop"]),
    billing=st.sampled_from(["api", "subscription", "own", "rehearsal"]),
    estimated_cost_usd=st.none() | st.integers(0, 10**10).map(lambda nanos: nanos / 10**9),
    input_tokens=st.integers(0, 10**6),
)


def test_ten_calls_at_ten_cents_cost_exactly_one_dollar():
    assert fold([call()] * 10).total == Tally(calls=10, cost_nanos=1_000_000_000, tokens=1_200)


@pytest.mark.parametrize(
    ("table", "key", "changes"),
    [
        ("by_model", "opus", {"model": "opus"}),
        ("by_date", "2026-03-20", {"timestamp": "2026-03-19T23:30:00-02:00"}),
        ("by_tier", "opus", {"tier": "opus"}),
        ("by_kind", "classify", {"kind": "classify"}),
        ("by_worker", "ollama", {"worker": "ollama"}),
        ("by_project", "shop", {"project": "shop"}),
        ("by_node", "attic", {"node": "attic"}),
        ("by_billing", "own", {"billing": "own"}),
        ("by_month", "2026-04", {"timestamp": "2026-04-01T00:00:00Z"}),
        ("by_hour", "2026-03-20T01", {"timestamp": "2026-03-19T23:30:00-02:00"}),
    ],
)
def test_a_call_counts_under_each_of_its_keys(table, key, changes):
    totals = fold([call(), call(**changes), call()])
    assert getattr(totals, table)[key] == Tally(calls=1, cost_nanos=100_000_000, tokens=120)


def test_a_line_without_a_tier_counts_under_its_model_alias():
    assert fold([call(tier="", model="sonnet")]).by_tier["sonnet"].calls == 1


def test_all_four_kinds_of_tokens_count():
    assert fold([call(cache_read_tokens=3, cache_write_tokens=4)]).total.tokens == 127


def test_rehearsal_counts_apart_and_in_no_real_total():
    totals = fold([call(billing="rehearsal")])
    assert totals == Totals(rehearsal=Tally(calls=1, cost_nanos=100_000_000, tokens=120))


def test_a_call_of_unknown_cost_counts_as_a_call_and_is_named_as_unknown():
    totals = fold([call(estimated_cost_usd=None), call()])
    assert (totals.total.calls, totals.total.cost_usd, totals.unknown_cost_calls) == (2, 0.1, 1)


def test_a_rehearsed_call_of_unknown_cost_is_not_counted_as_unknown():
    assert fold([call(estimated_cost_usd=None, billing="rehearsal")]).unknown_cost_calls == 0


def test_memory_goes_by_keys_not_by_lines():
    totals = fold([call()] * 500)
    assert [len(totals.by_model), len(totals.by_hour), len(totals.by_date_and_tier)] == [1, 1, 1]


def test_days_and_months_are_counted_by_tier_and_by_project():
    totals = fold([call(), call(tier="opus", project="shop"), call(timestamp="2026-04-01T00:00:00Z")])
    assert totals.by_date_and_tier["2026-03-19"]["opus"].calls == 1
    assert totals.by_date_and_project["2026-03-19"]["shop"].calls == 1
    assert totals.by_month_and_tier["2026-03"]["haiku"].calls == 1
    assert totals.by_month_and_project["2026-04"][""].calls == 1


def days(count: int) -> list[Entry]:
    moments = (datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=number) for number in range(count))
    return [call(timestamp=moment.isoformat()) for moment in moments]


def test_hours_and_daily_details_are_kept_for_the_newest_days_only():
    totals = fold(days(DETAIL_DAYS + 3))
    assert [len(totals.by_hour), len(totals.by_date_and_tier), len(totals.by_date_and_project)] == [DETAIL_DAYS] * 3
    assert min(totals.by_hour) == "2026-01-04T12"
    assert len(totals.by_date) == DETAIL_DAYS + 3


def test_a_late_line_of_an_old_day_counts_in_its_day_but_not_in_details_that_are_gone():
    late = days(1)[0]
    totals = fold([*days(DETAIL_DAYS + 1), late])
    assert (totals.by_date["2026-01-01"].calls, "2026-01-01T12" in totals.by_hour) == (2, False)


def test_a_day_far_ahead_does_not_take_the_details_of_the_others():
    totals = fold([*days(3), call(timestamp="9999-12-31T23:00:00Z")])
    assert len(totals.by_date_and_tier) == 4


def test_a_call_of_unknown_cost_is_charged_with_what_it_may_have_cost():
    tally = Tally.of(call(estimated_cost_usd=None, upper_bound_usd=0.25)) + Tally.of(call())
    assert (tally.cost_usd, tally.charged_nanos, tally.unknown_calls) == (0.1, 350_000_000, 1)


def test_a_sum_shares_nothing_with_its_parts():
    part = fold([call()])
    total = part + Totals()
    part.add(call())
    assert total == fold([call()])


@given(st.lists(entries, max_size=30), st.integers(0, 30))
def test_folding_any_split_equals_folding_the_whole(lines, cut):
    assert fold(lines[:cut]) + fold(lines[cut:]) == fold(lines)


@given(st.lists(entries, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(lines, random):
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(lines)


@given(st.lists(entries, max_size=30))
def test_every_table_adds_up_to_the_total(lines):
    totals = fold(lines)
    for name in ("model", "date", "hour", "tier", "worker", "node", "project", "kind", "billing", "month"):
        assert sum(getattr(totals, f"by_{name}").values(), Tally()) == totals.total
    for cross in (totals.by_date_and_tier, totals.by_month_and_tier, totals.by_date_and_project):
        assert sum((tally for table in cross.values() for tally in table.values()), Tally()) == totals.total


@given(st.lists(st.integers(0, 2 * DETAIL_DAYS), max_size=4 * DETAIL_DAYS), st.randoms(use_true_random=False))
def test_what_is_forgotten_does_not_depend_on_order_or_split(numbers, random):
    moments = days(2 * DETAIL_DAYS + 1)
    lines = [moments[number] for number in numbers]
    whole = fold(lines)
    random.shuffle(lines)
    cut = random.randint(0, len(lines))
    assert fold(lines) == whole
    assert fold(lines[:cut]) + fold(lines[cut:]) == whole
