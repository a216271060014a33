"""The table of outcomes: what each leads to for its task."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain import outcome as o
from symbiont.domain.retry import (
    Accept,
    Escalate,
    GiveUp,
    Reroute,
    RetryHere,
    RetryPolicy,
    Stop,
    backoff_s,
    decide,
)

POLICY = RetryPolicy(max_attempts=4, backoff_base_s=2.0, backoff_max_s=300.0)

TABLE = [
    (o.Done("ok"), Accept(), Accept()),
    (o.UsageLimited("five_hour", "account"), Reroute("usage limit five_hour"), Reroute("usage limit five_hour")),
    (o.RateLimited(), Reroute("rate limited"), Reroute("rate limited")),
    (o.Overloaded(529), RetryHere(2.0), RetryHere(2.0)),
    (o.Unreachable(), RetryHere(2.0), RetryHere(2.0)),
    (o.TimedOut("idle", 180.0), RetryHere(2.0), RetryHere(2.0)),
    (o.Interrupted(), RetryHere(2.0), RetryHere(2.0)),
    (o.Empty(), Escalate("empty"), RetryHere(2.0)),
    (o.TooLong(), Escalate("too long"), GiveUp("TOO_LONG")),
    (o.Truncated(), Escalate("truncated"), GiveUp("TRUNCATED")),
    (o.TurnsExceeded(), Escalate("turns exceeded"), GiveUp("TURNS_EXCEEDED")),
    (o.BadOutput(), Escalate("bad output"), GiveUp("BAD_OUTPUT")),
    (o.Unauthorised(), Reroute("unauthorised"), Reroute("unauthorised")),
    (o.NoCredit(), Reroute("no credit"), Reroute("no credit")),
    (o.CliMissing(), Reroute("cli missing"), Reroute("cli missing")),
    (o.NotStarted(), RetryHere(2.0), RetryHere(2.0)),
    (o.Refused(), GiveUp("REFUSED"), GiveUp("REFUSED")),
    (o.BudgetExceeded(), GiveUp("BUDGET_EXCEEDED"), GiveUp("BUDGET_EXCEEDED")),
    (o.BadRequest(), GiveUp("BAD_REQUEST"), GiveUp("BAD_REQUEST")),
    (o.Cancelled(), Stop(), Stop()),
]
OUTCOMES = [row[0] for row in TABLE]
OUTAGES = [o.Overloaded(500), o.Unreachable(), o.NotStarted()]
PASSING = [*OUTAGES, o.TimedOut("wall", 600.0), o.Interrupted()]


def named(value):
    return type(value).__name__


def test_the_table_below_has_a_row_for_every_outcome():
    assert {type(each) for each in OUTCOMES} == set(get_args(o.Outcome))


@pytest.mark.parametrize(("outcome", "with_a_tier_above", "at_the_top"), TABLE, ids=[named(row[0]) for row in TABLE])
def test_a_first_try_leads_to(outcome, with_a_tier_above, at_the_top):
    assert decide(outcome, failures=0, can_escalate=True, policy=POLICY) == with_a_tier_above
    assert decide(outcome, failures=0, can_escalate=False, policy=POLICY) == at_the_top


@pytest.mark.parametrize("outcome", PASSING, ids=named)
def test_trouble_that_may_pass_is_retried_with_doubling_pauses_until_the_tries_are_spent(outcome):
    decisions = [decide(outcome, failures=n, can_escalate=True, policy=POLICY) for n in range(5)]
    given_up = GiveUp(o.code_of(outcome))
    assert decisions == [RetryHere(2.0), RetryHere(4.0), RetryHere(8.0), given_up, given_up]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=named)
def test_of_a_worker_out_of_order_only_outages_ask_for_another_lane_instead(outcome):
    decision = decide(outcome, failures=3, can_escalate=True, policy=POLICY, is_out_of_order=True)
    usual = decide(outcome, failures=3, can_escalate=True, policy=POLICY)
    assert decision == (
        Reroute(o.code_of(outcome).lower().replace("_", " ")) if type(outcome) in map(type, OUTAGES) else usual
    )


CLOSED = [o.UsageLimited("five_hour", "account"), o.RateLimited(), o.Unauthorised(), o.NoCredit(), o.CliMissing()]


@pytest.mark.parametrize("outcome", CLOSED, ids=named)
def test_a_closed_lane_never_uses_up_a_try(outcome):
    assert isinstance(decide(outcome, failures=1_000, can_escalate=False, policy=POLICY), Reroute)


QUALITY = [o.Empty(), o.TooLong(), o.Truncated(), o.TurnsExceeded(), o.BadOutput()]


@pytest.mark.parametrize("outcome", QUALITY, ids=named)
def test_a_tier_up_is_a_try_too_and_the_last_try_is_the_last(outcome):
    decisions = [decide(outcome, failures=n, can_escalate=True, policy=POLICY) for n in range(5)]
    up, given_up = Escalate(o.code_of(outcome).lower().replace("_", " ")), GiveUp(o.code_of(outcome))
    assert decisions == [up, up, up, given_up, given_up]


def test_an_empty_answer_of_the_dearest_tier_is_asked_for_again_until_the_tries_are_spent():
    decisions = [decide(o.Empty(), failures=n, can_escalate=False, policy=POLICY) for n in (0, 2, 3)]
    assert decisions == [RetryHere(2.0), RetryHere(8.0), GiveUp("EMPTY")]


@given(st.sampled_from(OUTCOMES), st.integers(0, 10**9), st.booleans(), st.integers(1, 10**9))
def test_every_outcome_leads_somewhere_and_no_pause_exceeds_the_longest(outcome, failures, can_escalate, most):
    policy = RetryPolicy(max_attempts=most, backoff_base_s=2.0, backoff_max_s=300.0)
    decision = decide(outcome, failures=failures, can_escalate=can_escalate, policy=policy)
    assert not isinstance(decision, RetryHere) or 0 < decision.after_s <= 300.0
    assert can_escalate or not isinstance(decision, Escalate)


@given(st.integers(0, 10**6), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_a_backoff_grows_and_stays_finite(count, base_s, max_s):
    first, then = (backoff_s(n, base_s=base_s, max_s=max_s) for n in (count, count + 1))
    assert 0 < first <= then <= max_s
