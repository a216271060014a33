"""What the lines of a ledger come to: the one fold that status, statistics, budgets and metrics read.

Guarantees: exact (whole nano-USD), the same whatever the order of the lines and however they were split and joined. Days and
months are UTC. Memory goes by distinct keys, not by lines: the hours and the cross tables of a day are kept for the
`DETAIL_DAYS` newest days that have calls; older ones live on in `by_date` and in the tables of their month.
Does not read bytes: `ledger_fold.py` does, a million lines at a time.
"""

from typing import Any, Final

import msgspec

from symbiont.domain.ledger import Entry, utc_hour
from symbiont.domain.price import nanos, usd

DETAIL_DAYS: Final = 62
"""The current month and the one before it, whatever their length. Days with calls, not days of the calendar: one line dated
far ahead, by a clock that was wrong, takes the place of one day and not of all."""

_DAY, _MONTH = len("2026-03-19"), len("2026-03")


class Tally(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Calls, their cost in nano-USD as far as it is known, and their tokens (input, output and both caches).

    `unknown_calls` of the calls have no known cost; `bound_nanos` is the most that these were expected to cost.
    """

    calls: int = 0
    cost_nanos: int = 0
    tokens: int = 0
    unknown_calls: int = 0
    bound_nanos: int = 0

    @classmethod
    def of(cls, entry: Entry) -> "Tally":
        tokens = entry.input_tokens + entry.output_tokens + entry.cache_read_tokens + entry.cache_write_tokens
        calls = entry.calls
        if entry.estimated_cost_usd is None:
            return cls(calls, 0, tokens, calls, nanos(entry.bound_usd))
        return cls(calls, nanos(entry.estimated_cost_usd), tokens)

    @property
    def cost_usd(self) -> float:
        return usd(self.cost_nanos)

    @property
    def charged_nanos(self) -> int:
        """What a budget counts: a call of unknown cost as the most it was expected to cost."""
        return self.cost_nanos + self.bound_nanos

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.calls + other.calls,
            self.cost_nanos + other.cost_nanos,
            self.tokens + other.tokens,
            self.unknown_calls + other.unknown_calls,
            self.bound_nanos + other.bound_nanos,
        )


NOTHING: Final = Tally()

Table = dict[str, Tally]
CrossTable = dict[str, Table]


class Coordinates(msgspec.Struct, frozen=True, gc=False):
    """Where a call counts, besides its hour: the keys of the tables. `tier` is never empty."""

    model: str
    tier: str
    worker: str
    node: str
    project: str
    kind: str
    billing: str

    @classmethod
    def of(cls, entry: Entry) -> "Coordinates":
        tier = entry.tier or entry.model
        return cls(entry.model, tier, entry.worker, entry.node, entry.project, entry.kind, entry.billing)


def _table() -> Any:
    return msgspec.field(default_factory=dict[str, Any])


class Totals(msgspec.Struct):
    """The fold. `add` takes in one entry; `+` joins two folds into a new one that shares nothing with them.

    Rehearsal counts in `rehearsal` and nowhere else. `by_model` is keyed by the tier alias of a line, as it always was;
    lines without a tier count under that alias in `by_tier` too. Cross tables: period → tier or project → tally.
    """

    total: Tally = NOTHING
    rehearsal: Tally = NOTHING
    by_model: Table = _table()
    by_date: Table = _table()
    by_hour: Table = _table()
    by_tier: Table = _table()
    by_worker: Table = _table()
    by_node: Table = _table()
    by_project: Table = _table()
    by_kind: Table = _table()
    by_billing: Table = _table()
    by_month: Table = _table()
    by_date_and_tier: CrossTable = _table()
    by_date_and_project: CrossTable = _table()
    by_month_and_tier: CrossTable = _table()
    by_month_and_project: CrossTable = _table()

    @property
    def unknown_cost_calls(self) -> int:
        """Real calls without a known cost."""
        return self.total.unknown_calls

    def add(self, entry: Entry) -> None:
        hour, tally = utc_hour(entry.timestamp), Tally.of(entry)
        self.add_tally(hour[:_DAY], Coordinates.of(entry), tally)
        if entry.billing != "rehearsal":
            self.add_hour(hour, tally)

    def add_tally(self, day: str, at: Coordinates, tally: Tally) -> None:
        """Count calls of one day everywhere but in their hour, which is to follow."""
        if at.billing == "rehearsal":
            self.rehearsal += tally
            return
        self.total += tally
        month = day[:_MONTH]
        _count(self.by_model, at.model, tally)
        _count(self.by_date, day, tally)
        _count(self.by_tier, at.tier, tally)
        _count(self.by_worker, at.worker, tally)
        _count(self.by_node, at.node, tally)
        _count(self.by_project, at.project, tally)
        _count(self.by_kind, at.kind, tally)
        _count(self.by_billing, at.billing, tally)
        _count(self.by_month, month, tally)
        _count(self.by_month_and_tier.setdefault(month, {}), at.tier, tally)
        _count(self.by_month_and_project.setdefault(month, {}), at.project, tally)
        if self._is_detailed(day):
            _count(self.by_date_and_tier.setdefault(day, {}), at.tier, tally)
            _count(self.by_date_and_project.setdefault(day, {}), at.project, tally)
            self._forget_old_details()

    def add_hour(self, hour: str, tally: Tally) -> None:
        """Count calls in their hour, if it is recent enough to be kept."""
        if self._is_detailed(hour[:_DAY]):
            _count(self.by_hour, hour, tally)

    def _is_detailed(self, day: str) -> bool:
        kept = self.by_date_and_tier
        return day in kept or len(kept) < DETAIL_DAYS or day > min(kept)

    def _forget_old_details(self) -> None:
        while len(self.by_date_and_tier) > DETAIL_DAYS:
            oldest = min(self.by_date_and_tier)
            del self.by_date_and_tier[oldest], self.by_date_and_project[oldest]
            for hour in range(24):
                self.by_hour.pop(f"{oldest}T{hour:02}", None)

    def copy(self) -> "Totals":
        """A fold that shares nothing with this one; cheap enough for whoever asks how things stand."""
        return Totals(**{name: _copied(getattr(self, name)) for name in self.__struct_fields__})

    def __add__(self, other: "Totals") -> "Totals":
        joined = Totals(**{name: _joined(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__})
        joined._forget_old_details()
        return joined


def _count(table: Table, key: str, tally: Tally) -> None:
    seen = table.get(key)
    table[key] = tally if seen is None else seen + tally


def _copied(value: Any) -> Any:
    """Tallies are immutable, tables are not."""
    if isinstance(value, Tally):
        return value
    return {key: inner if isinstance(inner, Tally) else _copied(inner) for key, inner in value.items()}


def _joined(left: Any, right: Any) -> Any:
    """Tallies added; tables, and tables of tables, joined key by key."""
    if isinstance(left, Tally):
        return left + right
    keys = dict.fromkeys((*left, *right))
    return {key: _one_or_both(left.get(key), right.get(key)) for key in keys}


def _one_or_both(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return _copied(right if left is None else left)
    return _joined(left, right)
