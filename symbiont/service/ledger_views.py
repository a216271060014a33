"""What leaves the process about money: tallies by one dimension, budgets, an import. Rules as in `views.py`."""

import msgspec

from symbiont.service.views import ModelTotal


class TallyRow(msgspec.Struct, frozen=True):
    """Calls, their known cost in USD, their tokens of all kinds, and how many of the calls have no known cost."""

    name: str
    calls: int
    cost: float
    tokens: int
    unknown_cost_calls: int


class LedgerTable(msgspec.Struct, frozen=True):
    """`GET /ledger/stats?by=`: one row a key, sorted by it. Rehearsal counts in `rehearsal` alone.

    By `hour` there are the newest 62 days that have calls, at most. `since` counts, `until` does not (None: open).
    """

    by: str
    since: str | None
    until: str | None
    rows: tuple[TallyRow, ...]
    total: TallyRow
    rehearsal: ModelTotal


class LedgerImported(msgspec.Struct, frozen=True):
    """`POST /ledger/import`: how many lines were taken in (with `dry_run`: would be), and how many were there already."""

    imported: int
    duplicates: int
    dry_run: bool


class BudgetUse(msgspec.Struct, frozen=True):
    """A budget, for one `subject` of it (a project or a tier; empty: everything), in the period that ends at `resets_at`.

    `used_usd` counts calls of unknown cost as the most they may have cost; `reserved_*` is what calls under way may come to.
    `state`: `open`, `alerted` (from `alert_at` on), `used_up` (until `resets_at`).
    """

    name: str
    subject: str
    scope: str
    period: str
    state: str
    on_limit: str
    used_usd: float
    reserved_usd: float
    limit_usd: float | None
    used_calls: int
    reserved_calls: int
    limit_calls: int | None
    resets_at: str


class BudgetList(msgspec.Struct, frozen=True):
    """`GET /budgets`: all of them, each subject by itself. Empty if no budget is configured."""

    budgets: tuple[BudgetUse, ...]


class RepricedRow(msgspec.Struct, frozen=True):
    """What calls cost by the ledger and by another price table, in USD, and the second less the first."""

    name: str
    calls: int
    recorded_usd: float
    repriced_usd: float
    difference_usd: float


class NotRepriced(msgspec.Struct, frozen=True):
    """A call that cannot be compared, and why."""

    timestamp: str
    task_id: str
    attempt: int
    kind: str
    model: str
    reason: str


class Repriced(msgspec.Struct, frozen=True):
    """`symbiont ledger reprice`: one row a key of `by`. Calls in `unknown` (at most 1,000 of `unknown_calls`) are in no row."""

    price_table: str
    by: str
    since: str | None
    until: str | None
    rows: tuple[RepricedRow, ...]
    total: RepricedRow
    unknown_calls: int
    unknown: tuple[NotRepriced, ...]
