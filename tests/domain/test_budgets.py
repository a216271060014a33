"""Budgets: which calls they let through, what they have left, and that calls at the same time do not get past them."""

from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from symbiont.domain.budget import (
    LOOK_AGAIN_S,
    Budget,
    BudgetBook,
    Claim,
    Granted,
    OverBudget,
    period_at,
    upper_bound_nanos,
)
from symbiont.domain.ledger import Entry
from symbiont.domain.moment import rfc3339_us
from symbiont.domain.price import ModelPrice, Rates, nanos
from symbiont.domain.totals import Totals

NOON = datetime(2026, 3, 19, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 3, 20, tzinfo=UTC).timestamp()
APRIL = datetime(2026, 4, 1, tzinfo=UTC).timestamp()


def daily(**changes: object) -> Budget:
    return Budget(**{"name": "daily", "period": "day", "limit_usd": 1.0} | changes)


def claim(task: str = "task-1", bound_usd: float = 0.4, tier: str = "haiku", project: str = "") -> Claim:
    return Claim((task, 1, "task"), tier, project, nanos(bound_usd))


def call(cost_usd: float | None, *, now: float = NOON, tier: str = "haiku", **more: object) -> Entry:
    return Entry(
        timestamp=rfc3339_us(now),
        model=tier,
        success=True,
        elapsed_seconds=1.0,
        input_tokens=0,
        output_tokens=0,
        estimated_cost_usd=cost_usd,
        prompt_preview="",
        tier=tier,
        **more,
    )


def spent(*calls: Entry) -> Totals:
    totals = Totals()
    for one in calls:
        totals.add(one)
    return totals


def answer(budget: Budget, totals: Totals, asked: Claim | None = None, *, now: float = NOON) -> Granted | OverBudget:
    return BudgetBook([budget]).reserve(asked or claim(), totals, now)


@pytest.mark.parametrize(
    ("budget", "is_granted"),
    [
        (daily(limit_usd=0.51), True),
        (daily(limit_usd=0.5), False),
        (daily(limit_usd=None, limit_calls=2), True),
        (daily(limit_usd=None, limit_calls=1), False),
        (daily(limit_usd=9.0, limit_calls=1), False),
        (daily(limit_usd=0.0), False),
        (daily(period="month", limit_usd=0.5), False),
        (daily(scope="tier", of="haiku", limit_usd=0.5), False),
        (daily(scope="tier", limit_usd=0.5), False),
        (daily(scope="tier", of="opus", limit_usd=0.5), True),
        (daily(scope="project", of="shop", limit_usd=0.5), False),
        (daily(scope="project", of="web", limit_usd=0.5), True),
        (daily(scope="project", period="month", limit_usd=0.5), False),
    ],
)
def test_a_call_is_let_through_below_the_limits_it_falls_under(budget, is_granted):
    totals = spent(call(0.5, project="shop"))
    assert isinstance(answer(budget, totals, claim(project="shop")), Granted) is is_granted


@pytest.mark.parametrize(
    ("period", "now", "expected"),
    [
        ("day", NOON, ("2026-03-19", MIDNIGHT)),
        ("day", MIDNIGHT - 0.001, ("2026-03-19", MIDNIGHT)),
        ("day", MIDNIGHT, ("2026-03-20", MIDNIGHT + 86_400)),
        ("month", NOON, ("2026-03", APRIL)),
        ("month", datetime(2027, 12, 31, 23, 59, tzinfo=UTC).timestamp(), ("2027-12", datetime(2028, 1, 1, tzinfo=UTC).timestamp())),
    ],
)  # fmt: skip
def test_periods_are_those_of_utc(period, now, expected):
    assert period_at(period, now) == expected


def test_what_was_spent_yesterday_does_not_count_today():
    assert answer(daily(), spent(call(5.0, now=NOON - 86_400))) == Granted()


def test_calls_under_way_count_with_what_they_may_cost():
    book = BudgetBook([daily(limit_usd=0.8)])
    answers = [book.reserve(claim(f"task-{number}"), Totals(), NOON) for number in range(3)]
    assert [type(one) for one in answers] == [Granted, Granted, OverBudget]


def test_a_call_that_asks_twice_reserves_once():
    book = BudgetBook([daily(limit_usd=None, limit_calls=2)])
    assert [book.reserve(claim(), Totals(), NOON) for _ in range(3)] == [Granted()] * 3
    assert book.uses(Totals(), NOON)[0].reserved_calls == 1


def test_a_released_call_makes_room():
    book = BudgetBook([daily(limit_usd=None, limit_calls=1)])
    book.reserve(claim(), Totals(), NOON)
    assert (book.release(claim().key), book.release(claim().key)) == (True, False)
    assert book.reserve(claim("task-2"), Totals(), NOON) == Granted()


def test_a_used_up_budget_says_when_it_begins_anew():
    over = answer(daily(), spent(call(1.0)))
    assert isinstance(over, OverBudget)
    assert (over.budget, over.until, over.reason) == ("daily", MIDNIGHT, "budget daily")
    assert over.detail == "budget daily: 1.0000 of 1 USD used; it begins anew at 2026-03-20T00:00:00Z"


def test_a_budget_that_is_only_reserved_is_to_be_asked_again_soon():
    book = BudgetBook([daily(limit_usd=None, limit_calls=1)])
    book.reserve(claim(), Totals(), NOON)
    over = book.reserve(claim("task-2"), Totals(), NOON)
    assert isinstance(over, OverBudget)
    assert (over.until, "0 of 1 calls made and 1 under way" in over.detail) == (NOON + LOOK_AGAIN_S, True)


def test_of_several_budgets_one_that_refuses_has_the_last_word_and_else_the_longest_wait():
    month = daily(name="monthly", period="month")
    refusing = daily(name="strict", on_limit="refuse")
    totals = spent(call(1.0))
    told = [BudgetBook(book).reserve(claim(), totals, NOON) for book in ([daily(), month], [month, refusing, daily()])]
    assert [(over.budget, over.on_limit) for over in told] == [("monthly", "wait"), ("strict", "refuse")]


def test_rehearsal_counts_in_no_budget_and_classifying_does():
    totals = spent(call(5.0, billing="rehearsal"), call(0.25, kind="classify"))
    (use,) = BudgetBook([daily()]).uses(totals, NOON)
    assert use.used.charged_nanos == nanos(0.25)


def test_a_call_of_unknown_cost_counts_as_the_most_it_may_have_cost():
    (use,) = BudgetBook([daily()]).uses(spent(call(None, upper_bound_usd=0.75), call(None)), NOON)
    assert (use.used.charged_nanos, use.used.calls) == (nanos(0.75), 2)


def test_a_budget_of_each_project_lists_those_that_spent_or_reserved():
    book = BudgetBook([daily(scope="project")])
    book.reserve(claim(project="web"), Totals(), NOON)
    assert [use.subject for use in book.uses(spent(call(0.1, project="shop")), NOON)] == ["shop", "web"]


@pytest.mark.parametrize(
    ("cost", "shares"), [(0.79, []), (0.8, [0.8]), (0.99, [0.8]), (1.0, [0.8, 1.0]), (9, [0.8, 1.0])]
)
def test_alerts_are_due_from_their_share_on(cost, shares):
    alerts = BudgetBook([daily()]).alerts_after("haiku", "", spent(call(cost)), NOON)
    assert [alert.share for alert in alerts] == shares


def test_an_alert_is_known_by_budget_subject_period_and_share():
    book = BudgetBook([daily(scope="tier")])
    ids = {alert.id for alert in book.alerts(spent(call(1.0), call(0.9, tier="opus")), NOON)}
    assert ids == {"daily/haiku/2026-03-19/80", "daily/haiku/2026-03-19/100", "daily/opus/2026-03-19/80"}


PRICE = ModelPrice(Rates(input=1_000, output=5_000, cache_read=100, cache_write_5m=1_250, cache_write_1h=2_000))


def test_the_upper_bound_is_dearer_than_any_way_to_read_the_prompt_and_a_long_answer():
    bound = upper_bound_nanos("task", ["be brief", "x" * 4_000], PRICE, 0.0)
    assert bound == (2_004 + 1_000) * 2_000 + 16_000 * 5_000


def test_the_upper_bound_of_a_model_without_a_price_is_what_is_planned_for_its_tier():
    assert upper_bound_nanos("task", ["x"], None, 0.04) == nanos(0.04)


class Spending(RuleBasedStateMachine):
    """Any interleaving of calls against a plain count: no limit in calls is exceeded, no limit in USD by more than allowed."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        self.budgets = (daily(limit_usd=2.0), daily(name="calls", scope="tier", limit_usd=None, limit_calls=7))
        self.book = BudgetBook(self.budgets)
        self.totals = Totals()
        self.held: dict[str, Claim] = {}
        self.spent_nanos = 0
        self.calls = {"haiku": 0, "opus": 0}
        self.largest_nanos = 0
        self.beyond_nanos = 0
        self.number = 0

    @rule(target=running, tier=st.sampled_from(["haiku", "opus"]), bound=st.integers(0, nanos(1.0)))
    def begin(self, tier: str, bound: int) -> str:
        self.number += 1
        task = f"task-{self.number}"
        asked = Claim((task, 1, "task"), tier, "", bound)
        reserved = sum(one.bound_nanos for one in self.held.values())
        under_way = sum(one.tier == tier for one in self.held.values())
        is_room = self.spent_nanos + reserved < nanos(2.0) and self.calls[tier] + under_way < 7
        assert isinstance(self.book.reserve(asked, self.totals, NOON), Granted) is is_room
        if is_room:
            self.held[task] = asked
        return task

    @rule(task=consumes(running), cost=st.integers(0, nanos(1.5)))
    def settle(self, task: str, cost: int) -> None:
        asked = self.held.pop(task, None)
        if asked is None:
            return
        self.totals.add(call(cost / 10**9, tier=asked.tier, task_id=task))
        self.book.release(asked.key)
        self.spent_nanos += cost
        self.calls[asked.tier] += 1
        self.largest_nanos = max(self.largest_nanos, cost, asked.bound_nanos)
        self.beyond_nanos += max(0, cost - asked.bound_nanos)

    @rule(task=consumes(running))
    def give_up(self, task: str) -> None:
        asked = self.held.pop(task, None)
        assert self.book.release((task, 1, "task")) is (asked is not None)

    @invariant()
    def limits_hold(self) -> None:
        assert max(self.calls.values()) <= 7
        assert self.spent_nanos < nanos(2.0) + self.largest_nanos + self.beyond_nanos or not self.spent_nanos

    @invariant()
    def what_it_says_is_so(self) -> None:
        use = self.book.uses(self.totals, NOON)[0]
        assert use.used.charged_nanos == self.spent_nanos
        assert use.reserved_nanos == sum(one.bound_nanos for one in self.held.values())


TestSpending = Spending.TestCase
