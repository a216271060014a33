"""How many tasks are in which state, in all and by project. Pure."""

from collections import Counter

import msgspec

from symbiont.domain.task import Status, Task


class Counts(msgspec.Struct, frozen=True):
    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int


class Census:
    """Counts that follow every change."""

    def __init__(self) -> None:
        self.all: Counter[Status] = Counter()
        self._by_project: dict[str, Counter[Status]] = {}

    def changed(self, old: Task | None, new: Task | None) -> None:
        """`old` None: a new task; `new` None: it is gone."""
        if old is not None:
            self._add(old, -1)
        if new is not None:
            self._add(new, 1)

    def _add(self, task: Task, step: int) -> None:
        self.all[task.status] += step
        counts = self._by_project.get(task.project)
        if counts is None:
            counts = self._by_project[task.project] = Counter()
        counts[task.status] += step
        if step < 0 and not any(counts.values()):
            del self._by_project[task.project]

    def of(self, project: str | None) -> Counter[Status]:
        """Of a project, None: of all."""
        return self.all if project is None else self._by_project.get(project, Counter())

    @property
    def by_project(self) -> dict[str, Counts]:
        return {project: counts_of(counts) for project, counts in sorted(self._by_project.items())}


def counts_of(counts: Counter[Status]) -> Counts:
    return Counts(**{status.value: counts[status] for status in Status})
