"""What one may ask of the ledger, and the one thing one may tell it: lines that others have written."""

from collections.abc import Sequence

import msgspec

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.ledger import Import, ReadBudgets, ReadTotals
from symbiont.domain.budget import Use
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, encode
from symbiont.domain.ledger_query import EVERYTHING, Dimension, LedgerFilter, table_of
from symbiont.domain.moment import rfc3339
from symbiont.domain.price import usd
from symbiont.domain.totals import Tally, Totals
from symbiont.ports import LedgerReader
from symbiont.service import ledger_views, views
from symbiont.service.asking import ask, checked
from symbiont.service.shapes import ledger_stats, model_total

IMPORT_TIMEOUT_S = 30.0


class LedgerQueries:
    """`reader` knows every line; the actor knows what all of them come to."""

    def __init__(self, runtime: Runtime, reader: LedgerReader) -> None:
        self._runtime = runtime
        self._reader = reader

    async def ledger(self, limit: int) -> views.LedgerPage:
        return await self.search_ledger(EVERYTHING, limit)

    async def search_ledger(self, wanted: LedgerFilter, limit: int) -> views.LedgerPage:
        try:
            entries = await self._reader.newest(wanted, limit)
        except OSError as error:
            raise _unreadable(error) from error
        return page(entries)

    async def ledger_stats(self) -> views.LedgerStats:
        return await self.search_stats(EVERYTHING)

    async def search_stats(self, wanted: LedgerFilter) -> views.LedgerStats:
        return ledger_stats(await self._totals(wanted))

    async def ledger_table(self, by: Dimension, wanted: LedgerFilter) -> ledger_views.LedgerTable:
        return table(await self._totals(wanted), by, wanted)

    async def budgets(self) -> ledger_views.BudgetList:
        uses = await ask(self._runtime, names.LEDGER, ReadBudgets())
        return ledger_views.BudgetList(tuple(map(_budget_use, uses)))

    async def import_ledger(self, entries: Sequence[Entry], *, dry_run: bool) -> ledger_views.LedgerImported:
        """Lines that are there already are left out, also those that are given twice."""
        try:
            missing = await self._reader.missing(entries)
        except OSError as error:
            raise _unreadable(error) from error
        imported = len(missing)
        if missing and not dry_run:
            request = Import(tuple(missing))
            imported = checked(await ask(self._runtime, names.LEDGER, request, IMPORT_TIMEOUT_S)).count
        return ledger_views.LedgerImported(imported, len(entries) - imported, dry_run)

    async def _totals(self, wanted: LedgerFilter) -> Totals:
        if wanted.is_open:
            return await ask(self._runtime, names.LEDGER, ReadTotals())
        try:
            return await self._reader.totals(wanted)
        except OSError as error:
            raise _unreadable(error) from error


def page(entries: Sequence[Entry]) -> views.LedgerPage:
    return views.LedgerPage(tuple(msgspec.Raw(encode(entry)) for entry in entries), len(entries))


def table(totals: Totals, by: Dimension, wanted: LedgerFilter) -> ledger_views.LedgerTable:
    rows = tuple(_row(name, tally) for name, tally in table_of(totals, by).items())
    since, until = (None if moment is None else rfc3339(moment.timestamp()) for moment in (wanted.since, wanted.until))
    return ledger_views.LedgerTable(by, since, until, rows, _row("", totals.total), model_total(totals.rehearsal))


def _row(name: str, tally: Tally) -> ledger_views.TallyRow:
    return ledger_views.TallyRow(name, tally.calls, tally.cost_usd, tally.tokens, tally.unknown_calls)


def _budget_use(use: Use) -> ledger_views.BudgetUse:
    budget = use.budget
    return ledger_views.BudgetUse(
        name=budget.name,
        subject=use.subject,
        scope=budget.scope,
        period=use.period,
        state=use.state,
        on_limit=budget.on_limit,
        used_usd=usd(use.used.charged_nanos),
        reserved_usd=usd(use.reserved_nanos),
        limit_usd=budget.limit_usd,
        used_calls=use.used.calls,
        reserved_calls=use.reserved_calls,
        limit_calls=budget.limit_calls,
        resets_at=rfc3339(use.resets_at),
    )


def _unreadable(error: OSError) -> SymbiontError:
    message = f"expected the files of the ledger to be readable, got: {(error.strerror or str(error)).lower()}"
    return SymbiontError("STORAGE_REFUSED", message, hint="symbiont ledger verify")
