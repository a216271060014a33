"""`symbiont queue …`: the tasks that wait."""

from typing import Annotated

from cyclopts import App, Parameter

from symbiont.cli.options import DEFAULTS, Shared
from symbiont.cli.task import show_tasks
from symbiont.domain.task import Status

app = App(name="queue", help="See what waits, and what for.", help_epilogue="")


@app.command(name="list")
def list_queue(
    *,
    status: Annotated[Status, Parameter(help="State of the tasks to list.")] = Status.PENDING,
    limit: Annotated[int, Parameter(help="How many of the newest.")] = 50,
    options: Shared = DEFAULTS,
) -> None:
    """List the tasks that wait, newest last."""
    show_tasks(options, status, limit)
