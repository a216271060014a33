"""Lanes and their limits: what is closed, who probes, and what a call may say about a limit."""

from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.lanes import Closed, LaneBook

TIERS = ("haiku", "sonnet", "opus")
LANES = [("claude", tier) for tier in TIERS]
NOW = 1_000.0
ACCOUNT = Closed("claude", "five_hour", 2_000.0, 2_005.0)
SONNET = Closed("claude", "seven_day_sonnet", 3_000.0, 3_000.0, "sonnet")


def book(*limits: Closed) -> LaneBook:
    made = LaneBook(LANES)
    for limit in limits:
        made.close(limit)
    return made


def open_tiers(lanes: LaneBook, now: float) -> list[str]:
    return [lane.tier for lane in lanes.lanes(now) if lane.is_open(now)]


def test_without_limits_every_lane_is_open():
    assert open_tiers(book(), NOW) == list(TIERS)
    assert not book().all_closed(NOW)


def test_a_limit_of_the_account_closes_every_lane_until_it_opens():
    assert open_tiers(book(ACCOUNT), 2_004.9) == []
    assert open_tiers(book(ACCOUNT), 2_005.0) == list(TIERS)


def test_a_limit_of_one_model_closes_its_lane_alone():
    assert open_tiers(book(SONNET), NOW) == ["haiku", "opus"]


def test_a_lane_under_two_limits_names_the_one_that_lasts():
    sonnet = book(ACCOUNT, SONNET).lanes(NOW)[1]
    assert (sonnet.closed_by, sonnet.closed_until) == ("seven_day_sonnet", 3_000.0)


def test_a_limit_of_another_worker_closes_nothing_here():
    assert not book(Closed("other", "five_hour", 2_000.0, 2_000.0)).all_closed(NOW)


def test_the_next_opening_is_the_first_that_is_yet_to_come():
    assert book(ACCOUNT, SONNET).next_opening(NOW) == 2_005.0
    assert book(ACCOUNT, SONNET).next_opening(2_005.0) == 3_000.0
    assert book().next_opening(NOW) is None


def test_a_limit_that_comes_again_replaces_itself():
    later = Closed("claude", "five_hour", 9_000.0, 9_000.0)
    assert book(ACCOUNT, later).limits == (later,)


def test_a_lifted_limit_is_over():
    assert book(ACCOUNT, Closed("claude", "five_hour", 2_000.0, 2_005.0, lifted=True)).limits == ()


# Probes


def test_the_first_call_after_a_limit_is_its_probe_and_the_others_wait():
    lanes = book(ACCOUNT)
    assert not lanes.probing("claude", "haiku", 2_005.0)
    assert lanes.send("claude", "haiku", 2_005.0) == {ACCOUNT}
    assert lanes.probing("claude", "opus", 2_005.0)


def test_a_probe_that_worked_ends_the_limit():
    lanes = book(ACCOUNT)
    probed = lanes.send("claude", "haiku", 2_005.0)
    assert lanes.worked("claude", "haiku", probed) == (ACCOUNT,)
    assert (lanes.limits, lanes.probing("claude", "haiku", 2_005.0)) == ((), False)


def test_a_probe_that_told_nothing_is_followed_by_another():
    lanes = book(ACCOUNT)
    lanes.back_unjudged(lanes.send("claude", "haiku", 2_005.0))
    assert not lanes.probing("claude", "haiku", 2_005.0)
    assert lanes.limits == (ACCOUNT,)


def test_a_call_sent_before_the_limit_proves_nothing_about_it():
    lanes = book()
    probed = lanes.send("claude", "haiku", NOW)
    lanes.close(ACCOUNT)
    assert lanes.worked("claude", "haiku", probed) == ()
    assert lanes.limits == (ACCOUNT,)


def test_a_probe_from_before_the_limit_closed_again_proves_nothing_about_the_new_one():
    lanes, again = book(ACCOUNT), Closed("claude", "five_hour", 9_000.0, 9_000.0)
    probed = lanes.send("claude", "haiku", 2_005.0)
    lanes.close(again)
    assert lanes.worked("claude", "haiku", probed) == ()
    assert lanes.limits == (again,)


def test_a_call_is_no_probe_of_a_limit_that_is_still_in_force():
    lanes = book(ACCOUNT, SONNET)
    assert lanes.send("claude", "sonnet", 2_500.0) == {ACCOUNT}


def test_a_call_on_one_lane_probes_no_limit_of_another():
    lanes = book(SONNET)
    assert lanes.send("claude", "opus", 3_000.0) == frozenset()


# Refusals in a row


RATE = ("claude", "haiku", "rate_limit")


def test_refusals_are_counted_until_the_lane_works():
    lanes = book()
    lanes.strike(RATE)
    lanes.strike(RATE)
    assert lanes.strikes(RATE) == 2
    lanes.worked("claude", "opus", frozenset())
    assert lanes.strikes(RATE) == 2
    lanes.worked("claude", "haiku", frozenset())
    assert lanes.strikes(RATE) == 0


def test_refusals_of_one_lane_are_no_refusals_of_another():
    lanes = book()
    lanes.strike(RATE)
    assert lanes.strikes(("claude", "opus", "rate_limit")) == 0


def test_refusals_of_a_whole_worker_are_over_when_any_lane_of_it_works():
    lanes, key = book(), ("claude", "", "unauthorised")
    lanes.strike(key)
    lanes.worked("claude", "opus", frozenset())
    assert lanes.strikes(key) == 0


def test_only_a_probe_of_a_limit_has_news_of_it():
    lanes = book(SONNET)
    assert not lanes.is_news(SONNET.key, frozenset())
    assert lanes.is_news(SONNET.key, lanes.send("claude", "sonnet", 3_000.0))
    assert lanes.is_news(ACCOUNT.key, frozenset())


LIMITS = st.builds(
    Closed,
    worker=st.sampled_from(["claude", "other"]),
    limit=st.sampled_from(["five_hour", "rate_limit"]),
    resets_at=st.just(0.0),
    opens_at=st.integers(0, 100).map(float),
    tier=st.sampled_from(["", *TIERS]),
    lifted=st.booleans(),
)


@given(st.lists(LIMITS), st.integers(0, 100).map(float))
def test_a_lane_is_closed_exactly_while_the_last_word_on_some_limit_says_so(limits, now):
    last = {limit.key: limit for limit in limits}
    closed = {
        tier
        for tier in TIERS
        for limit in last.values()
        if not limit.lifted and limit.worker == "claude" and limit.tier in {"", tier} and limit.opens_at > now
    }
    assert open_tiers(book(*limits), now) == [tier for tier in TIERS if tier not in closed]


@given(st.lists(LIMITS), st.lists(st.tuples(st.sampled_from(TIERS), st.integers(0, 100).map(float))))
def test_probes_that_are_given_back_leave_no_lane_waiting(limits, sends):
    lanes = book(*limits)
    probed = [lanes.send("claude", tier, now) for tier, now in sends]
    for each in probed:
        lanes.back_unjudged(each)
    assert not any(lanes.probing("claude", tier, 100.0) for tier in TIERS)
