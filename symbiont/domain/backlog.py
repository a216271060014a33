"""All tasks, and which one runs next. Pure state of the queue: no clock, no disk.

Guarantees: a task is offered once it is pending and its moment has come, in the order of `line.py`; a key finds its task, and
ended tasks come up for pruning by `retention.py`. Taking and putting cost O(log n).
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import msgspec

from symbiont.domain.closure import LONGEST_CREDIBLE_WAIT_S
from symbiont.domain.line import CLASSES, Line, Place, Ready
from symbiont.domain.retention import Ended, Retention
from symbiont.domain.standing import Census
from symbiont.domain.task import AFTER_FAILURE, FINAL, SCHEDULED, Priority, Source, Status, Task
from symbiont.domain.task_ids import TaskIds

AGEING_S = 600.0
_RANK = {Priority.CRITICAL: 0, Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3}
_CLASSES: dict[Source | None, range] = {
    None: range(CLASSES), "direct": range(0, CLASSES, 2), "queued": range(1, CLASSES, 2),
}  # fmt: skip


class _Waiting(NamedTuple):
    not_before: float
    id: str
    version: int


class Backlog:
    """Tasks by id. A `put` replaces a task; entries of its earlier versions are skipped when they come up.

    `now` is of the wall clock, `age_now` of one that never jumps, by which a task that waits grows older.
    """

    def __init__(self, age_s: float = AGEING_S) -> None:
        self._tasks: dict[str, Task] = {}
        self._versions: Counter[str] = Counter()
        self._arrivals: dict[str, int] = {}
        self._ready_since: dict[str, float] = {}
        self._arrival = count()
        self._ids = TaskIds()
        self._keys: dict[tuple[str, str], tuple[str, ...]] = {}
        self._line = Line(age_s, self._is_stale)
        self._waiting: list[_Waiting] = []
        self._ended = Ended(self._current)
        self.census = Census()

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        """In order of arrival."""
        return iter(self._tasks.values())

    def get(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def keyed(self, project: str, key: str) -> Task | None:
        """The task that was last submitted under this key, of those that are there."""
        ids = self._keys.get((project, key))
        return self._tasks.get(ids[-1]) if ids else None

    # Coming and going

    def put(self, task: Task, age_now: float = 0.0) -> None:
        old = self._tasks.get(task.id)
        if old is None:
            self._arrivals[task.id] = next(self._arrival)
            self._ids.note(task.id)
            if task.key:
                named = task.project, task.key
                self._keys[named] = (*self._keys.get(named, ()), task.id)
        elif old.status is Status.PENDING and task.status is Status.PROCESSING:
            self._line.served(_place(old), task.id)
        self._tasks[task.id] = task
        self.census.changed(old, task)
        self._versions[task.id] += 1
        self._offer(task, age_now)

    def forget(self, task_id: str) -> None:
        """Take a task out as if it had never been there: the disk refused its record, or it is pruned."""
        task = self._tasks.pop(task_id)
        self.census.changed(task, None)
        # Entries in the heaps find no task any more; the id is never given again.
        del self._versions[task_id], self._arrivals[task_id]
        self._ready_since.pop(task_id, None)
        if task.key:
            self._forget_key((task.project, task.key), task_id)

    def _forget_key(self, named: tuple[str, str], task_id: str) -> None:
        """An earlier task under the key, if there is one, answers for it again."""
        self._keys[named] = tuple(each for each in self._keys[named] if each != task_id)
        if not self._keys[named]:
            del self._keys[named]

    def _offer(self, task: Task, age_now: float) -> None:
        version = self._versions[task.id]
        if task.status in FINAL:
            self._ended.put(task, version)
        elif task.status is Status.PENDING and task.not_before is not None:
            heapq.heappush(self._waiting, _Waiting(task.not_before, task.id, version))
        elif task.status is Status.PENDING:
            self._push(task, version, age_now)

    def ready_since(self, task_id: str) -> float | None:
        """When it was put in line last, on the clock of ages: what a change that is taken back must not cost it."""
        return self._ready_since.get(task_id)

    def _push(self, task: Task, version: int, age_now: float) -> None:
        self._ready_since[task.id] = age_now
        self._line.push(_place(task), Ready(self._arrivals[task.id], task.id, version, age_now))

    # What comes next

    def next_moment(self, now: float, age_now: float = 0.0) -> float | None:
        """When the next task that is not due yet will be, epoch seconds."""
        self._make_ready(now, age_now)
        return self._waiting[0].not_before if self._waiting else None

    def overlong(self, now: float, backoff_max_s: float) -> list[Task]:
        """Tasks that wait longer than anything can last, each given the longest wait there is: the wall clock was wrong."""
        waiting = [self._tasks[entry.id] for entry in self._waiting if not self._is_stale(entry)]
        shortened = (_shortened(task, now, backoff_max_s) for task in waiting)
        return [new for new, old in zip(shortened, waiting, strict=True) if new != old]

    def _make_ready(self, now: float, age_now: float) -> None:
        """Move what is due by now to those that are ready."""
        while self._waiting and (self._waiting[0].not_before <= now or self._is_stale(self._waiting[0])):
            entry = heapq.heappop(self._waiting)
            if not self._is_stale(entry):
                self._push(self._tasks[entry.id], entry.version, age_now)

    def next_ready(
        self, now: float, source: Source | None = None, since: str = "", age_now: float = 0.0
    ) -> Task | None:
        """The task to run now, which stays where it is until it is `put` with another status.

        `source` restricts, and `since` to tasks created then or later (RFC 3339, to the second).
        """
        self._make_ready(now, age_now)
        first = self._first_since(since, source) if since else self._line.first(age_now, _CLASSES[source])
        return None if first is None else self._tasks[first.id]

    def _first_since(self, since: str, source: Source | None) -> Ready | None:
        entries = self._line.entries(_CLASSES[source])
        found = ((number, entry) for number, entry in entries if self._tasks[entry.id].created_at >= since)
        first = min(found, default=None)
        return None if first is None else first[1]

    def hold(self, project: str) -> None:
        """Offer no task of this project."""
        self._line.pause(project)

    def unhold(self, project: str) -> None:
        self._line.resume(project)

    def _is_stale(self, entry: Ready | _Waiting) -> bool:
        return self._versions.get(entry.id) != entry.version

    # Ends and ids

    def _current(self, task_id: str, version: int) -> Task | None:
        return self._tasks[task_id] if self._versions.get(task_id) == version else None

    @property
    def counts(self) -> Counter[Status]:
        return self.census.all

    @property
    def ended(self) -> int:
        return sum(self.counts[status] for status in FINAL)

    def too_old(self, rules: Retention, now: float, limit: int) -> list[Task]:
        """Ended tasks to be pruned, longest ended first."""
        return self._ended.too_old(rules, self.ended, now, limit)

    def note_id(self, task_id: str) -> None:
        self._ids.note(task_id)

    @property
    def last_ids(self) -> tuple[str, ...]:
        return self._ids.last

    def new_id(self, source: Source, now: float) -> str:
        return self._ids.new(source, now)


def _place(task: Task) -> Place:
    return Place(2 * _RANK[task.priority] + (task.source == "queued"), task.project)


def _shortened(task: Task, now: float, backoff_max_s: float) -> Task:
    if task.waiting_for == SCHEDULED:
        return task
    is_backoff = (task.waiting_for or "").startswith(AFTER_FAILURE)
    latest = now + (backoff_max_s if is_backoff else LONGEST_CREDIBLE_WAIT_S)
    if task.not_before is None or task.not_before <= latest:
        return task
    return msgspec.structs.replace(task, not_before=latest)
