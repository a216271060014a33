"""A tier: a class of models of one price and ability. Which tiers there are is data (`config/`), not code."""

from collections.abc import Sequence

import msgspec


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the tier table, cheapest first by `rank` (1 = cheapest, unique).

    `model` is what the worker is asked for (an alias such as `haiku`, or a full id); `price_model` is the row of the
    price table used for estimates; `planning_cost_usd` a rough cost per call; `context_tokens` what fits in.
    `suits` tells the classifier what the tier is for.
    """

    name: str
    rank: int
    model: str
    price_model: str
    suits: str
    planning_cost_usd: float = 0.0
    context_tokens: int = 200_000


class TierTable(msgspec.Struct, frozen=True):
    """All tiers, sorted by rank. Names and ranks are unique (the configuration checks it)."""

    tiers: tuple[Tier, ...]

    @classmethod
    def of(cls, tiers: Sequence[Tier]) -> "TierTable":
        return cls(tuple(sorted(tiers, key=lambda tier: tier.rank)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(tier.name for tier in self.tiers)

    def get(self, name: str) -> Tier | None:
        return next((tier for tier in self.tiers if tier.name == name), None)

    def __getitem__(self, name: str) -> Tier:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def from_rank(self, rank: int) -> Tier | None:
        return next((tier for tier in self.tiers if tier.rank == rank), None)

    def at_or_above(self, name: str) -> tuple[Tier, ...]:
        """This tier and the dearer ones, cheapest first: the candidates for a task that needs `name`."""
        floor = self[name].rank
        return tuple(tier for tier in self.tiers if tier.rank >= floor)

    def next_above(self, name: str) -> Tier | None:
        above = self.at_or_above(name)[1:]
        return above[0] if above else None
