"""Who waits for the end of a task, and is told when that is on disk, or that nobody can say when it will be.

A part of the queue and not an actor: called from its callbacks alone. Keeps nothing over a restart: who asks then asks again.
"""

from collections import defaultdict
from functools import partial

from supervisors import NO_REPLY, From
from symbiont.actors.ledger_messages import Refused, refusal
from symbiont.actors.queue_messages import NoSuchTask
from symbiont.actors.queue_record import QueueRecord
from symbiont.domain.backlog import Backlog
from symbiont.domain.task import FINAL, Status, Task
from symbiont.ports import Damage


class QueueWaiters:
    def __init__(self, backlog: Backlog, record: QueueRecord) -> None:
        self._backlog = backlog
        self._record = record
        self._waiting: dict[str, list[From]] = defaultdict(list)

    def wait(self, task_id: str, from_: From) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        if task.status not in FINAL:
            if self._record.damage is not None:
                return refusal(self._record.damage)
            self._waiting[task_id].append(from_)
            return NO_REPLY
        if self._record.is_changing(task_id):
            return self._record.in_turn(task_id, from_, partial(self.wait, task_id, from_))
        return task

    def ended(self, task: Task) -> None:
        self._tell(task.id, task)

    def begin_refused(self, task: Task, error: Exception) -> None:
        """Nobody knows for how long, and no model is called before: who waits is told. An answer that is there is written yet."""
        if task.status is Status.PROCESSING:
            self._tell(task.id, refusal(error))

    def give_up(self, damage: Damage) -> None:
        """What is under way may end, if it can be written down; nobody waits for that."""
        for task_id in list(self._waiting):
            self._tell(task_id, refusal(damage))

    def _tell(self, task_id: str, answer: Task | Refused) -> None:
        for from_ in self._waiting.pop(task_id, ()):
            from_.reply(answer)
