"""The one writer of the queue: what was asked for, where it stands, and who may work on it.

Guarantees: an answer means that the change is on disk. A task is leased to one run at a time, known by its lease number:
whoever comes with an older one (a run that outlived its lease) is told `Stale` and changes nothing. Transitions are those
of `domain.task.TRANSITIONS`. After a restart, tasks whose run is gone are pending again, and a model call that was cut off is
put into the ledger as interrupted before anything else happens.
Does not run tasks, nor decide where: it tells the dispatcher that there is something to do and waits to be asked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import structlog

from supervisors import NO_REPLY, Actor, Custom, From, Request, Stop, Tasks
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.accounting import interrupted
from symbiont.actors.ledger import Append, Refused
from symbiont.domain.backlog import Backlog, change_of, load, record_of
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import (
    FINAL,
    Answer,
    Classification,
    Failure,
    NewTask,
    OpenCall,
    Source,
    Status,
    Task,
    may_become,
)
from symbiont.ports import Clock, Journal, Receipt, SyncFailed

GRACE_BEFORE_RESCUE_S: Final = 60.0
"""A lease this young is never taken for an orphan: its run may just be starting."""

_log = structlog.get_logger("symbiont.queue")


class Stale(msgspec.Struct, frozen=True):
    """The lease is not the current one any more; nothing was changed."""

    id: str


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
    """Lease the next task, a new attempt of it. None if nothing is due. `source` restricts."""

    source: Source | None = None


class Begin(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """A model call is about to be made: write that down first. `anew` starts another attempt within the same lease."""

    id: str
    lease: int
    call: OpenCall
    classification: Classification | None = None
    tier_floor: str | None = None
    failures: int = 0
    anew: bool = False


class Complete(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    id: str
    lease: int
    answer: Answer


class Fail(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    id: str
    lease: int
    failure: Failure


class Postpone(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """Back to pending until `not_before` (epoch seconds). `failures` is the number of tries used up by now."""

    id: str
    lease: int
    not_before: float | None
    waiting_for: str | None
    failures: int
    failure: Failure | None = None
    classification: Classification | None = None


class Stopped(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """The run was stopped from outside: cancelled if somebody asked for that, else pending again and no try used up."""

    id: str
    lease: int


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
    """Make every leased task pending again whose run is not among `alive` (task id, lease). Answers how many."""

    alive: frozenset[tuple[str, int]]


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


def run_label(task_id: str, lease: int) -> str:
    """The label of a run among the supervised tasks: how a restarted queue knows which runs are alive."""
    return f"run {task_id} {lease}"


def runs_in(labels: Iterable[str]) -> frozenset[tuple[str, int]]:
    """The (task id, lease) of every label that is a run."""
    parts = (label.split(" ") for label in labels)
    return frozenset((part[1], int(part[2])) for part in parts if len(part) == 3 and part[0] == "run")


class Queue(Actor):
    def __init__(self, journal: Journal, clock: Clock, max_pending: int) -> None:
        self._journal = journal
        self._clock = clock
        self._max_pending = max_pending
        self._backlog = Backlog()
        self._waiters: dict[str, list[From]] = defaultdict(list)
        self._leased_at: dict[str, float] = {}
        self._alarm: Timer | None = None

    async def init(self) -> None:
        opened = await self._journal.open()
        for task in load(opened.records):
            self._backlog.put(task)
        await self._recover()
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
        if task.call is not None:
            entry = interrupted(task, task.call, self._clock.wall())
            await self.named(names.LEDGER).call(Append(entry), timeout_s=None)
        status = Status.CANCELLED if task.cancel_requested else Status.PENDING
        reclaimed = _left(task, status, self._clock.wall())
        await self._journal.append(change_of(task, reclaimed))
        self._backlog.put(reclaimed)
        _log.warning("task_reclaimed", task=task.id, attempt=task.attempt, status=status.value)

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Submit(new):
                return self._submit(new, from_)
            case Take(source):
                return self._take(source, from_)
            case Begin() | Complete() | Fail() | Postpone() | Stopped():
                return self._advance(request, from_)
            case Cancel(task_id) | Retry(task_id):
                return self._command(request, task_id, from_)
            case Rescue(alive):
                return self._rescue(alive)
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
        for task in [task for task in self._backlog if task.status is Status.PENDING and task.waiting_for]:
            self._write(task, msgspec.structs.replace(task, not_before=None, waiting_for=None))
        return None

    def handle_info(self, message: Any) -> object:
        match message:
            case _Written():
                return self._written(message)
            case _Due():
                self._alarm = None
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

    def _take(self, source: Source | None, from_: From) -> object:
        task = self._backlog.next_ready(self._clock.wall(), source)
        if task is None:
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

    def _await(self, task_id: str, from_: From) -> object:
        task = self._backlog.get(task_id)
        if task is None or task.status in FINAL:
            return task or NoSuchTask(task_id)
        self._waiters[task_id].append(from_)
        return NO_REPLY

    def _rescue(self, alive: frozenset[tuple[str, int]]) -> int:
        old = self._clock.monotonic() - GRACE_BEFORE_RESCUE_S
        orphans = [
            task
            for task in self._backlog
            if task.status is Status.PROCESSING
            and (task.id, task.lease) not in alive
            and self._leased_at.get(task.id, old) <= old
        ]
        for task in orphans:
            status = Status.CANCELLED if task.cancel_requested else Status.PENDING
            self._write(task, _left(task, status, self._clock.wall()))
        return len(orphans)

    # Writing

    def _write(self, old: Task | None, new: Task, from_: From | None = None, answer: object = None) -> None:
        """The change counts at once for everybody who asks; it is answered and acted on when it is on disk."""
        self._backlog.put(new)
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
        return None

    def _take_back(self, written: _Written) -> None:
        """The disk refused: the task is what it was before, unless it has moved on meanwhile."""
        if self._backlog.get(written.new.id) is written.new:
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
        moment = self._backlog.next_moment()
        if moment is not None:
            self._alarm = self.send_after(min(max(0.0, moment - self._clock.wall()), 60.0), _Due())


def advanced(task: Task, request: Begin | Complete | Fail | Postpone | Stopped, now: float) -> Task:
    """The task after a message of its run. Pure."""
    replace = msgspec.structs.replace
    match request:
        case Begin(call=call, classification=judged, tier_floor=floor, failures=failures, anew=anew):
            return replace(
                task,
                call=call,
                classification=judged or task.classification,
                tier_floor=floor or task.tier_floor,
                failures=failures,
                attempt=task.attempt + 1 if anew else task.attempt,
            )
        case Complete(answer=answer):
            done = replace(task, status=Status.DONE, call=None, failure=None, cancel_requested=False)
            return replace(done, answer=answer, finished_at=rfc3339(now))
        case Fail(failure=failure):
            return replace(task, status=Status.FAILED, call=None, failure=failure, finished_at=rfc3339(now))
        case Postpone(not_before=moment, waiting_for=reason, failures=failures, failure=failure, classification=judged):
            if task.cancel_requested:
                return _left(task, Status.CANCELLED, now)
            waiting = replace(_left(task, Status.PENDING, now), not_before=moment, waiting_for=reason)
            return replace(
                waiting,
                failures=failures,
                failure=failure or task.failure,
                classification=judged or task.classification,
            )
        case Stopped():
            return _left(task, Status.CANCELLED if task.cancel_requested else Status.PENDING, now)


def commanded(task: Task, wanted: Status, now: float) -> Task:
    """A task that is not running, cancelled or sent round again by hand: with a clean slate, but its number goes on."""
    if wanted is Status.CANCELLED:
        return _left(task, Status.CANCELLED, now)
    fresh = _left(task, Status.PENDING, now)
    return msgspec.structs.replace(
        fresh, failures=0, failure=None, answer=None, finished_at=None, tier_floor=None, cancel_requested=False
    )


def _left(task: Task, status: Status, now: float) -> Task:
    """No run holds the task any more."""
    return msgspec.structs.replace(
        task,
        status=status,
        call=None,
        not_before=None,
        waiting_for=None,
        cancel_requested=False,
        finished_at=rfc3339(now) if status in FINAL else None,
    )
