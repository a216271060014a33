"""The one writer of the queue: what was asked for, where it stands, and who may work on it.

Guarantees: an answer means that the change is on disk. A task is leased to one run at a time, known by its lease number:
whoever comes with an older one (a run that outlived its lease) is told `Stale` and changes nothing. Transitions are those of
`domain.task.TRANSITIONS`. What is submitted under one key is one task. After a restart, tasks whose run is gone are pending
again, and a model call that was cut off is put into the ledger as interrupted before anything else happens; it has used up a try.
Does not run tasks, nor decide where: it tells the dispatcher that there is something to do and waits to be asked.
Its parts: what comes in (`queue_intake`), the tasks on disk (`queue_record`), lost runs (`queue_recovery`), what waits for a moment
(`queue_waits`), who waits for an end (`queue_waiters`), what is stopped (`queue_switches`), what is done by hand (`queue_hand`), also to many
at once (`queue_bulk`).
"""

from functools import partial
from typing import Any

import msgspec

from supervisors import Actor, From, Tasks
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.ledger_messages import BudgetFreed, ReadDamage, Spoiled, refusal, spoiled
from symbiont.actors.queue_bulk import NextPortion
from symbiont.actors.queue_hand import QueueHand
from symbiont.actors.queue_intake import QueueIntake
from symbiont.actors.queue_messages import (
    AwaitFinal,
    AwaitIdle,
    Bulk,
    Cancel,
    CountTasks,
    EndWaits,
    FindKeyed,
    Get,
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
from symbiont.actors.queue_record import Compacted, Pruned, QueueRecord, Written
from symbiont.actors.queue_recovery import QueueRecovery
from symbiont.actors.queue_switches import QueueSwitches, Switched
from symbiont.actors.queue_waiters import QueueWaiters
from symbiont.actors.queue_waits import Due, QueueWaits
from symbiont.actors.run_steps import (
    Begin,
    Complete,
    Fail,
    Postpone,
    Stale,
    Stopped,
    advanced,
    left,
    runs_in,
)
from symbiont.actors.webhook_messages import FinishedAfter, TaskFinished
from symbiont.domain.backlog import Backlog
from symbiont.domain.budget import BUDGET_WAIT
from symbiont.domain.finishes import Finishes
from symbiont.domain.joint import may_share
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.standing import counts_of
from symbiont.domain.task import FINAL, Status, Task
from symbiont.domain.wall import SteadyWall
from symbiont.ports import Clock, Damage, Journal


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
        self._waiters = QueueWaiters(self._backlog, self._record)
        self._hand = QueueHand(self._backlog, self._record, self._finishes, clock, rules, now=self._now, pipe=self.pipe)

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
                return self._hand.command(task_id, Status.CANCELLED, from_)
            case Retry(task_id):
                return self._hand.command(task_id, Status.PENDING, from_)
            case Bulk():
                return self._hand.bulk(request, from_)
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
                return self._waiters.wait(task_id, from_)
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
                self._hand.tidy()
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
                    self._waiters.begin_refused(message.new, message.error)
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
            self._waiters.ended(task)
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

    def _begin_nothing_more(self, damage: Damage) -> None:
        self._record.damage = self._record.damage or damage
        self._waiters.give_up(damage)
