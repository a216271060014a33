"""`symbiont ledger …`: what was called and what it cost."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import App, Parameter

from symbiont.adapters.ledger_files import LedgerFiles
from symbiont.cli import output
from symbiont.cli.client import Client
from symbiont.cli.ledger_flags import NO_FILTER, SharedFilter, asked_or_read, encoded, filter_of, query_of
from symbiont.cli.options import DEFAULTS, Options, Shared
from symbiont.cli.rendering import money
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode
from symbiont.domain.ledger_query import Dimension
from symbiont.service import ledger_views, views

app = App(name="ledger", help="See what was called and what it cost.", help_epilogue="")
app.command("symbiont.cli.ledger_export:export", name="export", help="Write the calls as CSV or JSON lines.")
app.command("symbiont.cli.ledger_import:import_file", name="import", help="Take in the calls of another ledger.")
app.command("symbiont.cli.journals:verify", name="verify", help="Check the chain from the first line to the last.")
app.command("symbiont.cli.journals:repair_ledger", name="repair", help="Mend a damaged ledger, the server stopped.")
app.command("symbiont.cli.ledger_reprice:reprice", name="reprice", help="See what calls would cost by other prices.")

COLUMNS = ("time", "model", "result", "seconds", "tokens in", "tokens out", "usd", "billing", "task", "prompt")
TALLY_COLUMNS = ("name", "calls", "usd", "tokens")


@app.command(name="list")
def list_entries(
    *,
    limit: Annotated[int, Parameter(help="How many of the newest.")] = 50,
    only: SharedFilter = NO_FILTER,
    options: Shared = DEFAULTS,
) -> None:
    """List the newest model calls that match, newest last."""
    wanted = filter_of(only)

    def ask(client: Client) -> tuple[bytes, views.LedgerPage]:
        body = client.get("/ledger", {"limit": limit, **query_of(only)})
        return body, client.decode(body, views.LedgerPage)

    def read(files: LedgerFiles) -> tuple[bytes, views.LedgerPage]:
        from symbiont.service.ledger_queries import page  # noqa: PLC0415 - brings in the actors

        if limit < 1:
            raise SymbiontError("BAD_VALUE", f"expected --limit to be an integer >= 1, got: {limit}")
        found = page(files.newest_now(wanted, limit))
        return encoded(found), found

    body, found = asked_or_read(options, ask, read)
    if options.json:
        output.show_json(body)
    else:
        output.show_table(COLUMNS, [_row(decode(bytes(entry))) for entry in found.entries])


@app.command
def stats(
    *,
    by: Annotated[Dimension | None, Parameter(help="List the sums by this.")] = None,
    only: SharedFilter = NO_FILTER,
    options: Shared = DEFAULTS,
) -> None:
    """Show what was spent: in all, by model and by day, or by what is asked for."""
    if by is None:
        _show_classic(options, only)
    else:
        _show_table(options, only, by)


def _show_classic(options: Options, only: SharedFilter) -> None:
    wanted = filter_of(only)

    def ask(client: Client) -> tuple[bytes, views.LedgerStats]:
        body = client.get("/ledger/stats", query_of(only))
        return body, client.decode(body, views.LedgerStats)

    def read(files: LedgerFiles) -> tuple[bytes, views.LedgerStats]:
        from symbiont.service.shapes import ledger_stats  # noqa: PLC0415 - brings in the actors

        found = ledger_stats(files.totals_now(wanted))
        return encoded(found), found

    body, totals = asked_or_read(options, ask, read)
    if options.json:
        output.show_json(body)
        return
    output.show_table(("of", "name", "calls", "usd"), _stats_rows(totals))
    _talk_about_unknown(totals.unknown_cost_calls)


def _show_table(options: Options, only: SharedFilter, by: Dimension) -> None:
    wanted = filter_of(only)

    def ask(client: Client) -> tuple[bytes, ledger_views.LedgerTable]:
        body = client.get("/ledger/stats", {"by": by, **query_of(only)})
        return body, client.decode(body, ledger_views.LedgerTable)

    def read(files: LedgerFiles) -> tuple[bytes, ledger_views.LedgerTable]:
        from symbiont.service.ledger_queries import table  # noqa: PLC0415 - brings in the actors

        found = table(files.totals_now(wanted), by, wanted)
        return encoded(found), found

    body, found = asked_or_read(options, ask, read)
    if options.json:
        output.show_json(body)
        return
    output.show_table((by, *TALLY_COLUMNS[1:]), [_tally_row(row) for row in found.rows])
    _talk_about_unknown(found.total.unknown_cost_calls)


def _talk_about_unknown(calls: int) -> None:
    if calls:
        output.talk(f"{calls} interrupted calls are not in these sums: what they cost is unknown")


def _tally_row(row: ledger_views.TallyRow) -> Sequence[str]:
    return (row.name, str(row.calls), money(row.cost), str(row.tokens))


def _row(entry: Entry) -> Sequence[str]:
    result = "ok" if entry.success else entry.error_code or "failed"
    cost = "unknown" if entry.estimated_cost_usd is None else money(entry.estimated_cost_usd)
    figures = (f"{entry.elapsed_seconds:.1f}", str(entry.input_tokens), str(entry.output_tokens), cost)
    return (entry.timestamp, entry.model, result, *figures, entry.billing, entry.task_id, entry.prompt_preview)


def _stats_rows(stats: views.LedgerStats) -> Sequence[Sequence[str]]:
    rows = [("all", "", str(stats.total_calls), money(stats.total_cost_estimated_usd))]
    rows += _part("model", stats.by_model)
    rows += _part("date", dict(sorted(stats.by_date.items())))
    return [*rows, *_part("rehearsal", {"": stats.rehearsal})] if stats.rehearsal.calls else rows


def _part(of: str, totals: Mapping[str, views.ModelTotal]) -> list[tuple[str, str, str, str]]:
    return [(of, name, str(total.calls), money(total.cost)) for name, total in totals.items()]
