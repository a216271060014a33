"""Which tasks a command by filter means, and whether it applies to them. Pure."""

from typing import Literal

import msgspec

from symbiont.domain.moment import epoch_s
from symbiont.domain.task import FINAL, Priority, Status, Task, may_become

Verb = Literal["retry", "cancel", "prune"]


class Filter(msgspec.Struct, frozen=True):
    """All that is given must hold; nothing given means every task. `code` is that of the failure; `since` and `until` are epoch
    seconds of the creation, the first included, the second not.
    """

    ids: frozenset[str] | None = None
    status: Status | None = None
    project: str | None = None
    priority: Priority | None = None
    code: str | None = None
    since: float | None = None
    until: float | None = None

    def admits(self, task: Task) -> bool:
        return (
            (self.ids is None or task.id in self.ids)
            and (self.status is None or task.status is self.status)
            and (self.project is None or task.project == self.project)
            and (self.priority is None or task.priority is self.priority)
            and (self.code is None or (task.failure is not None and task.failure.code == self.code))
            and self._admits_age(task)
        )

    def _admits_age(self, task: Task) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            created = epoch_s(task.created_at)
        except ValueError:
            return False
        return (self.since is None or created >= self.since) and (self.until is None or created < self.until)


def applies(verb: Verb, task: Task) -> bool:
    """Whether the state of the task allows the command."""
    match verb:
        case "cancel":
            return may_become(task.status, Status.CANCELLED) and not task.cancel_requested
        case "retry":
            return task.status in (Status.FAILED, Status.CANCELLED)
        case "prune":
            return task.status in FINAL
