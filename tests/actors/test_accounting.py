"""What a call cost: by our prices, by the worker's word, or unknown."""

from typing import get_args

import pytest

from symbiont.actors.accounting import cost_of, interrupted
from symbiont.config import price_table, tier_table
from symbiont.config.schema import Config
from symbiont.domain import outcome as o
from symbiont.domain.task import OpenCall, Status, Task
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import ModelReply

PRICES = price_table(Config())
HAIKU = tier_table(Config())["haiku"]
TURNED_AWAY = [
    o.UsageLimited("five_hour", "account"),
    o.RateLimited(),
    o.Overloaded(529),
    o.Unauthorised(),
    o.NoCredit(),
    o.TooLong(),
    o.Unreachable(),
    o.CliMissing(),
    o.NotStarted(),
    o.BadRequest(),
]
MAYBE_SERVED = [
    o.Done("an answer"),
    o.Refused(),
    o.Truncated(),
    o.BudgetExceeded(),
    o.TurnsExceeded(),
    o.BadOutput(),
    o.Empty(),
    o.TimedOut("idle", 2.0),
    o.Interrupted(),
    o.Cancelled(),
]


def cost(outcome, *usage, reported=None):
    reply = ModelReply(outcome=outcome, elapsed_s=1.0, billing="api", usage=usage, reported_cost_usd=reported)
    return cost_of(reply, HAIKU, PRICES)[0]


def test_the_two_lists_name_every_outcome():
    assert {type(one) for one in TURNED_AWAY + MAYBE_SERVED} == set(get_args(o.Outcome))


@pytest.mark.parametrize("reported", [None, 0.0])
@pytest.mark.parametrize("outcome", MAYBE_SERVED, ids=o.code_of)
def test_a_call_that_may_have_been_served_and_told_no_usage_has_an_unknown_cost(outcome, reported):
    assert cost(outcome, reported=reported) is None


@pytest.mark.parametrize("outcome", TURNED_AWAY, ids=o.code_of)
def test_a_request_that_was_turned_away_cost_nothing(outcome):
    assert cost(outcome) == 0.0


@pytest.mark.parametrize("outcome", TURNED_AWAY + MAYBE_SERVED, ids=o.code_of)
def test_what_is_told_counts_however_the_call_ended(outcome):
    assert cost(outcome, ModelUsage("claude-haiku-5-5", Usage(input_tokens=1_000_000))) == 0.5
    assert cost(outcome, reported=0.25) == 0.25


def test_a_model_without_a_price_costs_what_is_reported_or_what_its_tier_costs():
    unheard_of = ModelUsage("claude-limerick-9", Usage(input_tokens=10_000))
    assert cost(o.Done("x"), unheard_of, reported=0.25) == 0.25
    assert cost(o.Done("x"), unheard_of) == 0.001


@pytest.mark.parametrize("billing", ["api", "subscription", "own", "rehearsal"])
def test_a_call_cut_off_by_a_crash_is_billed_as_it_would_have_been(billing):
    call = OpenCall("task", "haiku", "claude", "haiku", "2027-01-15T08:00:00Z", billing)
    entry = interrupted(Task("task-1", "do it", call.began_at, Status.PROCESSING), call, now=1.8e9)
    assert (entry.billing, entry.estimated_cost_usd) == (billing, None)
