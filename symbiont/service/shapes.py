"""From what actors know to what leaves the process. Pure."""

from collections.abc import Iterable

import msgspec

from symbiont.actors.heartbeat import Snapshot
from symbiont.domain.advice import bad_end
from symbiont.domain.lanes import Closed
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import Status, Task, attempts_made
from symbiont.domain.totals import Tally, Totals
from symbiont.service import views

LISTED_CHARS = 200
"""How much of a text a list shows: ten thousand tasks stay a few megabytes."""


def task_view(task: Task) -> views.TaskView:
    return views.TaskView(
        id=task.id,
        task=task.task,
        status=task.status.value,
        created_at=task.created_at,
        source=task.source,
        priority=task.priority.value,
        attempt=task.attempt,
        force_tier=task.force_tier,
        project=task.project,
        classification=task.classification,
        waiting_for=task.waiting_for,
        not_before=None if task.not_before is None else rfc3339(task.not_before),
        answer=task_answer(task),
        failure=task.failure,
        finished_at=task.finished_at,
        idempotency_key=task.key or None,
        run_at=None if task.run_at is None else rfc3339(task.run_at),
        rescues=task.rescues,
        story=task.story,
    )


def task_line(task: Task) -> views.TaskView:
    """A task as one of a list: of its texts, what fits on a line or two."""
    answer = task.answer and msgspec.structs.replace(task.answer, text=_cut(task.answer.text))
    return task_view(msgspec.structs.replace(task, task=_cut(task.task), answer=answer, story=()))


def _cut(text: str) -> str:
    return text if len(text) <= LISTED_CHARS else f"{text[: LISTED_CHARS - 1]}…"


def task_answer(task: Task) -> views.TaskAnswer | None:
    answer = task.answer
    if answer is None:
        return None
    return views.TaskAnswer(
        id=task.id,
        task=task.task,
        model=answer.tier,
        result=answer.text,
        elapsed_seconds=answer.elapsed_seconds,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        estimated_cost_usd=answer.estimated_cost_usd,
        timestamp=answer.timestamp,
        billing=answer.billing,
        is_cost_unknown=answer.is_cost_unknown,
    )


def answered(task: Task) -> views.TaskAnswer:
    """The answer of a finished task; raises the failure of one that has none, with the task's id in the details."""
    answer = task_answer(task)
    if task.status is Status.DONE and answer is not None:
        return answer
    raise bad_end(task.id, task.status.value, attempts_made(task.story), task.failure)


def model_total(tally: Tally) -> views.ModelTotal:
    return views.ModelTotal(tally.calls, tally.cost_usd)


def ledger_stats(totals: Totals) -> views.LedgerStats:
    return views.LedgerStats(
        total_calls=totals.total.calls,
        total_cost_estimated_usd=totals.total.cost_usd,
        by_model={name: model_total(tally) for name, tally in sorted(totals.by_model.items())},
        by_date={date: model_total(tally) for date, tally in sorted(totals.by_date.items())},
        rehearsal=model_total(totals.rehearsal),
        unknown_cost_calls=totals.unknown_cost_calls,
    )


def limit_view(limit: Closed, tiers: Iterable[str]) -> views.Limit:
    closes = (limit.tier,) if limit.tier else tuple(tiers)
    return views.Limit(limit.worker, limit.limit, closes, rfc3339(limit.resets_at))


def beat(snapshot: Snapshot) -> views.Beat:
    return msgspec.convert(msgspec.structs.asdict(snapshot), views.Beat)
