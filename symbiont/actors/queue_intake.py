"""How a request becomes a task, and when it is one already.

Guarantees: requests under one key (and project) are one task for as long as the key is kept, also if they come at the same moment: who
comes second waits until the first is on disk, and is recorded himself if the disk refused that.
"""

from functools import partial

from symbiont.actors.ledger_messages import Refused, refusal
from symbiont.actors.queue_messages import KeyTaken, Submitted
from symbiont.actors.queue_record import Asker, QueueRecord
from symbiont.actors.run_steps import recorded
from symbiont.domain.backlog import Backlog
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.task import NewTask, Status, is_same_request
from symbiont.domain.wall import SteadyWall
from symbiont.ports import Clock


class QueueIntake:
    def __init__(
        self, backlog: Backlog, record: QueueRecord, clock: Clock, wall: SteadyWall, rules: QueueRules
    ) -> None:
        self._backlog = backlog
        self._record = record
        self._clock = clock
        self._wall = wall
        self._rules = rules

    def submit(self, new: NewTask, from_: Asker) -> object:
        known = self._backlog.keyed(new.project, new.key) if new.key else None
        if known is None:
            return self._record_new(new, from_)
        return self._record.in_turn(known.id, from_, partial(self._repeat, known.id, new, from_))

    def find(self, project: str, key: str, from_: Asker) -> object:
        known = self._backlog.keyed(project, key)
        if known is None:
            return None
        return self._record.in_turn(known.id, from_, lambda: self._backlog.keyed(project, key))

    def _repeat(self, task_id: str, new: NewTask, from_: Asker) -> object:
        """The key is known, unless its task was refused by the disk meanwhile, or its time is over."""
        known = self._backlog.keyed(new.project, new.key)
        if known is not None and known.id != task_id:
            return self.submit(new, from_)
        now = self._wall.at(self._clock.wall(), self._clock.monotonic())
        if known is None or not self._rules.retention.holds_key(known, now):
            return self._record_new(new, from_)
        return Submitted(known, known.position) if is_same_request(known, new) else KeyTaken(new.key, known.id)

    def _record_new(self, new: NewTask, from_: Asker) -> object:
        if self._record.damage is not None:
            return refusal(self._record.damage)
        pending = self._backlog.counts[Status.PENDING]
        if pending >= self._rules.max_pending:
            return Refused(f"expected at most {self._rules.max_pending} pending tasks, got: one more")
        now = self._clock.wall()
        task = recorded(new, self._backlog.new_id(new.source, now), pending + 1, now)
        return self._record.write(None, task, from_, Submitted(task, pending + 1))
