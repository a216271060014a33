"""What an outcome means for its lane: which limits come into force, how long, and what proves that one is over."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain import outcome as o
from symbiont.domain.closure import Closure, ClosurePolicy, closure_of, limit_of, proves_service
from symbiont.domain.errors import MEANINGS
from symbiont.domain.routing import STOPPAGES

CLOSURES = ClosurePolicy(
    unknown_reset_s=900.0, rate_backoff_base_s=30.0, rate_backoff_max_s=900.0, account_pause_s=60.0
)
NOW = 1_790_000_000.0
DAY_S = 86_400.0
SERVED = [o.Done("ok"), o.Refused(), o.Truncated(), o.BudgetExceeded(), o.TurnsExceeded()]
OUTCOMES = [
    *SERVED,
    o.UsageLimited("five_hour", "account"),
    o.RateLimited(),
    o.Overloaded(529),
    o.Unauthorised(),
    o.NoCredit(),
    o.TooLong(),
    o.BadOutput(),
    o.Empty(),
    o.Unreachable(),
    o.TimedOut("idle", 180.0),
    o.CliMissing(),
    o.NotStarted(),
    o.BadRequest(),
    o.Interrupted(),
    o.Cancelled(),
]


def named(value):
    return type(value).__name__


def test_the_list_above_has_every_outcome():
    assert {type(each) for each in OUTCOMES} == set(get_args(o.Outcome))


@pytest.mark.parametrize("outcome", OUTCOMES, ids=named)
def test_only_what_a_model_did_proves_that_a_limit_is_over(outcome):
    assert proves_service(outcome) == (outcome in SERVED)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (o.UsageLimited("five_hour", "account", NOW + 60), Closure("five_hour", "account", NOW + 60, True)),
        (o.UsageLimited("seven_day_opus", "model", NOW + 60), Closure("seven_day_opus", "model", NOW + 60, True)),
        (
            o.UsageLimited("seven_day", "account", NOW + 35 * DAY_S),
            Closure("seven_day", "account", NOW + 35 * DAY_S, True),
        ),
        (o.RateLimited(retry_after_s=300.0), Closure("rate_limit", "model", NOW + 300, True)),
        (o.Unauthorised(), Closure("unauthorised", "account", NOW + 60)),
        (o.NoCredit(), Closure("no_credit", "account", NOW + 60)),
    ],
)
def test_an_outcome_closes_lanes_until(outcome, expected):
    assert closure_of(outcome, now=NOW, strikes=0, policy=CLOSURES) == expected


@pytest.mark.parametrize("resets_at", [None, NOW, NOW - 1, 0.0, NOW + 36 * DAY_S, math.inf, math.nan])
def test_a_reset_that_is_unknown_past_or_nonsense_closes_for_the_configured_time(resets_at):
    closure = closure_of(o.UsageLimited("five_hour", "account", resets_at), now=NOW, strikes=0, policy=CLOSURES)
    assert closure == Closure("five_hour", "account", NOW + 900)


@pytest.mark.parametrize(("strikes", "pause_s"), [(0, 30), (1, 60), (2, 120), (5, 900), (10_000, 900)])
def test_a_rate_limit_without_a_time_backs_off_by_its_strikes(strikes, pause_s):
    closure = closure_of(o.RateLimited(), now=NOW, strikes=strikes, policy=CLOSURES)
    assert closure == Closure("rate_limit", "model", NOW + pause_s)


@pytest.mark.parametrize("retry_after_s", [0.0, -5.0, math.nan, math.inf])
def test_a_nonsensical_retry_after_counts_as_none(retry_after_s):
    closure = closure_of(o.RateLimited(retry_after_s), now=NOW, strikes=0, policy=CLOSURES)
    assert closure == Closure("rate_limit", "model", NOW + 30)


STOPS = [o.Unauthorised(), o.NoCredit(), o.CliMissing()]
OUTAGES = [o.Unreachable(), o.Overloaded(529), o.NotStarted()]
CLOSING = (o.UsageLimited, o.RateLimited, *map(type, STOPS + OUTAGES))


@pytest.mark.parametrize("outcome", STOPS, ids=named)
def test_what_needs_a_human_pauses_the_worker_longer_each_time(outcome):
    closures = [closure_of(outcome, now=NOW, strikes=strikes, policy=CLOSURES) for strikes in (0, 1, 2, 9)]
    assert [(closure.scope, closure.until - NOW) for closure in closures] == [
        ("account", 60),
        ("account", 120),
        ("account", 240),
        ("account", 900),
    ]


@pytest.mark.parametrize("outcome", OUTAGES, ids=named)
def test_an_outage_pauses_the_worker_from_the_third_in_a_row_on(outcome):
    closures = [closure_of(outcome, now=NOW, strikes=strikes, policy=CLOSURES) for strikes in range(5)]
    assert closures == [
        None,
        None,
        Closure("outage", "account", NOW + 60),
        Closure("outage", "account", NOW + 120),
        Closure("outage", "account", NOW + 240),
    ]


def test_whatever_is_mended_by_people_has_an_error_of_its_own():
    closing = {limit_of(outcome)[0] for outcome in STOPS + OUTAGES}
    assert closing == STOPPAGES.keys()
    assert set(STOPPAGES.values()) <= MEANINGS.keys()


@pytest.mark.parametrize("outcome", [each for each in OUTCOMES if not isinstance(each, CLOSING)], ids=named)
def test_no_other_outcome_closes_a_lane(outcome):
    assert closure_of(outcome, now=NOW, strikes=3, policy=CLOSURES) is None


@given(st.sampled_from(OUTCOMES), st.integers(0, 10**6), st.none() | st.floats())
def test_a_closure_always_ends_in_the_future(outcome, strikes, moment):
    if isinstance(outcome, o.UsageLimited):
        outcome = o.UsageLimited(outcome.limit, outcome.scope, moment)
    closure = closure_of(outcome, now=NOW, strikes=strikes, policy=CLOSURES)
    assert closure is None or NOW < closure.until <= NOW + 35 * DAY_S
