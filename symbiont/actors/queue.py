"""The one writer of the queue: what was asked for, where it stands, and who may work on it.

Guarantees: an answer means that the change is on disk. A task is leased to one run at a time, known by its lease number:
whoever comes with an older one (a run that outlived its lease) is told `Stale` and changes nothing. A task changes from what
is on disk, one change at a time, so a change that the disk refuses takes nothing else along. Transitions are those of
`domain.task.TRANSITIONS`. After a restart, tasks whose run is gone are pending again, and a model call that was cut off is
put into the ledger as interrupted before anything else happens; it has used up a try.
Does not run tasks, nor decide where: it tells the dispatcher that there is something to do and waits to be asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from supervisors import NO_REPLY, Actor, Custom, From, Request, Stop, Tasks
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.accounting import interrupted
from symbiont.actors.ledger import Append, Refused
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
    reclaimed,
    runs_in,
)
from symbiont.domain.backlog import Backlog
from symbiont.domain.queue_file import change_of, load, record_of
from symbiont.domain.moment import rfc3339
from symbiont.domain.retry import RetryPolicy
from symbiont.domain.task import (
    FINAL,
    NewTask,
    Source,
    Status,
    Task,
    may_become,
)
from symbiont.ports import Clock, Journal, Receipt, SyncFailed

GRACE_BEFORE_RESCUE_S: Final = 60.0
"""How old a lease is before the sweep of the heartbeat asks for its run."""

_Step = Callable[[], object]

_log = structlog.get_logger("symbiont.queue")


class NoSuchTask(msgspec.Struct, frozen=True):
    id: str


class Illegal(msgspec.Struct, frozen=True):
    """The task's state does not allow the change."""

    id: str
    status: Status


class Submitted(msgspec.Struct, frozen=True):
    task: Task
    position: int


class Submit(msgspec.Struct, Request[Submitted | Refused], frozen=True):
    new: NewTask


class Take(msgspec.Struct, Request[Task | Refused | None], frozen=True):
    """Lease the next task, a new attempt of it. None if nothing is due. `source` and `since` (RFC 3339) restrict."""

    source: Source | None = None
    since: str = ""


class Get(msgspec.Struct, Request[Task | NoSuchTask], frozen=True):
    id: str


class AwaitFinal(msgspec.Struct, Request[Task | NoSuchTask], frozen=True):
    """Answered once the task is done, failed or cancelled."""

    id: str


class TaskPage(msgspec.Struct, frozen=True):
    tasks: tuple[Task, ...]
    total: int


class ListTasks(msgspec.Struct, Request[TaskPage], frozen=True):
    """The newest `limit` tasks of a status (None = all), newest last."""

    status: Status | None
    limit: int


class Counts(msgspec.Struct, frozen=True):
    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int


class CountTasks(msgspec.Struct, Request[Counts], frozen=True):
    pass


class Cancel(msgspec.Struct, Request[Task | NoSuchTask | Illegal | Refused], frozen=True):
    id: str


class Retry(msgspec.Struct, Request[Task | NoSuchTask | Illegal | Refused], frozen=True):
    id: str


class Rescue(msgspec.Struct, Request[int], frozen=True):
    """Make every leased task pending again whose run is not among `alive` (task id, lease). Answers how many.

    Runs among them that are to be cancelled are told so once more.
    A lease younger than `grace_s` is never taken for an orphan: its run may just be starting.
    """

    alive: frozenset[tuple[str, int]]
    grace_s: float = GRACE_BEFORE_RESCUE_S


class EndWaits(msgspec.Struct, frozen=True):
    """A hint: waiting is over for tasks that wait for a limit or a backoff; look at them now."""


class WorkIsDue(msgspec.Struct, frozen=True):
    """A hint for the dispatcher."""


class StopRun(msgspec.Struct, frozen=True):
    """A hint for the dispatcher: end the run of this task."""

    id: str


class _Written(msgspec.Struct, frozen=True):
    old: Task | None
    new: Task
    from_: Any
    answer: object
    error: Exception | None


class _Due(msgspec.Struct, frozen=True):
    pass


class Queue(Actor):
    def __init__(self, journal: Journal, clock: Clock, max_pending: int, policy: RetryPolicy) -> None:
        self._journal = journal
        self._clock = clock
        self._max_pending = max_pending
        self._policy = policy
        self._backlog = Backlog()
        self._waiters: dict[str, list[From]] = defaultdict(list)
        self._leased_at: dict[str, float] = {}
        self._changing: dict[str, list[tuple[From | None, _Step]]] = {}
        self._passed_over = False
        self._alarm: Timer | None = None

    async def init(self) -> None:
        opened = await self._journal.open()
        for task in load(opened.records):
            self._backlog.put(task)
        await self._recover()
        self._shorten_waits()
        self._set_alarm()

    async def terminate(self, reason: ExitReason) -> None:
        await self._journal.close()

    # Recovery

    async def _recover(self) -> None:
        """Runs of this operating-system process may have survived a restart of this actor; all others are gone."""
        children = await Tasks(self.named(names.TASKS)).children()
        alive = runs_in(child.id for child in children)
        for task in [task for task in self._backlog if task.status is Status.PROCESSING]:
            if (task.id, task.lease) not in alive:
                await self._reclaim(task)

    async def _reclaim(self, task: Task) -> None:
        if await self._settle(task):
            self._give_back(task)  # else as it was, until the sweep of the heartbeat comes back to it

    def _give_back(self, leased: Task) -> None:
        """A task whose run is gone, unless the disk has refused the lease meanwhile."""
        if self._backlog.get(leased.id) is leased:
            given_back = reclaimed(leased, self._policy, self._clock.wall())
            self._write(leased, given_back)
            _log.warning("task_reclaimed", task=leased.id, attempt=leased.attempt, status=given_back.status.value)

    async def _settle(self, task: Task) -> bool:
        """The call that its run left open is in the ledger; False if the disk refuses, or is just being asked."""
        if task.call is None:
            return True
        if task.id in self._changing:
            return False
        entry = interrupted(task, task.call, self._clock.wall())
        return not isinstance(await self.named(names.LEDGER).call(Append(entry), timeout_s=None), Refused)

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Submit(new):
                return self._submit(new, from_)
            case Take():
                return self._take(request, from_)
            case Begin() | Complete() | Fail() | Postpone() | Stopped():
                return self._in_turn(request.id, from_, partial(self._advance, request, from_))
            case Cancel(task_id) | Retry(task_id):
                return self._in_turn(task_id, from_, partial(self._command, request, task_id, from_))
            case Rescue(alive, grace_s):
                return self._rescue(alive, grace_s)
            case _:
                return self._query(request, from_)

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
                counts = self._backlog.counts
                return Counts(**{status.value: counts[status] for status in Status})
            case _:
                return super().handle_call(request, from_)

    def handle_cast(self, message: Any) -> object:
        if not isinstance(message, EndWaits):
            return super().handle_cast(message)
        for task_id in [task.id for task in self._backlog if task.status is Status.PENDING and task.waiting_for]:
            self._in_turn(task_id, None, partial(self._end_wait, task_id))
        return None

    def handle_info(self, message: Any) -> object:
        match message:
            case _Written():
                return self._written(message)
            case _Due():
                self._alarm = None
                self._shorten_waits()
                self._notify()
                self._set_alarm()
                return None
            case _:
                return super().handle_info(message)

    # Coming and going

    def _submit(self, new: NewTask, from_: From) -> object:
        if self._backlog.counts[Status.PENDING] >= self._max_pending:
            return Refused(f"expected at most {self._max_pending} pending tasks, got: one more")
        now = self._clock.wall()
        task = Task(
            id=self._backlog.new_id(new.source, now),
            task=new.task,
            created_at=rfc3339(now),
            status=Status.PENDING,
            source=new.source,
            force_tier=new.force_tier,
            priority=new.priority,
            project=new.project,
        )
        position = self._backlog.counts[Status.PENDING] + 1
        self._write(None, task, from_, Submitted(task, position))
        return NO_REPLY

    def _take(self, request: Take, from_: From) -> object:
        task = self._backlog.next_ready(self._clock.wall(), request.source, request.since)
        if task is None:
            return None
        if task.id in self._changing:
            self._passed_over = True
            return None
        leased = msgspec.structs.replace(
            task,
            status=Status.PROCESSING,
            attempt=task.attempt + 1,
            lease=task.attempt + 1,
            not_before=None,
            waiting_for=None,
        )
        self._leased_at[task.id] = self._clock.monotonic()
        self._write(task, leased, from_, leased)
        return NO_REPLY

    def _advance(self, request: Begin | Complete | Fail | Postpone | Stopped, from_: From) -> object:
        task = self._backlog.get(request.id)
        if task is None or task.status is not Status.PROCESSING or task.lease != request.lease:
            return Stale(request.id)
        if isinstance(request, Begin) and task.cancel_requested:
            self._write(task, left(task, Status.CANCELLED, self._clock.wall()), from_, Stale(request.id))
            return NO_REPLY
        new = advanced(task, request, self._clock.wall())
        self._write(task, new, from_, new)
        return NO_REPLY

    def _command(self, request: Cancel | Retry, task_id: str, from_: From) -> object:
        task = self._backlog.get(task_id)
        if task is None:
            return NoSuchTask(task_id)
        wanted = Status.CANCELLED if isinstance(request, Cancel) else Status.PENDING
        if not may_become(task.status, wanted) or (task.status is Status.PROCESSING and wanted is Status.PENDING):
            return Illegal(task_id, task.status)
        if task.status is Status.PROCESSING:
            new = msgspec.structs.replace(task, cancel_requested=True)
        else:
            new = commanded(task, wanted, self._clock.wall())
        self._write(task, new, from_, new)
        return NO_REPLY

    def _end_wait(self, task_id: str) -> None:
        task = self._backlog.get(task_id)
        if task is not None and task.status is Status.PENDING and task.waiting_for:
            self._write(task, msgspec.structs.replace(task, not_before=None, waiting_for=None))

    def _shorten_waits(self) -> None:
        """A wall clock that was ahead for a moment must not keep a task waiting for good."""
        for task in self._backlog.overlong(self._clock.wall(), self._policy.backoff_max_s):
            self._in_turn(task.id, None, partial(self._shorten, task))

    def _shorten(self, shorter: Task) -> None:
        task = self._backlog.get(shorter.id)
        if task is not None and task.status is Status.PENDING and task.not_before is not None:
            self._write(task, msgspec.structs.replace(task, not_before=shorter.not_before))

    def _await(self, task_id: str, from_: From) -> object:
        task = self._backlog.get(task_id)
        if task is None or (task.status in FINAL and task_id not in self._changing):
            return task or NoSuchTask(task_id)
        self._waiters[task_id].append(from_)
        return NO_REPLY

    async def _rescue(self, alive: frozenset[tuple[str, int]], grace_s: float) -> int:
        old = self._clock.monotonic() - grace_s
        orphans = [
            task
            for task in self._backlog
            if task.status is Status.PROCESSING
            and (task.id, task.lease) not in alive
            and self._leased_at.get(task.id, old) <= old
        ]
        settled = [task for task in orphans if await self._settle(task)]
        for task in settled:
            self._in_turn(task.id, None, partial(self._give_back, task))
        self._remind(alive)
        return len(settled)

    def _remind(self, alive: frozenset[tuple[str, int]]) -> None:
        """Runs that are to be cancelled and go on: the dispatcher has not heard, or died with what it heard."""
        for task in self._backlog:
            if task.status is Status.PROCESSING and task.cancel_requested and (task.id, task.lease) in alive:
                self.named(names.DISPATCHER).cast(StopRun(task.id))

    # Writing

    def _write(self, old: Task | None, new: Task, from_: From | None = None, answer: object = None) -> None:
        """The change counts at once for everybody who asks; it is answered and acted on when it is on disk."""
        self._backlog.put(new)
        self._changing[new.id] = []
        line = record_of(new) if old is None else change_of(old, new)

        def wrap(done: "asyncio.Future[Receipt]") -> _Written:
            error = done.exception()
            return _Written(old, new, from_, answer, error if isinstance(error, Exception) else None)

        self.pipe(self._journal.append(line), wrap)

    def _written(self, written: _Written) -> Stop | None:
        if isinstance(written.error, SyncFailed):
            return Stop(Custom(("sync_failed", str(written.error))))
        if written.error is not None:
            self._take_back(written)
        elif written.from_ is not None:
            written.from_.reply(written.answer)
        if written.error is None:
            self._act_on(written.new)
        self._go_on(written.new.id)
        return None

    def _in_turn(self, task_id: str, from_: From | None, step: _Step) -> object:
        """Take this step now, or once the change of the task that is under way is on disk or refused."""
        if task_id not in self._changing:
            return step()
        self._changing[task_id].append((from_, step))
        return NO_REPLY

    def _go_on(self, task_id: str) -> None:
        """What had to wait for this change, in order; also who was passed over because of it."""
        for from_, step in self._changing.pop(task_id):
            answer = self._in_turn(task_id, from_, step)
            if from_ is not None and answer is not NO_REPLY:
                from_.reply(answer)
        if self._passed_over:
            self._passed_over = False
            self._notify()

    def _take_back(self, written: _Written) -> None:
        """The disk refused: the task is what it was before."""
        if written.old is None:
            self._backlog.forget(written.new.id)
        else:
            self._backlog.put(written.old)
        if written.from_ is not None:
            written.from_.reply(Refused(str(written.error)))

    def _act_on(self, task: Task) -> None:
        if task.status is Status.PENDING:
            self._notify()
            self._set_alarm()
        elif task.cancel_requested and task.status is Status.PROCESSING:
            self.named(names.DISPATCHER).cast(StopRun(task.id))
        elif task.status in FINAL:
            self._leased_at.pop(task.id, None)
            for from_ in self._waiters.pop(task.id, ()):
                from_.reply(task)

    def _notify(self) -> None:
        self.named(names.DISPATCHER).cast(WorkIsDue())

    def _set_alarm(self) -> None:
        """One timer for the next task that waits. Capped, because the wall clock may be set while we sleep."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock.wall()
        moment = self._backlog.next_moment(now)
        if moment is not None:
            self._alarm = self.send_after(min(moment - now, 60.0), _Due())
