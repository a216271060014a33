"""What Prometheus reads at `/metrics`: the figures of one moment, in its text format.

Guarantees: calls, money and tokens are those of the one fold of the ledger, so they agree with `/status`, `/ledger/stats` and the
budgets; what nobody could be asked is left out, and never shown as 0; labels are what the configuration and the code name, and for
budgets of projects the `MOST_SUBJECTS` that have used the most, but never a task. Nothing is counted here, so nothing is lost by a restart but
what belongs to one life (mailboxes, messages, time). Asks nobody: `service.metrics` does.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from supervisors.introspect import ProcessInfo
from symbiont.domain.budget import Use
from symbiont.domain.lanes import Closed
from symbiont.domain.price import usd
from symbiont.domain.standing import Counts
from symbiont.domain.totals import Totals

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

MOST_SUBJECTS: Final = 200
"""Of budgets: whoever submits tasks names projects."""

Family = CounterMetricFamily | GaugeMetricFamily | InfoMetricFamily


class Pulse(msgspec.Struct, frozen=True):
    """The last heartbeat: when (epoch seconds), what it found."""

    at: float
    is_healthy: bool
    disk_free_bytes: int


class Reading(msgspec.Struct, frozen=True):
    """What is known at a moment; None: nobody answered. `limits` are those in force."""

    version: str
    uptime_s: float
    damaged_journals: int
    processes: tuple[ProcessInfo, ...]
    totals: Totals | None
    counts: Counts | None
    budgets: tuple[Use, ...] | None
    limits: tuple[Closed, ...] | None
    pulse: Pulse | None


def exposition(reading: Reading) -> bytes:
    """The text, of `CONTENT_TYPE`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(reading))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Family]:
        reading = self._reading
        yield InfoMetricFamily("symbiont", "What runs.", {"version": reading.version})
        yield _gauge("symbiont_uptime_seconds", "How long it has been up.", reading.uptime_s)
        yield _gauge("symbiont_damaged_journals", "Files that are damaged and take nothing.", reading.damaged_journals)
        if reading.totals is not None:
            yield from _spent(reading.totals)
        if reading.counts is not None:
            tasks = msgspec.structs.asdict(reading.counts).items()
            yield _gauges("symbiont_tasks", "Tasks by state.", ["status"], [((state,), n) for state, n in tasks])
        yield from _budgets(reading.budgets or ())
        yield from _limits(reading.limits)
        if reading.pulse is not None:
            yield from _pulse(reading.pulse)
        yield from _actors(reading.processes)


def _spent(totals: Totals) -> Iterator[Family]:
    whole = totals.total
    yield _counter("symbiont_calls", "Calls of models, rehearsals left out.", whole.calls)
    yield _counter("symbiont_calls_of_unknown_cost", "Calls whose cost nobody knows.", whole.unknown_calls)
    yield _counter("symbiont_cost_usd", "What calls cost, as far as it is known.", whole.cost_usd)
    yield _counter("symbiont_tokens", "Input, output and both caches.", whole.tokens)
    yield _counter("symbiont_rehearsals", "Calls that were rehearsed.", totals.rehearsal.calls)
    for by, table in {
        "tier": totals.by_tier,
        "worker": totals.by_worker,
        "node": totals.by_node,
        "kind": totals.by_kind,
        "billing": totals.by_billing,
    }.items():
        calls = CounterMetricFamily(f"symbiont_{by}_calls", f"Calls of models by {by}.", labels=[by])
        cost = CounterMetricFamily(f"symbiont_{by}_cost_usd", f"What they cost by {by}.", labels=[by])
        for name, tally in sorted(table.items()):
            calls.add_metric([name], tally.calls)
            cost.add_metric([name], tally.cost_usd)
        yield from (calls, cost)


def _budgets(uses: Iterable[Use]) -> Iterator[Family]:
    """Used by calls that are over, reserved by those under way."""
    labels = ["budget", "subject"]
    ratio = GaugeMetricFamily(
        "symbiont_budget_used_ratio", "Of the nearer limit of the period, 1 = all.", labels=labels
    )
    used = GaugeMetricFamily("symbiont_budget_used_usd", "Charged in the period.", labels=labels)
    reserved = GaugeMetricFamily(
        "symbiont_budget_reserved_usd", "The most that calls under way may cost.", labels=labels
    )
    calls = GaugeMetricFamily("symbiont_budget_used_calls", "Calls in the period.", labels=labels)
    for use in sorted(uses, key=lambda use: use.share, reverse=True)[:MOST_SUBJECTS]:
        of = [use.budget.name, use.subject]
        ratio.add_metric(of, use.share)
        used.add_metric(of, usd(use.used.charged_nanos))
        reserved.add_metric(of, usd(use.reserved_nanos))
        calls.add_metric(of, use.used.calls)
    yield from (ratio, used, reserved, calls)


def _limits(limits: Iterable[Closed] | None) -> Iterator[Family]:
    if limits is not None:
        ends = [((limit.worker, limit.tier, limit.limit), limit.opens_at) for limit in limits]
        about = "When a limit in force ends; an empty tier is all of the worker."
        yield _gauges("symbiont_limit_ends_timestamp_seconds", about, ["worker", "tier", "limit"], ends)


def _pulse(pulse: Pulse) -> Iterator[Family]:
    yield _gauge("symbiont_heartbeat_timestamp_seconds", "When the last heartbeat was.", pulse.at)
    yield _gauge("symbiont_heartbeat_healthy", "Whether it found all well.", float(pulse.is_healthy))
    yield _gauge("symbiont_disk_free_bytes", "What it found free on the disk.", pulse.disk_free_bytes)


def _actors(processes: Iterable[ProcessInfo]) -> Iterator[Family]:
    """Only of those that have a name: the others come and go."""
    everybody = tuple(processes)
    named = [(info.name, info) for info in everybody if info.name is not None]
    yield _gauge("symbiont_processes", "Living processes, runs of tasks among them.", len(everybody))
    starts = CounterMetricFamily("symbiont_actor_starts", "How often it was started.", labels=["actor"])
    depth = GaugeMetricFamily("symbiont_actor_mailbox_depth", "Messages that wait.", labels=["actor"])
    refused = CounterMetricFamily(
        "symbiont_actor_mailbox_refused", "Messages its mailbox had no room for.", labels=["actor"]
    )
    messages = CounterMetricFamily("symbiont_actor_messages", "Messages worked on in this life.", labels=["actor"])
    busy = CounterMetricFamily(
        "symbiont_actor_busy_seconds", "Time the loop has spent on it in this life.", labels=["actor"]
    )
    for name, info in named:
        starts.add_metric([name], info.incarnation)
        depth.add_metric([name], info.queued)
        refused.add_metric([name], info.refused)
        messages.add_metric([name], info.reductions)
        busy.add_metric([name], info.busy_s)
    yield from (starts, depth, refused, messages, busy)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value)


def _gauges(
    name: str, about: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _counter(name: str, about: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, value)
