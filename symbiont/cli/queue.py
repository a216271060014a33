"""`symbiont queue …`: the tasks that wait, and whether anything is taken at all."""

from typing import Annotated

from cyclopts import App, Parameter

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, FLAG, WATCH, Options, Shared, checked_timeout
from symbiont.cli.submit import GRACE_S
from symbiont.cli.task import show_tasks
from symbiont.cli.watching import watched
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Status
from symbiont.service import queue_views

app = App(name="queue", help="See what waits, and what for; pause, resume and drain.", help_epilogue="")
app.command("symbiont.cli.journals:repair_queue", name="repair", help="Mend a damaged queue, the server stopped.")

Project = Annotated[str | None, Parameter(help="Only this project; without it the whole queue.")]

_COLUMNS = ("project", "status", "since", "pending", "processing", "done", "failed", "cancelled")


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


@app.command(name="status")
def show_status(*, options: Shared = DEFAULTS) -> None:
    """Show whether the queue runs, and how many tasks each project has."""
    client = connect(options)
    body = client.get("/queue/status")
    status = client.decode(body, queue_views.QueueStatus)
    if options.json:
        output.show_json(body)
        return
    rows = [_row(status.queue, "(all)")]
    output.show_table(_COLUMNS, rows + [_row(one, one.project or "(none)") for one in status.projects])


@app.command
def pause(*, project: Project = None, options: Shared = DEFAULTS) -> None:
    """Take nothing new; what runs goes on."""
    _switch(options, "pause", project)


@app.command
def resume(*, project: Project = None, options: Shared = DEFAULTS) -> None:
    """Go on after a pause or a drain."""
    _switch(options, "resume", project)


@app.command
def drain(
    *,
    project: Project = None,
    timeout: Annotated[float | None, Parameter(help="Seconds to wait; then exit 8 while it goes on.")] = None,
    options: Shared = DEFAULTS,
) -> None:
    """Take nothing new and wait until what runs is through."""
    timeout_s = checked_timeout(timeout)
    state = _switch(options, "drain", project, 900.0 if timeout_s is None else timeout_s)
    if state.state != "drained":
        message = f"expected the queue to be drained in time, got: {state.processing} still running; they go on"
        raise SymbiontError("STILL_PENDING", message, hint="symbiont queue status")


def _switch(options: Options, verb: str, project: str | None, wait_s: float | None = None) -> queue_views.QueueState:
    client = connect(options)
    query = {} if wait_s is None else {"wait_s": f"{wait_s:.3f}"}
    fields = {} if project is None else {"project": project}
    timeout_s = 60.0 if wait_s is None else wait_s + GRACE_S
    body = client.post(f"/queue/{verb}", fields, query=query, timeout_s=timeout_s)
    state = client.decode(body, queue_views.QueueState)
    if options.json:
        output.show_json(body)
    else:
        output.show_record(list(zip(_COLUMNS, _row(state, project or "(all)"), strict=True)))
    return state


def _row(state: queue_views.QueueState, name: str) -> tuple[str, ...]:
    numbers = (state.pending, state.processing, state.done, state.failed, state.cancelled)
    return (name, state.state, state.since or "", *map(str, numbers))
