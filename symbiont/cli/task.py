"""`symbiont task …`: submit, look at, wait for, cancel, retry and prune tasks."""

from typing import Annotated

from cyclopts import App, Parameter

from symbiont.cli import output, prompt, rendering, submit, task_bulk
from symbiont.cli.client import connect
from symbiont.cli.identity import with_task
from symbiont.cli.options import DEFAULTS, FLAG, Options, Shared, checked_timeout
from symbiont.cli.waiting import Patience, path_of, until_done
from symbiont.domain.bulk import Verb
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import moment_of
from symbiont.domain.task import NewTask, Priority, Source, Status
from symbiont.service import views

app = App(name="task", help="Submit, look at, wait for, cancel, retry and prune tasks.", help_epilogue="")

Id = Annotated[str, Parameter(name="ID", help="Id of the task, or a beginning of it that no other task has.")]
OneId = Annotated[str | None, Parameter(name="ID", help="Id of the task, or a beginning of it that no other task has.")]
Ids = Annotated[str, Parameter(name="ID", help="Whole ids of tasks.")]
Chosen = Annotated[task_bulk.Filter, Parameter(name="*")]
Timeout = Annotated[float | None, Parameter(help="Seconds to wait; then exit 8 while the task goes on.")]

_SUBMIT_EXAMPLES = """\
Examples:
  symbiont task submit "Classify this feedback: …"
  symbiont task submit --file report.md --tier sonnet > answer.md
  git diff | symbiont task submit - --project review
  symbiont task submit "Draft the plan" --detach
  symbiont task submit "Draft the plan" --dry-run"""


@app.command(name="submit", help_epilogue=_SUBMIT_EXAMPLES)
def submit_task(
    text: Annotated[str | None, Parameter(name="TEXT", allow_leading_hyphen=True)] = None,
    /,
    *,
    file: Annotated[str | None, Parameter(name=("--file", "-f"), allow_leading_hyphen=True)] = None,
    tier: str | None = None,
    priority: Priority = Priority.NORMAL,
    project: str = "",
    idempotency_key: str = "",
    run_at: str | None = None,
    delay: float | None = None,
    webhook_url: str = "",
    detach: Annotated[bool, Parameter(negative="--wait", show_default=False)] = False,
    timeout: Timeout = None,
    dry_run: Annotated[bool, FLAG] = False,
    local: Annotated[bool, FLAG] = False,
    options: Shared = DEFAULTS,
) -> None:
    """Run a task and print its answer.

    The answer alone goes to stdout; tier, tokens, cost and time go to stderr.

    Args:
        text: The task; `-` reads it from standard input.
        file: Read the task from this file; `-` is standard input.
        tier: Use this tier (haiku, sonnet, opus) instead of having the task classified.
        priority: How urgent the task is among those that wait.
        project: Name to book the cost under.
        idempotency_key: Sent again with the same key, the same task is not run again but answered from the first. Counts within its project.
        run_at: Moment before which it is not to run, such as 2026-03-19T14:33:12Z.
        delay: Seconds before which it is not to run.
        webhook_url: Address that is told of its end, where the configuration allows it.
        detach: Put the task into the queue and print its id; `--wait`, the default, prints the answer.
        dry_run: Tell which tier would run it and about what it would cost; run nothing.
        local: Run it in this process, without a server.
        timeout: Seconds to wait; then exit 8 while the task goes on.
        options: Flags that commands share.
    """
    timeout_s = checked_timeout(timeout)
    _refuse_contradictions(detach=detach, local=local, dry_run=dry_run, timeout_s=timeout_s, url=options.url)
    source: Source = "queued" if detach else "direct"
    new = NewTask(
        task=prompt.read(text, file),
        source=source,
        force_tier=tier,
        priority=priority,
        project=project,
        webhook_url=webhook_url,
        key=idempotency_key,
        run_at=None if run_at is None else moment_of("--run-at", run_at),
        delay_s=delay,
    )
    with submit.flags_named():
        if dry_run:
            submit.estimate(options, new, in_process=local)
        elif local:
            submit.in_process(options, new)
        elif detach:
            submit.and_leave(options, new)
        else:
            submit.and_wait(options, new, timeout_s)


def _refuse_contradictions(
    *, detach: bool, local: bool, dry_run: bool, timeout_s: float | None, url: str | None
) -> None:
    if detach and (local or dry_run or timeout_s is not None):
        raise SymbiontError("BAD_VALUE", "expected --detach without --local, --dry-run and --timeout, got: both")
    if local and timeout_s is not None:
        raise SymbiontError(
            "BAD_VALUE", "expected --timeout without --local, got: both", hint="dispatch.timeout_s in symbiont.toml"
        )
    if local and url is not None:
        raise SymbiontError(
            "BAD_VALUE", "expected --local without --url, got: both", hint="symbiont task submit --help"
        )


@app.command
def show(task_id: Id, /, *, options: Shared = DEFAULTS) -> None:
    """Show everything known about a task."""
    client = connect(options)
    body = with_task(client, task_id, lambda whole: client.get(path_of(whole)))
    task = client.decode(body, views.TaskView)
    if options.json:
        output.show_json(body)
    else:
        output.show_record(rendering.task_record(task))


@app.command(name="list")
def list_tasks(
    *,
    status: Annotated[Status | None, Parameter(help="Only tasks in this state.")] = None,
    limit: Annotated[int, Parameter(help="How many of the newest.")] = 50,
    options: Shared = DEFAULTS,
) -> None:
    """List tasks, newest last."""
    show_tasks(options, status, limit)


@app.command
def wait(task_id: Id, /, *, timeout: Timeout = None, options: Shared = DEFAULTS) -> None:
    """Wait until a task is done and print its answer."""
    client, patience = connect(options), Patience(checked_timeout(timeout))
    body = with_task(client, task_id, lambda whole: until_done(client, whole, patience))
    submit.show_answer(body, as_json=options.json)


@app.command
def cancel(task_id: OneId = None, /, *, chosen: Chosen = task_bulk.NOTHING, options: Shared = DEFAULTS) -> None:
    """Stop a task that waits or runs, or all tasks of a filter."""
    _change(options, task_id, "cancel", chosen)


@app.command
def retry(task_id: OneId = None, /, *, chosen: Chosen = task_bulk.NOTHING, options: Shared = DEFAULTS) -> None:
    """Give a failed or cancelled task another chance, or all tasks of a filter."""
    _change(options, task_id, "retry", chosen)


@app.command
def prune(*ids: Ids, chosen: Chosen = task_bulk.NOTHING, options: Shared = DEFAULTS) -> None:
    """Forget ended tasks and their results."""
    task_bulk.apply(options, "prune", chosen, ids)


def show_tasks(options: Options, status: Status | None, limit: int) -> None:
    """Print a page of tasks, newest last; a page that is not everything says so."""
    client = connect(options)
    body = client.get("/queue", {"status": status, "limit": limit})
    page = client.decode(body, views.TaskList)
    if options.json:
        output.show_json(body)
        return
    output.show_table(rendering.TASK_COLUMNS, [rendering.task_row(task) for task in page.tasks])
    if page.count < page.total:
        output.talk(f"the newest {page.count} of {page.total}; more with --limit")


def _change(options: Options, task_id: str | None, verb: Verb, chosen: task_bulk.Filter) -> None:
    if task_id is None:
        return task_bulk.apply(options, verb, chosen)
    if chosen.is_given:
        raise SymbiontError("BAD_VALUE", "expected ID or a filter, got: both", hint=f"symbiont task {verb} --help")
    client = connect(options)
    body = with_task(client, task_id, lambda whole: client.post(f"/queue{path_of(whole).removeprefix('/task')}/{verb}"))
    changed = client.decode(body, views.TaskChanged)
    if options.json:
        output.show_json(body)
    else:
        output.show_record([("id", changed.id), ("status", changed.status)])
    return None
