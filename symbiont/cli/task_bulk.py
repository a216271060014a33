"""Commands for many tasks at once: which are meant is said by filter, and `--dry-run` tells without doing."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from symbiont.cli import output, rendering
from symbiont.cli.client import Client, connect
from symbiont.cli.options import FLAG, Options
from symbiont.cli.waiting import path_of
from symbiont.domain.bulk import Verb
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Priority, Status
from symbiont.service import queue_views, views

_DONE: dict[Verb, str] = {"retry": "sent round again", "cancel": "cancelled", "prune": "pruned"}


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which tasks are meant; all that is given must hold."""

    status: Annotated[Status | None, Parameter(group="Filter", help="Only tasks in this state.")] = None
    project: Annotated[str | None, Parameter(group="Filter", help="Only tasks of this project.")] = None
    code: Annotated[str | None, Parameter(group="Filter", help="Only tasks that failed with this code.")] = None
    since: Annotated[str | None, Parameter(group="Filter", help="Only tasks created then or later (RFC 3339).")] = None
    until: Annotated[str | None, Parameter(group="Filter", help="Only tasks created before then (RFC 3339).")] = None
    priority: Annotated[Priority | None, Parameter(group="Filter", help="Only tasks of this priority.")] = None
    all: Annotated[bool, FLAG, Parameter(group="Filter", help="All tasks whose state allows it.")] = False
    dry_run: Annotated[bool, FLAG, Parameter(group="Filter", help="Tell which tasks are meant; change none.")] = False

    @property
    def is_given(self) -> bool:
        return self != Filter()

    @property
    def narrows(self) -> bool:
        """Whether a task that is named may be left out for what it is."""
        return replace(self, all=False, dry_run=False).is_given


NOTHING = Filter()


def apply(options: Options, verb: Verb, chosen: Filter, ids: tuple[str, ...] = ()) -> None:
    """Have the server apply a command to all tasks of a filter, and print which those are."""
    given = {key: value for key, value in asdict(chosen).items() if value is not None}
    if not (chosen.all or ids or given.keys() - {"all", "dry_run"}):
        message = "expected ID or a filter, got: neither"
        raise SymbiontError("BAD_VALUE", message, hint=f"symbiont task {verb} --all --dry-run")
    client = connect(options)
    body = client.post(f"/tasks/{verb}", given | ({"ids": ids} if ids else {}))
    answer = client.decode(body, queue_views.BulkAnswer)
    if options.json:
        output.show_json(body)
    else:
        output.show_table(("id",), [(task_id,) for task_id in answer.ids])
        output.talk(_summary(verb, answer))
    if not chosen.narrows:
        for task_id in ids:
            if task_id not in answer.ids:
                raise _left_alone(client, task_id)


def _left_alone(client: Client, task_id: str) -> SymbiontError:
    """Why a task that was named is not among those that were changed. Raises `NOT_FOUND` if there is none."""
    task = client.decode(client.get(path_of(task_id)), views.TaskView)
    message = f"expected {task_id} to be done, failed or cancelled, got: {task.status}"
    return SymbiontError("CONFLICT", message, hint=f"symbiont task show {task_id}")


def _summary(verb: Verb, answer: queue_views.BulkAnswer) -> str:
    many = rendering.counted(answer.count, "task")
    said = f"{many} would be {_DONE[verb]}" if answer.dry_run else f"{many} {_DONE[verb]}"
    if answer.refused:
        said += f"; the disk refused {len(answer.refused)} of them"
    return said if answer.is_all else f"{said}; more match, so do it again"
