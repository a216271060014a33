"""`symbiont queue …`: the tasks that wait."""

from typing import Annotated

from cyclopts import App, Parameter

from symbiont.cli.options import DEFAULTS, FLAG, WATCH, Shared
from symbiont.cli.task import show_tasks
from symbiont.cli.watching import watched
from symbiont.domain.task import Status

app = App(name="queue", help="See what waits, and what for.", help_epilogue="")
app.command("symbiont.cli.journals:repair_queue", name="repair", help="Mend a damaged queue, the server stopped.")


@app.command(name="list")
def list_queue(
    *,
    status: Annotated[Status, Parameter(help="State of the tasks to list.")] = Status.PENDING,
    limit: Annotated[int, Parameter(help="How many of the newest.")] = 50,
    watch: Annotated[bool, FLAG, WATCH] = False,
    options: Shared = DEFAULTS,
) -> None:
    """List the tasks that wait, newest last."""
    if watch:
        watched(lambda: show_tasks(options, status, limit))
    show_tasks(options, status, limit)
