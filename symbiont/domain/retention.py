"""How long ended tasks are kept, and until when a key still means the task it was given with. Pure.

A task under a key stays until its window is over, whatever else says: a repeated submission is to get the same answer.
A task that does not say when it ended (an earlier version wrote it) is only pruned for the number of tasks, not for its age.
"""

import heapq
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from symbiont.domain.moment import epoch_s
from symbiont.domain.task import FINAL, Task


class Retention(msgspec.Struct, frozen=True):
    """Seconds that results and keys are kept after a task has ended, and how many ended tasks at most."""

    keep_s: float = 7 * 86_400.0
    keep_count: int = 10_000
    key_window_s: float = 86_400.0

    def holds_key(self, task: Task, now: float) -> bool:
        """Whether the task still answers for its key."""
        return bool(task.key) and (task.status not in FINAL or now < ended_at(task) + self.key_window_s)


def ended_at(task: Task) -> float:
    """Epoch seconds. A task of an earlier version does not say; nor need its times be moments."""
    try:
        return epoch_s(task.finished_at or task.created_at)
    except ValueError:
        return 0.0


class _End(NamedTuple):
    at: float
    id: str
    version: int


class Ended:
    """Ended tasks by the moment they ended at. `task_of` gives the task of an entry, None if that has changed since."""

    def __init__(self, task_of: Callable[[str, int], Task | None]) -> None:
        self._task_of = task_of
        self._ends: list[_End] = []

    def put(self, task: Task, version: int) -> None:
        heapq.heappush(self._ends, _End(ended_at(task), task.id, version))

    def too_old(self, rules: Retention, count: int, now: float, limit: int) -> list[Task]:
        """Those to be pruned, longest ended first, at most `limit`; `count` have ended in all. They stay until they are forgotten."""
        found: list[Task] = []
        looked_at: list[_End] = []
        while self._ends and len(found) < limit:
            excess = count - len(found) > rules.keep_count
            if not excess and self._ends[0].at + rules.keep_s > now:
                break
            end = heapq.heappop(self._ends)
            task = self._task_of(end.id, end.version)
            if task is None:
                continue
            looked_at.append(end)
            is_kept = rules.holds_key(task, now) or (not excess and task.finished_at is None)
            if not is_kept:
                found.append(task)
        for end in looked_at:
            heapq.heappush(self._ends, end)
        return found
