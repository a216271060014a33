"""What a queue must come to, without a queue: tasks as plain values, changed by what was acknowledged."""

from dataclasses import dataclass, field, replace
from typing import Any

from symbiont.domain.moment import rfc3339
from symbiont.domain.task import SCHEDULED, NewTask, Status, Task

MAX_ATTEMPTS = 3
MAX_RESCUES = 1
BACKOFF_S = 10
KEY_WINDOW_S = 3_600.0
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Row:
    """What the model knows of a task; `body` is what it was asked for."""

    id: str
    body: NewTask
    status: str = "pending"
    attempt: int = 0
    lease: int = 0
    failures: int = 0
    rescues: int = 0
    is_cancelling: bool = False
    has_call: bool = False
    not_before: float | None = None
    waiting_for: str | None = None
    finished_at: float = 0.0

    def left(self, status: str, now: float, **more: Any) -> "Row":
        idle: dict[str, Any] = {"has_call": False, "is_cancelling": False, "not_before": None, "waiting_for": None}
        return replace(self, status=status, finished_at=now, **(idle | more))

    def lost(self, now: float) -> "Row":
        """Its run is gone."""
        if not self.has_call or self.is_cancelling:
            return self.left("cancelled" if self.is_cancelling else "pending", now)
        if self.rescues >= MAX_RESCUES:
            return self.left("failed", now)
        rescued = replace(self, rescues=self.rescues + 1)
        if self.failures + 1 >= MAX_ATTEMPTS:
            return rescued.left("failed", now)
        later = now + BACKOFF_S * 2**self.failures
        reason = "another try after INTERRUPTED"
        return rescued.left("pending", now, failures=self.failures + 1, not_before=later, waiting_for=reason)

    def retried(self, now: float) -> "Row":
        return self.left("pending", now, failures=0, rescues=0)


def row_of(task: Task, body: NewTask) -> Row:
    """A new task as it was answered."""
    return Row(task.id, body, not_before=task.not_before, waiting_for=task.waiting_for)


def seen(row: Row) -> tuple[object, ...]:
    """What of a row an actor's task is compared by."""
    ended = rfc3339(row.finished_at) if row.status in ENDED else None
    numbers = (row.attempt, row.lease, row.failures, row.rescues)
    waits = (row.not_before, row.waiting_for)
    return (row.id, row.body.task, row.status, *numbers, row.is_cancelling, row.has_call, *waits, ended)


def seen_task(task: Task) -> tuple[object, ...]:
    numbers = (task.attempt, task.lease, task.failures, task.rescues)
    waits = (task.not_before, task.waiting_for)
    is_called = task.call is not None
    return (
        task.id, task.task, task.status.value, *numbers, task.cancel_requested, is_called, *waits, task.finished_at,
    )  # fmt: skip


@dataclass
class Model:
    rows: dict[str, Row] = field(default_factory=dict)
    off: dict[str | None, str] = field(default_factory=dict)
    steady: tuple[float, float] = (0.0, 0.0)

    def steady_now(self, wall: float, monotonic: float) -> float:
        return min(wall, self.steady[0] + monotonic - self.steady[1])

    def holder(self, new: NewTask, now: float) -> Row | None:
        """Who answers for the key: the last that is there, while it runs and for its window."""
        named = [row for row in self.rows.values() if (row.body.project, row.body.key) == (new.project, new.key)]
        if not new.key or not named:
            return None
        last = named[-1]
        is_held = last.status not in ENDED or now < last.finished_at + KEY_WINDOW_S
        return last if is_held else None

    def of_status(self, *statuses: str) -> list[Row]:
        return [row for row in self.rows.values() if row.status in statuses]

    def ready(self, now: float) -> set[str]:
        """The ids that may not be kept waiting."""
        if None in self.off:
            return set()
        pending = [row for row in self.of_status("pending") if row.body.project not in self.off]
        return {row.id for row in pending if row.not_before is None or row.not_before <= now}

    def counts(self, project: str | None = None) -> dict[str, int]:
        rows = [row for row in self.rows.values() if project is None or row.body.project == project]
        return {status.value: sum(row.status == status.value for row in rows) for status in Status}

    def adopt(self, task: Task, allowed: list[Row]) -> None:
        """Take over what became of a task of which nobody was told."""
        found = [row for row in allowed if seen(row) == seen_task(task)]
        assert found, (task, allowed)
        self.rows[task.id] = found[0]

    def shortened(self, task: Task, row: Row) -> Row:
        """A wait that the clock had made too long may be cut, never one that was asked for."""
        if row.not_before is None or row.waiting_for == SCHEDULED or task.not_before is None:
            return row
        assert task.not_before <= row.not_before
        return replace(row, not_before=task.not_before)
