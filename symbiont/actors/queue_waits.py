"""Tasks that wait for a moment: woken when it comes, or when their limit is lifted by hand; never kept waiting by a wrong clock."""

from collections.abc import Callable
from functools import partial

import msgspec

from supervisors.clock import Timer
from symbiont.actors.queue_record import QueueRecord
from symbiont.domain.backlog import Backlog
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.task import SCHEDULED, Status, Task
from symbiont.ports import Clock

LONGEST_SLEEP_S = 60.0
"""Until the wall clock is looked at again: it may be set meanwhile."""


class Due(msgspec.Struct, frozen=True):
    """The queue's message to itself: a task that waits is due, or may be."""


class QueueWaits:
    """`ring` sends a message after some seconds."""

    def __init__(
        self,
        backlog: Backlog,
        record: QueueRecord,
        clock: Clock,
        rules: QueueRules,
        ring: Callable[[float, object], Timer],
    ) -> None:
        self._backlog = backlog
        self._record = record
        self._clock = clock
        self._rules = rules
        self._ring = ring
        self._alarm: Timer | None = None

    def look(self) -> None:
        """Set the one timer anew, for the next task that waits."""
        self._shorten_all()
        self.set_alarm()

    def set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock.wall()
        moment = self._backlog.next_moment(now, self._clock.monotonic())
        if moment is not None:
            self._alarm = self._ring(min(moment - now, LONGEST_SLEEP_S), Due())

    def end_all(self, reason: str = "") -> None:
        """Whoever waits for a limit or a backoff (one whose name begins like `reason`) is to be looked at now; what was asked to run later stays so."""
        waiting = [task for task in self._backlog if _waits_for_a_limit(task)]
        for task_id in [task.id for task in waiting if (task.waiting_for or "").startswith(reason)]:
            self._record.in_turn(task_id, None, partial(self._end, task_id))

    def _end(self, task_id: str) -> None:
        task = self._backlog.get(task_id)
        if task is not None and _waits_for_a_limit(task):
            self._record.write(task, msgspec.structs.replace(task, not_before=None, waiting_for=None))

    def _shorten_all(self) -> None:
        """A wall clock that was ahead for a moment must not keep a task waiting for good."""
        for task in self._backlog.overlong(self._clock.wall(), self._rules.retry.longest_pause_s):
            self._record.in_turn(task.id, None, partial(self._shorten, task))

    def _shorten(self, shorter: Task) -> None:
        task = self._backlog.get(shorter.id)
        if task is not None and task.status is Status.PENDING and task.not_before is not None:
            self._record.write(task, msgspec.structs.replace(task, not_before=shorter.not_before))


def _waits_for_a_limit(task: Task) -> bool:
    return task.status is Status.PENDING and task.waiting_for not in (None, SCHEDULED)
