"""The figures for Prometheus: what each says, and that nothing is told that nobody knows."""

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from supervisors.introspect import ProcessInfo
from symbiont.domain.budget import Budget, Use
from symbiont.domain.lanes import Closed
from symbiont.domain.ledger import Entry
from symbiont.domain.standing import Counts
from symbiont.domain.totals import Tally, Totals
from symbiont.telemetry.metrics import Pulse, Reading, exposition

NOTHING_KNOWN = Reading("0.1.0", 12.5, 0, (), None, None, None, None, None)


def entry(**changes):
    fields = {
        "timestamp": "2026-11-26T10:00:00Z",
        "model": "haiku",
        "success": True,
        "elapsed_seconds": 1.0,
        "input_tokens": 100,
        "output_tokens": 20,
        "estimated_cost_usd": 0.25,
        "prompt_preview": "x",
        "tier": "haiku",
        "worker": "claude",
    }
    return Entry(**(fields | changes))


def read(reading):
    """Sample name and labels → value."""
    families = text_string_to_metric_families(exposition(reading).decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def known(**changes):
    return read(msgspec.structs.replace(NOTHING_KNOWN, **changes))


def totals(*entries):
    whole = Totals()
    for each in entries:
        whole.add(each)
    return whole


def test_money_calls_and_tokens_are_those_of_the_fold():
    whole = totals(entry(), entry(tier="opus", model="opus", estimated_cost_usd=0.5), entry(estimated_cost_usd=None))
    found = known(totals=whole)

    assert found[("symbiont_calls_total",)] == whole.total.calls == 3
    assert found[("symbiont_cost_usd_total",)] == whole.total.cost_usd == 0.75
    assert found[("symbiont_tokens_total",)] == 360
    assert found[("symbiont_calls_of_unknown_cost_total",)] == 1
    assert found["symbiont_tier_cost_usd_total", ("tier", "opus")] == 0.5
    assert found["symbiont_tier_calls_total", ("tier", "haiku")] == 2
    assert found["symbiont_worker_calls_total", ("worker", "claude")] == 3


def test_rehearsals_count_as_such_alone():
    found = known(totals=totals(entry(billing="rehearsal")))

    assert (found[("symbiont_rehearsals_total",)], found[("symbiont_calls_total",)]) == (1, 0)


def test_tasks_are_counted_by_state():
    found = known(counts=Counts(4, 3, 2, 1, 0))

    states = ("pending", "processing", "done", "failed", "cancelled")
    assert [found["symbiont_tasks", ("status", state)] for state in states] == [4, 3, 2, 1, 0]


def test_a_budget_tells_what_is_used_and_what_may_be_used_yet():
    budget = Budget(name="daily", period="day", limit_usd=2.0)
    found = known(budgets=(Use(budget, "", "2026-11-26", 0.0, totals(entry()).total, 500_000_000, 1),))
    of = (("budget", "daily"), ("subject", ""))

    assert found["symbiont_budget_used_ratio", *of] == 0.125
    assert found["symbiont_budget_used_usd", *of] == 0.25
    assert found["symbiont_budget_reserved_usd", *of] == 0.5
    assert found["symbiont_budget_used_calls", *of] == 1


def test_of_many_budgets_those_are_told_that_have_used_the_most():
    budget = Budget(name="each", period="day", scope="project", limit_calls=1_000)
    uses = tuple(Use(budget, f"project-{n}", "2026-11-26", 0.0, Tally(calls=n)) for n in range(300))
    found = known(budgets=uses)

    told = [key for key in found if key[0] == "symbiont_budget_used_calls"]
    assert len(told) == 200
    assert ("symbiont_budget_used_calls", ("budget", "each"), ("subject", "project-299")) in told


def test_a_limit_tells_when_it_ends():
    found = known(limits=(Closed("claude", "five_hour", 1_000.0, 1_005.0),))

    of = (("limit", "five_hour"), ("tier", ""), ("worker", "claude"))
    assert found["symbiont_limit_ends_timestamp_seconds", *of] == 1_005.0


def test_an_actor_with_a_name_tells_how_it_is_doing_and_one_without_is_counted():
    ledger = ProcessInfo(1, "ledger", "ledger", None, "running", 3, 1.0, 42, 5, 7, 100, 2, busy_s=0.5)
    run = ProcessInfo(2, "run task-1 1", None, 1, "running", 1, 1.0, 1, 0, 0, 0, 0)
    found = known(processes=(ledger, run))
    of = ("actor", "ledger")

    assert found[("symbiont_processes",)] == 2
    assert found["symbiont_actor_starts_total", of] == 3
    assert found["symbiont_actor_mailbox_depth", of] == 5
    assert found["symbiont_actor_mailbox_refused_total", of] == 2
    assert found["symbiont_actor_messages_total", of] == 42
    assert found["symbiont_actor_busy_seconds_total", of] == 0.5
    assert not any("run task-1" in str(key) for key in found)


def test_the_last_heartbeat_and_the_damage_are_told():
    found = known(pulse=Pulse(1_000.0, is_healthy=False, disk_free_bytes=7), damaged_journals=2)

    assert found[("symbiont_heartbeat_timestamp_seconds",)] == 1_000.0
    assert found[("symbiont_heartbeat_healthy",)] == 0.0
    assert found[("symbiont_disk_free_bytes",)] == 7
    assert found[("symbiont_damaged_journals",)] == 2


@pytest.mark.parametrize("part", ["symbiont_calls", "symbiont_tasks", "symbiont_heartbeat", "symbiont_limit"])
def test_what_nobody_knows_is_left_out(part):
    assert [key for key in known() if key[0].startswith(part)] == []


def test_a_name_may_hold_what_the_format_uses_for_itself():
    odd = 'a"b\\c\nd{}'
    found = known(totals=totals(entry(node=odd)))

    assert found["symbiont_node_calls_total", ("node", odd)] == 1
