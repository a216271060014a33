"""What people do to tasks by hand, one or many at a time: cancel, send round again, take away; and what is taken away by age.

A part of the queue and not an actor: called from its callbacks alone. Guarantees: a command takes its turn behind the change of its task that
is under way; one for many tasks goes a portion at a time. Nothing is taken away that somebody has yet to hear of.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

import msgspec

from supervisors import NO_REPLY, From
from symbiont.actors.queue_bulk import BulkRun, NextPortion, chosen
from symbiont.actors.queue_messages import Bulk, BulkDone, Illegal, NoSuchTask
from symbiont.actors.queue_record import Asker, Pipe, QueueRecord
from symbiont.actors.run_steps import commanded, may_be_commanded
from symbiont.domain.backlog import Backlog
from symbiont.domain.bulk import Verb
from symbiont.domain.finishes import Finishes
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.task import FINAL, Status
from symbiont.ports import Clock

PRUNED_AT_ONCE: Final = 500


class QueueHand:
    """`now` is for what is kept for a time; `pipe` brings the queue a message when a future is done."""

    def __init__(
        self,
        backlog: Backlog,
        record: QueueRecord,
        finishes: Finishes,
        clock: Clock,
        rules: QueueRules,
        *,
        now: Callable[[], float],
        pipe: Pipe,
    ) -> None:
        self._backlog = backlog
        self._record = record
        self._finishes = finishes
        self._clock = clock
        self._rules = rules
        self._now = now
        self._pipe = pipe

    def command(self, task_id: str, wanted: Status, asker: Asker) -> object:
        """Cancel it (`CANCELLED`) or send it round again (`PENDING`)."""
        return self._record.in_turn(task_id, asker, partial(self._commanded, task_id, wanted, asker))

    def _commanded(self, task_id: str, wanted: Status, asker: Asker) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        if not may_be_commanded(task, wanted):
            return Illegal(task_id, task.status)
        if task.status is Status.PROCESSING:
            new = msgspec.structs.replace(task, cancel_requested=True)
        else:
            new = commanded(task, wanted, self._clock.wall())
        return self._record.write(task, new, asker, new)

    # Many at once

    def bulk(self, request: Bulk, from_: From) -> object:
        ids, is_all = chosen(request, self._backlog)
        if request.dry_run or not ids:
            return BulkDone(tuple(ids), is_all=is_all)
        BulkRun(ids, is_all, from_, command=partial(self._bulk_step, request.verb), again=self._next_portion).go_on()
        return NO_REPLY

    def _bulk_step(self, verb: Verb, task_id: str, asker: Asker) -> object:
        match verb:
            case "cancel":
                return self.command(task_id, Status.CANCELLED, asker)
            case "retry":
                return self.command(task_id, Status.PENDING, asker)
            case "prune":
                return self._prune(task_id, asker)
            case _:
                assert_never(verb)

    def _next_portion(self, run: BulkRun) -> None:
        """After whoever is in the mailbox by now."""
        now: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now.set_result(None)
        self._pipe(now, lambda _: NextPortion(run))

    # Taking away

    def tidy(self) -> None:
        """What is too old, and the past in the file."""
        if self._record.damage is not None:
            return
        for task in self._backlog.too_old(self._rules.retention, self._now(), PRUNED_AT_ONCE):
            self._prune(task.id, None)
        self._record.compact_if_due()

    def _prune(self, task_id: str, asker: Asker | None) -> object:
        return self._record.in_turn(task_id, asker, partial(self._pruned, task_id, asker))

    def _pruned(self, task_id: str, asker: Asker | None) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        if task.status not in FINAL or self._finishes.is_unseen(task):
            return Illegal(task_id, task.status)
        return self._record.prune(task, asker)
