"""All tasks, and which one runs next. Pure state of the queue: no clock, no disk.

Guarantees: the last line of an id wins; a task is offered once it is pending and its moment has come, by priority, direct
ones before queued ones (somebody is waiting for them), then in order of arrival. Taking and putting cost O(log n).
"""

import heapq
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple, cast

import msgspec

from symbiont.domain.closure import LONGEST_CREDIBLE_WAIT_S
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import AFTER_FAILURE, Priority, Source, Status, Task

_RANK = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3}
_FIELDS = Task.__struct_fields__


class _Ready(NamedTuple):
    """Sorts by what comes first."""

    rank: int
    is_queued: bool
    arrival: int
    id: str
    version: int


class _Waiting(NamedTuple):
    not_before: float
    id: str
    version: int


class Backlog:
    """Tasks by id. A `put` replaces a task; entries of its earlier versions are skipped when they come up."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._versions: Counter[str] = Counter()
        self._arrivals: dict[str, int] = {}
        self._arrival = count()
        self._numbers: dict[Source, tuple[str, int]] = {}
        self._ready: dict[Source, list[_Ready]] = {"direct": [], "queued": []}
        self._waiting: list[_Waiting] = []
        self.counts: Counter[Status] = Counter()

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        """In order of arrival."""
        return iter(self._tasks.values())

    def get(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def put(self, task: Task) -> None:
        old = self._tasks.get(task.id)
        if old is None:
            self._arrivals[task.id] = next(self._arrival)
        else:
            self.counts[old.status] -= 1
        self._tasks[task.id] = task
        self.counts[task.status] += 1
        self._versions[task.id] += 1
        if task.status is Status.PENDING:
            self._offer(task)

    def forget(self, task_id: str) -> None:
        """Take a task out as if it had never been there (its record was refused by the disk)."""
        task = self._tasks.pop(task_id)
        self.counts[task.status] -= 1
        self._versions[task_id] += 1

    def _offer(self, task: Task) -> None:
        version = self._versions[task.id]
        if task.not_before is not None:
            heapq.heappush(self._waiting, _Waiting(task.not_before, task.id, version))
        else:
            self._push(task, version)

    def _push(self, task: Task, version: int) -> None:
        entry = _Ready(_RANK[task.priority], task.source == "queued", self._arrivals[task.id], task.id, version)
        heapq.heappush(self._ready[task.source], entry)

    def next_moment(self, now: float) -> float | None:
        """When the next task that is not due yet will be, epoch seconds."""
        self._make_ready(now)
        return self._waiting[0].not_before if self._waiting else None

    def overlong(self, now: float, backoff_max_s: float) -> list[Task]:
        """Tasks that wait longer than anything can last, each given the longest wait there is: the wall clock was wrong."""
        waiting = [self._tasks[entry.id] for entry in self._waiting if not self._is_stale(entry)]
        shortened = (_shortened(task, now, backoff_max_s) for task in waiting)
        return [new for new, old in zip(shortened, waiting, strict=True) if new != old]

    def _make_ready(self, now: float) -> None:
        """Move what is due by now to those that are ready."""
        while self._waiting and (self._waiting[0].not_before <= now or self._is_stale(self._waiting[0])):
            entry = heapq.heappop(self._waiting)
            if not self._is_stale(entry):
                self._push(self._tasks[entry.id], entry.version)

    def next_ready(self, now: float, source: Source | None = None, since: str = "") -> Task | None:
        """The task to run now, which stays where it is until it is `put` with another status.

        `source` restricts, and `since` to tasks created then or later (RFC 3339, to the second).
        """
        self._make_ready(now)
        heaps = self._ready.values() if source is None else (self._ready[source],)
        for heap in heaps:
            while heap and self._is_stale(heap[0]):
                heapq.heappop(heap)
        heads = [heap[0] for heap in heaps if heap]
        firsts = heads if not since else [entry for heap in heaps for entry in heap if self._is_new(entry, since)]
        first = min(firsts, default=None)
        return None if first is None else self._tasks[first.id]

    def _is_new(self, entry: _Ready, since: str) -> bool:
        return not self._is_stale(entry) and self._tasks[entry.id].created_at >= since

    def _is_stale(self, entry: _Ready | _Waiting) -> bool:
        return self._versions[entry.id] != entry.version

    def new_id(self, source: Source, now: float) -> str:
        """`task-1711123456` or `queued-1711123456`, with `-2`, `-3` … behind it within one second."""
        stem = f"{'task' if source == 'direct' else 'queued'}-{int(now)}"
        last_stem, last = self._numbers.get(source, ("", 0))
        number = last if stem == last_stem else 0
        while True:
            number += 1
            candidate = stem if number == 1 else f"{stem}-{number}"
            if candidate not in self._tasks:
                self._numbers[source] = stem, number
                return candidate


def _shortened(task: Task, now: float, backoff_max_s: float) -> Task:
    is_backoff = (task.waiting_for or "").startswith(AFTER_FAILURE)
    latest = now + (backoff_max_s if is_backoff else LONGEST_CREDIBLE_WAIT_S)
    if task.not_before is None or task.not_before <= latest:
        return task
    return msgspec.structs.replace(task, not_before=latest)


def record_of(task: Task) -> bytes:
    """The line of a new task."""
    return msgspec.json.encode(task)


def change_of(old: Task, new: Task) -> bytes:
    """The line of a transition: `id`, `status`, and the fields that changed."""
    changed = {name: getattr(new, name) for name in _FIELDS if getattr(new, name) != getattr(old, name)}
    return msgspec.json.encode({"id": new.id, "status": new.status, **changed})


class Loaded:
    """The fold of the lines of a queue file of any version into a backlog that nobody else uses meanwhile."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._fields: dict[str, dict[str, Any]] = {}
        self._number = 0

    def restore(self, state: bytes) -> None:
        raise ValueError("expected no checkpoint, got: one")

    def absorb(self, lines: Sequence[bytes]) -> None:
        """Lines, oldest first. Raises `SymbiontError("DATA_CORRUPT")`."""
        touched: dict[str, int] = {}
        for index, line in enumerate(lines):
            self._number += 1
            with _at(index):
                fields = _object(line, self._number)
            self._fields.setdefault(fields["id"], {}).update(fields)
            touched[fields["id"]] = index
        for task_id, index in touched.items():
            with _at(index):
                self._backlog.put(_task(self._fields[task_id]))


def load(records: Sequence[bytes]) -> list[Task]:
    """The tasks of a queue file of any version, oldest first. Raises `SymbiontError("DATA_CORRUPT")`."""
    backlog = Backlog()
    Loaded(backlog).absorb(records)
    return list(backlog)


@contextmanager
def _at(index: int) -> Generator[None]:
    """Tells which line it was that could not be read."""
    try:
        yield
    except SymbiontError as error:
        error.details = {"index": index}
        raise


def _object(record: bytes, number: int) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(record)
    except msgspec.MsgspecError as error:
        raise _corrupt(f"line {number} of the queue is no JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(cast("dict[str, Any]", fields).get("id"), str):
        raise _corrupt(f"expected line {number} of the queue to be an object with an id, got: {record[:80]!r}")
    return cast("dict[str, Any]", fields)


def _task(fields: dict[str, Any]) -> Task:
    try:
        return msgspec.convert(fields, Task)
    except msgspec.ValidationError as error:
        raise _corrupt(f"task {fields['id']} of the queue cannot be read: {error}") from error


def _corrupt(message: str) -> SymbiontError:
    return SymbiontError(
        "DATA_CORRUPT", message, hint="move queue.jsonl aside and keep it; Symbiont starts with a new one"
    )
