"""The one writer of the queue: what was asked for, where it stands, and who may work on it.

Guarantees: an answer means that the change is on disk. A task is leased to one run at a time, known by its lease number:
whoever comes with an older one (a run that outlived its lease) is told `Stale` and changes nothing. Transitions are those of
`domain.task.TRANSITIONS`. What is submitted under one key is one task. After a restart, tasks whose run is gone are pending
again, and a model call that was cut off is put into the ledger as interrupted before anything else happens; it has used up a try.
Does not run tasks, nor decide where: it tells the dispatcher that there is something to do and waits to be asked.
Its parts: what comes in (`queue_intake`), the tasks on disk (`queue_record`), lost runs (`queue_recovery`), what waits for a moment (`queue_waits`),
what is stopped (`queue_switches`), many at once (`queue_bulk`).
"""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Any, assert_never

import msgspec

from supervisors import NO_REPLY, Actor, From, Tasks
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.ledger_messages import BudgetFreed, ReadDamage, Refused, Spoiled, refusal, spoiled
from symbiont.actors.queue_bulk import BulkRun, NextPortion, chosen
from symbiont.actors.queue_intake import QueueIntake
from symbiont.actors.queue_messages import (
    AwaitFinal,
    AwaitIdle,
    Bulk,
    BulkDone,
    Cancel,
    CountTasks,
    EndWaits,
    FindKeyed,
    Get,
    Illegal,
    ListTasks,
    NoSuchTask,
    ReadStanding,
    ReadSwitches,
    Rescue,
    Retry,
    SetSwitch,
    Standing,
    StopRun,
    Submit,
    Take,
    TaskPage,
    Tidy,
    WorkIsDue,
)
from symbiont.actors.queue_record import Asker, Compacted, Pruned, QueueRecord, Written
from symbiont.actors.queue_recovery import QueueRecovery
from symbiont.actors.queue_switches import QueueSwitches, Switched
from symbiont.actors.queue_waits import Due, QueueWaits
from symbiont.actors.run_steps import (
    Begin,
    Complete,
    Fail,
    Postpone,
    Stale,
    Stopped,
    advanced,
    commanded,
    left,
    may_be_commanded,
    runs_in,
)
from symbiont.actors.webhook_messages import FinishedAfter, TaskFinished
from symbiont.domain.backlog import Backlog
from symbiont.domain.budget import BUDGET_WAIT
from symbiont.domain.bulk import Verb
from symbiont.domain.finishes import Finishes
from symbiont.domain.joint import may_share
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.standing import counts_of
from symbiont.domain.task import FINAL, Status, Task
from symbiont.domain.wall import SteadyWall
from symbiont.ports import Clock, Damage, Journal

PRUNED_AT_ONCE = 500


class Queue(Actor):
    def __init__(self, journal: Journal, switches: Journal, clock: Clock, rules: QueueRules) -> None:
        self._clock = clock
        self._wall = SteadyWall(clock.wall(), clock.monotonic())
        self._rules = rules
        self._backlog = Backlog(rules.ageing_s)
        self._finishes = Finishes()
        self._record = QueueRecord(
            journal,
            clock,
            self._backlog,
            pipe=self.pipe,
            act_on=self._act_on,
            look_again=self._notify,
            finishes=self._finishes,
        )
        self._recovery = QueueRecovery(self._backlog, self._record, clock, rules, self.named)
        self._switches = QueueSwitches(switches, clock, self._backlog, pipe=self.pipe, resumed=self._notify)
        self._intake = QueueIntake(self._backlog, self._record, clock, self._wall, rules)
        self._waits = QueueWaits(self._backlog, self._record, clock, rules, self.send_after)
        self._waiters: dict[str, list[From]] = defaultdict(list)

    async def init(self) -> None:
        await self._record.open()
        await self._switches.open()
        self._record.damage = self._record.damage or await self.named(names.LEDGER).call(ReadDamage(), timeout_s=None)
        self.pipe(self._record.spoiled(), spoiled)
        if self._record.damage is not None:
            return  # what is there can be seen; nothing changes until it is mended
        children = await Tasks(self.named(names.TASKS)).children()
        await self._recovery.recover(runs_in(child.id for child in children))
        self._waits.end_all(BUDGET_WAIT)  # a limit may have been raised while we were away
        self._waits.look()

    async def terminate(self, reason: ExitReason) -> None:
        await self._record.close()
        await self._switches.close()

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Submit(new):
                return self._intake.submit(new, from_)
            case FindKeyed(project, key):
                return self._intake.find(project, key, from_)
            case Take():
                return self._take(request, from_)
            case Begin() | Complete() | Fail() | Postpone() | Stopped():
                return self._record.in_turn(request.id, from_, partial(self._advance, request, from_))
            case Rescue(alive, grace_s):
                return self._recovery.rescue(alive, grace_s)
            case Get() | AwaitFinal() | ListTasks() | CountTasks() | ReadSwitches() | ReadStanding() | FinishedAfter():
                return self._query(request, from_)
            case _:
                return self._by_hand(request, from_)

    def _by_hand(self, request: Any, from_: From) -> object:
        match request:
            case Cancel(task_id):
                return self._command(task_id, Status.CANCELLED, from_)
            case Retry(task_id):
                return self._command(task_id, Status.PENDING, from_)
            case Bulk():
                return self._bulk(request, from_)
            case SetSwitch(project, state):
                return self._switches.set(project, state, from_)
            case AwaitIdle(project):
                return self._switches.await_idle(project, from_)
            case _:
                return super().handle_call(request, from_)

    def _query(self, request: Any, from_: From) -> object:
        match request:
            case Get(task_id):
                return self._backlog.get(task_id) or NoSuchTask(task_id)
            case AwaitFinal(task_id):
                return self._await(task_id, from_)
            case ListTasks(status, limit):
                matching = [task for task in self._backlog if status is None or task.status is status]
                return TaskPage(tuple(matching[-limit:]) if limit > 0 else (), len(matching))
            case CountTasks():
                return counts_of(self._backlog.counts)
            case FinishedAfter(seen, limit):
                settled = (task for task in self._backlog if not self._record.is_changing(task.id))
                return self._finishes.after(seen, limit, settled)
            case ReadSwitches():
                return self._switches.all
            case _:
                counts = counts_of(self._backlog.counts)
                return Standing(self._switches.all, counts, self._backlog.census.by_project)

    def handle_cast(self, message: Any) -> object:
        match message:
            case EndWaits():
                self._waits.end_all()
            case BudgetFreed(reason):
                self._waits.end_all(reason)
            case Tidy():
                self._tidy()
            case Spoiled(damage):
                self._begin_nothing_more(damage)
            case _:
                return super().handle_cast(message)
        return None

    def handle_info(self, message: Any) -> object:
        match message:
            case Written() | Pruned() | Compacted():
                stop = self._record.landed(message)
                if isinstance(message, Written) and message.error is not None:
                    self._begin_refused(message.new, message.error)
                self._record.compact_if_due()
                if message.error is not None:
                    self._taken_back()
                return stop
            case Switched():
                return self._switches.landed(message)
            case NextPortion(run):
                return run.go_on()
            case Due():
                self._notify()
                self._waits.look()
            case Spoiled(damage):
                self._begin_nothing_more(damage)
            case _:
                return super().handle_info(message)
        return None

    # Coming and going

    def _take(self, request: Take, from_: From) -> object:
        if self._record.damage is not None:
            return refusal(self._record.damage)
        if self._switches.is_whole_off:
            return None
        age_now = self._clock.monotonic()
        task = self._backlog.next_ready(self._clock.wall(), request.source, request.since, age_now)
        if task is None or (request.small is not None and not may_share(task, request.small)):
            return None
        if self._record.is_changing(task.id):
            self._record.passed_over = True
            return None
        number = task.attempt + 1
        leased = msgspec.structs.replace(
            task, status=Status.PROCESSING, attempt=number, lease=number, not_before=None, waiting_for=None
        )
        self._recovery.leased(leased)
        return self._record.write(task, leased, from_, leased)

    def _advance(self, request: Begin | Complete | Fail | Postpone | Stopped, from_: From) -> object:
        task = self._backlog.get(request.id)
        if task is None or task.status is not Status.PROCESSING or task.lease != request.lease:
            return Stale(request.id)
        if isinstance(request, Begin) and self._record.damage is not None:
            return refusal(self._record.damage)
        if isinstance(request, Begin) and task.cancel_requested:
            cancelled = left(advanced(task, request, self._clock.wall()), Status.CANCELLED, self._clock.wall())
            return self._record.write(task, cancelled, from_, Stale(request.id))
        new = advanced(task, request, self._clock.wall())
        return self._record.write(task, new, from_, new)

    def _command(self, task_id: str, wanted: Status, asker: Asker) -> object:
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

    def _await(self, task_id: str, from_: From) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        if task.status not in FINAL:
            if self._record.damage is not None:
                return refusal(self._record.damage)
            self._waiters[task_id].append(from_)
            return NO_REPLY
        if self._record.is_changing(task_id):
            return self._record.in_turn(task_id, from_, partial(self._await, task_id, from_))
        return task

    # Many at once

    def _bulk(self, request: Bulk, from_: From) -> object:
        ids, is_all = chosen(request, self._backlog)
        if request.dry_run or not ids:
            return BulkDone(tuple(ids), is_all=is_all)
        BulkRun(ids, is_all, from_, command=partial(self._bulk_step, request.verb), again=self._next_portion).go_on()
        return NO_REPLY

    def _bulk_step(self, verb: Verb, task_id: str, asker: Asker) -> object:
        match verb:
            case "cancel":
                return self._command(task_id, Status.CANCELLED, asker)
            case "retry":
                return self._command(task_id, Status.PENDING, asker)
            case "prune":
                return self._prune_one(task_id, asker)
            case _:
                assert_never(verb)

    def _prune_one(self, task_id: str, asker: Asker | None) -> object:
        return self._record.in_turn(task_id, asker, partial(self._pruned, task_id, asker))

    def _pruned(self, task_id: str, asker: Asker | None) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        if task.status not in FINAL or self._finishes.is_unseen(task):
            return Illegal(task_id, task.status)
        return self._record.prune(task, asker)

    def _next_portion(self, run: BulkRun) -> None:
        """After whoever is in the mailbox by now."""
        now: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now.set_result(None)
        self.pipe(now, lambda _: NextPortion(run))

    def _tidy(self) -> None:
        if self._record.damage is not None:
            return
        for task in self._backlog.too_old(self._rules.retention, self._now(), PRUNED_AT_ONCE):
            self._prune_one(task.id, None)
        self._record.compact_if_due()

    def _act_on(self, task: Task) -> None:
        """Its change is on disk."""
        if task.status is Status.PENDING:
            self._notify()
            self._waits.set_alarm()
        elif task.cancel_requested and task.status is Status.PROCESSING:
            self.named(names.DISPATCHER).cast(StopRun(task.id))
        elif task.status in FINAL:
            self._recovery.ended(task)
            if self._finishes.is_followed:
                self.named(names.WEBHOOKS).cast(TaskFinished())
            self._tell_waiters(task.id, task)
        self._switches.moved()

    def _taken_back(self) -> None:
        """The disk refused a change: a lease may be none after all, and a task may be waiting again."""
        self._waits.set_alarm()
        self._switches.moved()

    def _notify(self) -> None:
        self.named(names.DISPATCHER).cast(WorkIsDue())

    def _now(self) -> float:
        """For what is kept for a time: a wall clock that is ahead for a moment must not throw anything away."""
        return self._wall.at(self._clock.wall(), self._clock.monotonic())

    def _begin_refused(self, task: Task, error: Exception) -> None:
        """Nobody knows for how long, and no model is called before: who waits is told. An answer that is there is written yet."""
        if task.status is Status.PROCESSING:
            self._tell_waiters(task.id, refusal(error))

    def _begin_nothing_more(self, damage: Damage) -> None:
        """What is under way may end, if it can be written down; nobody waits for that."""
        self._record.damage = self._record.damage or damage
        for task_id in list(self._waiters):
            self._tell_waiters(task_id, refusal(damage))

    def _tell_waiters(self, task_id: str, answer: Task | Refused) -> None:
        for from_ in self._waiters.pop(task_id, ()):
            from_.reply(answer)
