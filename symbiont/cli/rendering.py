"""Views as words: the cells, lines and records that people read. Pure; `output` prints them."""

from collections.abc import Sequence

from symbiont.cli.output import Pairs
from symbiont.domain import advice
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Status, Try, attempts_made
from symbiont.service import views

TASK_COLUMNS = ("id", "status", "tier", "priority", "waiting for", "task")
LIMIT_COLUMNS = ("worker", "limit", "tiers", "resets")
REHEARSAL = "rehearsal"


def money(usd: float) -> str:
    """US dollars as the ledger counts them: a call may cost a hundredth of a cent."""
    return f"{usd:.4f}"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def figures(answer: views.TaskAnswer) -> str:
    """The line below an answer: who answered and what it took."""
    tokens = f"{answer.input_tokens} tokens in, {answer.output_tokens} out"
    parts = (
        answer.id,
        answer.model,
        tokens,
        f"{money(answer.estimated_cost_usd)} USD",
        f"{answer.elapsed_seconds:.1f} s",
    )
    line = " · ".join(parts)
    return f"{line} · rehearsal: no model was called" if answer.billing == REHEARSAL else line


def task_row(task: views.TaskView) -> Sequence[str]:
    waiting = task.waiting_for or ""
    until = f" until {task.not_before}" if task.not_before else ""
    return (task.id, task.status, _tier(task), task.priority, (waiting + until).strip(), task.task)


def task_record(task: views.TaskView) -> Pairs:
    """Everything known about a task; what is not known is left out. The answer's text comes last."""
    known = [
        ("id", task.id),
        ("status", task.status),
        ("tier", _tier(task)),
        ("reason", task.classification.reason if task.classification else ""),
        ("priority", task.priority),
        ("project", task.project),
        ("source", task.source),
        ("attempt", str(task.attempt)),
        ("created", task.created_at),
        ("finished", task.finished_at or ""),
        ("idempotency key", task.idempotency_key or ""),
        ("rescues", str(task.rescues or "")),
        ("waiting for", task.waiting_for or ""),
        ("not before", task.not_before or ""),
        ("failure", f"{task.failure.code}: {task.failure.detail}" if task.failure else ""),
        ("story", "\n".join(map(_told, task.story))),
        ("figures", figures(task.answer) if task.answer else ""),
        ("task", task.task),
        ("result", task.answer.result if task.answer else ""),
    ]
    return [(key, value) for key, value in known if value]


def _told(one: Try) -> str:
    """A call of a task's story on a line."""
    cost = "cost unknown" if one.cost_usd is None else f"{money(one.cost_usd)} USD"
    line = f"{one.at[:19]}Z · attempt {one.attempt} · {one.kind} · {one.tier} · {one.outcome} · {one.elapsed_seconds:.1f} s · {cost}"
    if one.shares:
        line = f"{line} · its share of a call for {counted(one.shares, 'task')}"
    return f"{line} · {one.detail}" if one.detail else line


def dry_run_record(run: views.DryRun) -> Pairs:
    return [
        ("tier", run.model),
        ("model", run.model_id),
        ("confidence", run.confidence),
        ("reason", run.reason),
        ("classified by", run.classified_by),
        ("input tokens", f"about {run.input_tokens}"),
        ("output tokens", f"about {run.output_tokens}"),
        ("cost", "unknown" if run.estimated_cost_usd is None else f"about {money(run.estimated_cost_usd)} USD"),
    ]


def limit_rows(limits: Sequence[views.Limit]) -> Sequence[Sequence[str]]:
    return [(limit.worker, limit.limit, ", ".join(limit.tiers), limit.resets_at or "unknown") for limit in limits]


def bad_end(task: views.TaskView) -> SymbiontError | None:
    """Why a task ended without an answer; None if it has not ended so."""
    if task.status not in {Status.CANCELLED, Status.FAILED}:
        return None
    return advice.bad_end(task.id, task.status, attempts_made(task.story), task.failure)


def still_pending(task_id: str, status: str) -> SymbiontError:
    """The caller's patience ended before the task did; the task goes on."""
    message = f"expected {task_id} to be done in time, got: {status}; it goes on"
    details = {"id": task_id, "status": status}
    return SymbiontError("STILL_PENDING", message, hint=f"symbiont task wait {task_id}", details=details)


def _tier(task: views.TaskView) -> str:
    if task.answer:
        return task.answer.model
    if task.classification:
        return task.classification.tier
    return task.force_tier or ""
