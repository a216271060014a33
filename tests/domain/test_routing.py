"""Routes: the cheapest able tier with an open lane, with the rule and the rejected in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.routing import Hold, Lane, Rejected, Route, choose, wanted_tier
from symbiont.domain.task import Classification
from symbiont.domain.tier import Tier, TierTable

NAMES = ("haiku", "sonnet", "opus")
TIERS = TierTable.of([Tier(name, rank, name, "", "") for rank, name in enumerate(NAMES, start=1)])
NOW = 1_000.0


def judged(tier: str, confidence: str, source: str = "model") -> Classification:
    return Classification(tier=tier, confidence=confidence, reason="", task_type="general", source=source)


def lanes(**closed: tuple[float | None, str]) -> list[Lane]:
    """One lane of the worker `claude` per tier; those named are closed until and by."""
    return [Lane("claude", name, *closed.get(name, (None, ""))) for name in NAMES]


@pytest.mark.parametrize(
    ("classification", "low_confidence", "expected"),
    [
        (judged("haiku", "high"), "up", "haiku"),
        (judged("haiku", "medium"), "up", "haiku"),
        (judged("haiku", "low"), "up", "sonnet"),
        (judged("haiku", "low"), "stay", "haiku"),
        (judged("opus", "low"), "up", "opus"),
        (judged("haiku", "low", "heuristic"), "up", "sonnet"),
        (judged("haiku", "low", "forced"), "up", "haiku"),
        (judged("haiku", "low", "default"), "up", "haiku"),
        (judged("gone", "low"), "up", "gone"),
    ],
)
def test_only_an_unsure_judge_is_overruled_by_one_tier(classification, low_confidence, expected):
    assert wanted_tier(classification, TIERS, low_confidence) == expected


@pytest.mark.parametrize("wanted", NAMES)
def test_an_open_lane_of_the_wanted_tier_is_taken(wanted):
    assert choose(wanted, lanes(), TIERS, now=NOW) == Route("claude", wanted, "cheapest capable tier", ())


def test_a_floor_above_the_wanted_tier_counts():
    assert choose("haiku", lanes(), TIERS, now=NOW, floor="opus").tier == "opus"


def test_a_floor_below_the_wanted_tier_does_not():
    assert choose("opus", lanes(), TIERS, now=NOW, floor="haiku").tier == "opus"


def test_a_closed_model_sends_the_task_one_tier_up_and_says_why():
    route = choose("sonnet", lanes(sonnet=(2_000.0, "seven_day_sonnet")), TIERS, now=NOW)
    assert route == Route(
        "claude",
        "opus",
        "sonnet closed by seven_day_sonnet: one tier up",
        (Rejected("claude", "sonnet", "closed by seven_day_sonnet"),),
    )


def test_each_tier_passed_over_is_named_in_the_rule():
    closed = {"haiku": (2_000.0, "rate_limit"), "sonnet": (None, "seven_day_sonnet")}
    route = choose("haiku", lanes(**closed), TIERS, now=NOW)
    assert route.rule == "haiku closed by rate_limit; sonnet closed by seven_day_sonnet: 2 tiers up"


def test_another_worker_of_the_same_tier_goes_before_a_dearer_tier():
    two = [Lane("claude", "haiku", 2_000.0, "five_hour"), Lane("claude", "sonnet"), Lane("ollama", "haiku")]
    route = choose("haiku", two, TIERS, now=NOW)
    assert (route.worker, route.tier, route.rule) == ("ollama", "haiku", "cheapest capable tier")
    assert route.rejected == (Rejected("claude", "haiku", "closed by five_hour"),)


def test_lanes_of_one_tier_are_taken_in_the_order_given():
    assert choose("haiku", [Lane("b", "haiku"), Lane("a", "haiku")], TIERS, now=NOW).worker == "b"


def test_a_tier_without_a_worker_is_passed_over_in_words():
    route = choose("haiku", [Lane("claude", "sonnet")], TIERS, now=NOW)
    assert (route.tier, route.rule) == ("sonnet", "haiku has no worker: one tier up")


def test_a_cheaper_tier_than_wanted_is_never_taken():
    assert choose("opus", [Lane("claude", "haiku"), Lane("claude", "sonnet")], TIERS, now=NOW) is None


@pytest.mark.parametrize(
    ("closed_until", "is_open"), [(NOW - 1, True), (NOW, True), (NOW + 1, False)], ids=["past", "now", "future"]
)
def test_a_lane_opens_at_its_moment(closed_until, is_open):
    assert Lane("claude", "haiku", closed_until, "five_hour").is_open(NOW) is is_open


def test_when_all_able_lanes_are_closed_the_earliest_known_opening_is_awaited():
    closed = {"haiku": (None, "mystery"), "sonnet": (3_000.0, "seven_day_sonnet"), "opus": (2_000.0, "seven_day_opus")}
    hold = choose("haiku", lanes(**closed), TIERS, now=NOW)
    assert (hold.until, hold.limit, len(hold.rejected)) == (2_000.0, "seven_day_opus", 3)


def test_when_no_opening_is_known_the_hold_says_so():
    hold = choose("opus", lanes(opus=(None, "mystery")), TIERS, now=NOW)
    assert hold == Hold(None, "mystery", (Rejected("claude", "opus", "closed by mystery"),))


@pytest.mark.parametrize(("wanted", "floor"), [("gone", None), ("haiku", "gone")])
def test_a_tier_that_the_table_has_dropped_has_no_route(wanted, floor):
    assert choose(wanted, lanes(), TIERS, now=NOW, floor=floor) is None


@pytest.mark.parametrize("wanted", NAMES)
def test_without_workers_there_is_no_route(wanted):
    assert choose(wanted, [], TIERS, now=NOW) is None


any_lane = st.builds(
    Lane,
    st.sampled_from(["claude", "ollama"]),
    st.sampled_from(NAMES),
    st.none() | st.floats(0, 2_000),
    st.sampled_from(["", "five_hour"]),
)


@given(st.sampled_from(NAMES), st.lists(any_lane, max_size=8), st.none() | st.sampled_from(NAMES))
def test_a_route_is_open_able_and_the_cheapest_there_is(wanted, many, floor):
    least = max(TIERS[name].rank for name in (wanted, floor or wanted))
    able = [lane for lane in many if TIERS[lane.tier].rank >= least]
    is_open = [TIERS[lane.tier].rank for lane in able if lane.is_open(NOW)]
    match choose(wanted, many, TIERS, now=NOW, floor=floor):
        case Route(tier=tier):
            assert TIERS[tier].rank == min(is_open)
        case Hold(until=until, rejected=rejected):
            assert not is_open
            assert len(rejected) == len(able) > 0
            assert until is None or until > NOW
        case None:
            assert not able
