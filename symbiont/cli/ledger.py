"""`symbiont ledger …`: what was called and what it cost."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import App, Parameter

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, Shared
from symbiont.cli.rendering import money
from symbiont.domain.ledger import Entry, decode
from symbiont.service import views

app = App(name="ledger", help="See what was called and what it cost.", help_epilogue="")

COLUMNS = ("time", "model", "result", "seconds", "tokens in", "tokens out", "usd", "billing", "task", "prompt")


@app.command(name="list")
def list_entries(
    *, limit: Annotated[int, Parameter(help="How many of the newest.")] = 50, options: Shared = DEFAULTS
) -> None:
    """List the newest model calls, newest last."""
    client = connect(options)
    body = client.get("/ledger", {"limit": limit})
    page = client.decode(body, views.LedgerPage)
    if options.json:
        output.show_json(body)
    else:
        output.show_table(COLUMNS, [_row(decode(bytes(entry))) for entry in page.entries])


@app.command
def stats(*, options: Shared = DEFAULTS) -> None:
    """Show what was spent: in all, by model and by day."""
    client = connect(options)
    body = client.get("/ledger/stats")
    totals = client.decode(body, views.LedgerStats)
    if options.json:
        output.show_json(body)
        return
    output.show_table(("of", "name", "calls", "usd"), _stats_rows(totals))
    if totals.unknown_cost_calls:
        output.talk(f"{totals.unknown_cost_calls} interrupted calls are not in these sums: what they cost is unknown")


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
