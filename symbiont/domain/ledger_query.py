"""Which lines of the ledger somebody asks for, and by what the totals are to be listed. Pure.

A moment is a day (`2026-03-19`: its beginning in UTC) or an RFC 3339 timestamp (UTC if it names no zone).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from symbiont.domain.ledger import Entry, utc
from symbiont.domain.task import Billing
from symbiont.domain.totals import Table, Totals

Dimension = Literal["model", "day", "hour", "month", "tier", "worker", "node", "project", "kind", "billing"]
Kind = Literal["task", "classify", "judge"]

DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

_TABLES: Final[dict[Dimension, Callable[[Totals], Table]]] = {
    "model": lambda totals: totals.by_model,
    "day": lambda totals: totals.by_date,
    "hour": lambda totals: totals.by_hour,
    "month": lambda totals: totals.by_month,
    "tier": lambda totals: totals.by_tier,
    "worker": lambda totals: totals.by_worker,
    "node": lambda totals: totals.by_node,
    "project": lambda totals: totals.by_project,
    "kind": lambda totals: totals.by_kind,
    "billing": lambda totals: totals.by_billing,
}


def table_of(totals: Totals, by: Dimension) -> Table:
    """The tallies of one dimension, sorted by its keys."""
    return dict(sorted(_TABLES[by](totals).items()))


class LedgerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that have all of what is given; None = any. `since` counts, `until` does not.

    `tier` is a line's tier or, where it has none, its model alias; `error` an outcome code; `task` a task's id.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    tier: str | None = None
    worker: str | None = None
    node: str | None = None
    project: str | None = None
    kind: Kind | None = None
    billing: Billing | None = None
    success: bool | None = None
    error: str | None = None
    task: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether every line has what is asked for."""
        return self == EVERYTHING

    def matches(self, entry: Entry) -> bool:
        return self._has_fields(entry) and ((self.since is None and self.until is None) or self._is_in_time(entry))

    def _has_fields(self, entry: Entry) -> bool:
        pairs = (
            (self.model, entry.model),
            (self.tier, entry.tier or entry.model),
            (self.worker, entry.worker),
            (self.node, entry.node),
            (self.project, entry.project),
            (self.kind, entry.kind),
            (self.billing, entry.billing),
            (self.success, entry.success),
            (self.error, entry.error_code),
            (self.task, entry.task_id),
        )
        return all(wanted is None or wanted == found for wanted, found in pairs)

    def _is_in_time(self, entry: Entry) -> bool:
        moment = utc(entry.timestamp)
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


EVERYTHING: Final = LedgerFilter()
