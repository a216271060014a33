"""The ends of tasks, numbered: how somebody else can follow them over any crash without missing one.

Guarantees: numbers grow with every end, also over a restart and if the task that had the last one is forgotten, for they are
microseconds of the wall clock, or one more than the last where that does not grow. Ends are kept only from where the follower
has got to, and none as long as nobody follows. An end that was taken back by hand (the task was sent round again) before the
follower saw it is only known until a restart.
"""

from collections.abc import Iterable
from itertools import islice

import msgspec

from symbiont.domain.task import FINAL, Task


class FinishedPage(msgspec.Struct, frozen=True):
    """Ends in their order, and the number of the last there is (`head`)."""

    tasks: tuple[Task, ...]
    head: int


class Finishes:
    def __init__(self) -> None:
        self._last = 0
        self._head = 0
        self._from: int | None = None
        self._kept: dict[int, Task] = {}

    @property
    def is_followed(self) -> bool:
        return self._from is not None

    def is_unseen(self, task: Task) -> bool:
        """Whether the follower has yet to see this end."""
        return self._from is not None and task.finish > self._from

    def load(self, task: Task) -> None:
        """A task found on disk."""
        self._last = self._head = max(self._last, task.finish)

    def numbered(self, old: Task | None, task: Task, now: float) -> Task:
        """The task with the number of its end, if this is one; on its way to the disk, which may refuse it."""
        if task.status not in FINAL or (old is not None and old.status in FINAL):
            return task
        self._last = max(self._last + 1, int(now * 1_000_000))
        return msgspec.structs.replace(task, finish=self._last)

    def durable(self, task: Task) -> None:
        """The end of this task is on disk."""
        if task.finish <= self._head:
            return
        self._head = task.finish
        if self._from is not None:
            self._kept[task.finish] = task

    def after(self, seen: int | None, limit: int, tasks: Iterable[Task]) -> FinishedPage:
        """At most `limit` ends after the number `seen`; None: after all there are by now.

        `tasks` are those whose state is on disk; they are looked through when `seen` lies before what is kept.
        """
        seen = self._head if seen is None else seen
        self._last, self._head = max(self._last, seen), max(self._head, seen)
        if self._from is None or seen < self._from:
            found = (task for task in tasks if task.status in FINAL and task.finish > seen)
            self._kept = {task.finish: task for task in sorted(found, key=lambda task: task.finish)}
        else:
            while self._kept and (first := next(iter(self._kept))) <= seen:
                del self._kept[first]
        self._from = seen
        return FinishedPage(tuple(islice(self._kept.values(), limit)), self._head)
