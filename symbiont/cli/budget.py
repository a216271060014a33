"""`symbiont budget …`: what may still be spent."""

from collections.abc import Sequence

from cyclopts import App

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, Shared
from symbiont.cli.rendering import money
from symbiont.service import ledger_views

app = App(name="budget", help="See what may still be spent.", help_epilogue="")

COLUMNS = ("budget", "of", "state", "usd used", "reserved", "limit", "calls used", "reserved", "limit", "resets")


@app.command(name="list")
def list_budgets(*, options: Shared = DEFAULTS) -> None:
    """List every budget: what is used, reserved by calls under way, and when it begins anew."""
    client = connect(options)
    body = client.get("/budgets")
    found = client.decode(body, ledger_views.BudgetList)
    if options.json:
        output.show_json(body)
        return
    output.show_table(COLUMNS, [_row(use) for use in found.budgets])
    if not found.budgets:
        output.talk("no budget is configured: see [[budgets]] in symbiont.toml")


def _row(use: ledger_views.BudgetUse) -> Sequence[str]:
    limit_usd = "" if use.limit_usd is None else money(use.limit_usd)
    limit_calls = "" if use.limit_calls is None else str(use.limit_calls)
    of_usd = (money(use.used_usd), money(use.reserved_usd), limit_usd)
    of_calls = (str(use.used_calls), str(use.reserved_calls), limit_calls)
    return (use.name, use.subject, use.state, *of_usd, *of_calls, use.resets_at)
