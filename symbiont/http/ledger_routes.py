"""The rows of the route table about money: the ledger and the budgets."""

from typing import get_args

from symbiont.domain.ledger_query import DIMENSIONS, Kind
from symbiont.domain.task import Billing
from symbiont.http import ledger_parse, parse
from symbiont.http.encode import View
from symbiont.http.route import LIMIT, Asked, Desk, Param, Route
from symbiont.service import ledger_views, views


async def show_ledger(desk: Desk, asked: Asked) -> View:
    limit, wanted = parse.limit(asked.params), ledger_parse.ledger_filter(asked.params)
    return await (desk.service.ledger(limit) if wanted.is_open else desk.service.search_ledger(wanted, limit))


async def show_ledger_stats(desk: Desk, asked: Asked) -> View:
    by, wanted = ledger_parse.dimension(asked.params), ledger_parse.ledger_filter(asked.params)
    if by is not None:
        return await desk.service.ledger_table(by, wanted)
    return await (desk.service.ledger_stats() if wanted.is_open else desk.service.search_stats(wanted))


async def import_ledger(desk: Desk, asked: Asked) -> View:
    entries, dry_run = ledger_parse.entries(asked.fields)
    return await desk.service.import_ledger(entries, dry_run=dry_run)


async def show_budgets(desk: Desk, _asked: Asked) -> View:
    return await desk.service.budgets()


def _text(name: str, about: str) -> Param:
    return Param(name, about, {"type": "string"})


def _word(name: str, about: str, words: tuple[str, ...]) -> Param:
    return Param(name, about, {"type": "string", "enum": list(words)})


_MOMENT = "a day (its beginning, UTC) or an RFC 3339 timestamp."
_FILTER = (
    _text("since", f"Only calls at or after this moment: {_MOMENT}"),
    _text("until", f"Only calls before this moment: {_MOMENT}"),
    _text("model", "Only calls with this model alias."),
    _text("tier", "Only calls of this tier."),
    _text("worker", "Only calls by this worker."),
    _text("node", "Only calls on this node."),
    _text("project", "Only calls for this project; empty: for none."),
    _word("kind", "Only calls of this kind.", get_args(Kind)),
    _word("billing", "Only calls billed like this.", get_args(Billing)),
    _word("success", "Only calls that succeeded, or that did not.", ("true", "false")),
    _text("error", "Only calls that ended with this code."),
    _text("task", "Only calls of the task with this id."),
)
_BY = _word("by", "List calls, money and tokens by this instead of by model and by day.", DIMENSIONS)

LEDGER_ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/ledger", show_ledger, "The newest lines of the ledger that match",
        (views.LedgerPage,), params=(LIMIT, *_FILTER), codes=("STORAGE_REFUSED", "DATA_CORRUPT"),
    ),
    Route(
        "GET", "/ledger/stats", show_ledger_stats, "Calls and money by model and by day, or by what is asked for",
        (views.LedgerStats, ledger_views.LedgerTable), params=(_BY, *_FILTER), codes=("STORAGE_REFUSED", "DATA_CORRUPT"),
    ),
    Route(
        "POST", "/ledger/import", import_ledger, "Take in lines of another ledger, at their own dates, each once",
        (ledger_views.LedgerImported,), ledger_parse.ImportBody, codes=("STORAGE_REFUSED", "DATA_CORRUPT"),
    ),
    Route("GET", "/budgets", show_budgets, "What every budget has used, reserved and left", (ledger_views.BudgetList,)),
)  # fmt: skip
