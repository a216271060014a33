"""What recorded calls would have cost by another price table, side by side with what the ledger says. Changes nothing.

Guarantees: sums are exact; a call is compared only if both figures are known, any other is named. Rehearsal is left out.
The ledger does not tell the two lifetimes of cached prompts apart: all of it is priced at the 5 minute rate. Of a call that
touched several models it names one, by which all tokens are priced.
"""

from typing import Final

import msgspec

from symbiont.domain.ledger import Entry, utc_hour
from symbiont.domain.ledger_query import Dimension
from symbiont.domain.price import PriceTable, nanos
from symbiont.domain.tier import TierTable
from symbiont.domain.usage import Usage

NAMED_CALLS: Final = 1_000
"""How many calls that cannot be compared are named; all of them are counted."""


class Compared(msgspec.Struct, frozen=True):
    calls: int = 0
    recorded_nanos: int = 0
    repriced_nanos: int = 0

    def __add__(self, other: "Compared") -> "Compared":
        return Compared(
            self.calls + other.calls,
            self.recorded_nanos + other.recorded_nanos,
            self.repriced_nanos + other.repriced_nanos,
        )


class Unknown(msgspec.Struct, frozen=True):
    """A call that cannot be compared, and why."""

    timestamp: str
    task_id: str
    attempt: int
    kind: str
    model: str
    reason: str


class Repricing:
    """Takes in lines one by one; `rows` by the dimension asked for."""

    def __init__(self, prices: PriceTable, tiers: TierTable, by: Dimension) -> None:
        self._prices = prices
        self._tiers = tiers
        self._by: Dimension = by
        self.rows: dict[str, Compared] = {}
        self.unknown: list[Unknown] = []
        self.unknown_calls = 0

    @property
    def total(self) -> Compared:
        return sum(self.rows.values(), Compared())

    def add(self, entry: Entry) -> None:
        if entry.billing == "rehearsal":
            return
        model = self._model_of(entry)
        repriced = self._prices.cost_nanos(model, _usage(entry))
        if entry.estimated_cost_usd is None:
            self._leave_out(entry, "what it cost is unknown")
        elif repriced is None:
            self._leave_out(entry, f"{model or 'a model of no name'} has no price in table {self._prices.version}")
        else:
            key = _key(entry, self._by)
            compared = Compared(1, nanos(entry.estimated_cost_usd), repriced)
            self.rows[key] = self.rows.get(key, Compared()) + compared

    def _model_of(self, entry: Entry) -> str:
        """The model that answered; of a line that does not say, or that was priced like its tier, the tier's."""
        if entry.model_id and self._prices.row(entry.model_id) is not None:
            return entry.model_id
        tier = self._tiers.get(entry.tier or entry.model)
        is_like_tier = not entry.model_id or " as " in entry.price_table
        return tier.price_model if tier is not None and is_like_tier else entry.model_id or entry.model

    def _leave_out(self, entry: Entry, reason: str) -> None:
        self.unknown_calls += 1
        if len(self.unknown) < NAMED_CALLS:
            model = entry.model_id or entry.model
            self.unknown.append(Unknown(entry.timestamp, entry.task_id, entry.attempt, entry.kind, model, reason))


def _usage(entry: Entry) -> Usage:
    return Usage(
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cache_read_tokens=entry.cache_read_tokens,
        cache_write_5m_tokens=entry.cache_write_tokens,
    )


def _key(entry: Entry, by: Dimension) -> str:
    match by:
        case "hour":
            return utc_hour(entry.timestamp)
        case "day":
            return utc_hour(entry.timestamp)[: len("2026-03-19")]
        case "month":
            return utc_hour(entry.timestamp)[: len("2026-03")]
        case "tier":
            return entry.tier or entry.model
        case _:
            found: str = getattr(entry, by)
            return found
