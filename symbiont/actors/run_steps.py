"""What the run of a task tells the queue, and what the task is after it. Pure: messages, and functions from task to task.

Guarantees: every change of a task's status that a run or a command leads to is made here, and leaves no field behind that
belongs to the status before. Does not check whether the change is allowed: the queue does, by lease and transition.
"""

from collections.abc import Iterable

import msgspec

from supervisors import Request
from symbiont.actors.ledger import Refused
from symbiont.domain.moment import epoch_s, rfc3339
from symbiont.domain.outcome import Interrupted
from symbiont.domain.retry import RetryHere, RetryPolicy, decide
from symbiont.domain.task import (
    AFTER_FAILURE,
    FINAL,
    SCHEDULED,
    STORY_LENGTH,
    Answer,
    Classification,
    Failure,
    NewTask,
    OpenCall,
    Status,
    Task,
    Try,
    may_become,
)


class Stale(msgspec.Struct, frozen=True):
    """The lease is not the current one any more; nothing was changed."""

    id: str


class Begin(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """A model call is about to be made: write that down first. `anew` starts another attempt within the same lease."""

    id: str
    lease: int
    call: OpenCall
    classification: Classification | None = None
    tier_floor: str | None = None
    failures: int = 0
    anew: bool = False
    tries: tuple[Try, ...] = ()


class Complete(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    id: str
    lease: int
    answer: Answer
    tries: tuple[Try, ...] = ()


class Fail(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    id: str
    lease: int
    failure: Failure
    tries: tuple[Try, ...] = ()


class Postpone(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """Back to pending until `not_before` (epoch seconds). `failures` is the number of tries used up by now."""

    id: str
    lease: int
    not_before: float | None
    waiting_for: str | None
    failures: int
    failure: Failure | None = None
    classification: Classification | None = None
    tier_floor: str | None = None
    tries: tuple[Try, ...] = ()


class Stopped(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """The run was stopped from outside: cancelled if somebody asked for that, else pending again and no try used up."""

    id: str
    lease: int
    tries: tuple[Try, ...] = ()


def run_label(task_id: str, lease: int) -> str:
    """The label of a run among the supervised tasks: how a restarted queue knows which runs are alive."""
    return f"run {task_id} {lease}"


def runs_in(labels: Iterable[str]) -> frozenset[tuple[str, int]]:
    """The (task id, lease) of every label that is a run."""
    parts = (label.split(" ") for label in labels)
    return frozenset((part[1], int(part[2])) for part in parts if len(part) == 3 and part[0] == "run")


def advanced(task: Task, request: Begin | Complete | Fail | Postpone | Stopped, now: float) -> Task:
    """The task after a message of its run, with the calls it tells of in its story. Pure."""
    if request.tries:
        task = msgspec.structs.replace(task, story=(*task.story, *request.tries)[-STORY_LENGTH:])
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
            failed = replace(task, status=Status.FAILED, call=None, failure=failure, cancel_requested=False)
            return replace(failed, finished_at=rfc3339(now))
        case Postpone(not_before=moment, waiting_for=reason):
            if task.cancel_requested:
                return left(task, Status.CANCELLED, now)
            waiting = replace(left(task, Status.PENDING, now), not_before=moment, waiting_for=reason)
            return replace(
                waiting,
                failures=request.failures,
                failure=request.failure or task.failure,
                classification=request.classification or task.classification,
                tier_floor=request.tier_floor or task.tier_floor,
            )
        case Stopped():
            return left(task, Status.CANCELLED if task.cancel_requested else Status.PENDING, now)


def reclaimed(task: Task, policy: RetryPolicy, max_rescues: int, now: float) -> Task:
    """The task after its run was lost. A call it had under way uses up a try: it may be what brings the process down.

    One that has lost more than `max_rescues` runs that way is given up as `POISON`.
    """
    call = task.call
    if call is None:
        return advanced(task, Stopped(task.id, task.lease), now)
    failure = Failure("INTERRUPTED", "the process that ran the call ended before the call did")
    tries = (_lost(task, call, now),)
    if task.cancel_requested:
        return advanced(task, Stopped(task.id, task.lease, tries), now)
    if task.rescues >= max_rescues:
        detail = f"its run was lost {task.rescues + 1} times with a call under way"
        return advanced(task, Fail(task.id, task.lease, Failure("POISON", detail), tries), now)
    rescued = msgspec.structs.replace(task, rescues=task.rescues + 1)
    outcome = Interrupted(failure.detail)
    match decide(outcome, failures=task.failures, can_escalate=False, policy=policy):
        case RetryHere(after_s):
            reason, used_up = retry_reason(failure), task.failures + 1
            again = Postpone(task.id, task.lease, now + after_s, reason, used_up, failure, tries=tries)
            return advanced(rescued, again, now)
        case _:
            return advanced(rescued, Fail(task.id, task.lease, failure, tries), now)


def _lost(task: Task, call: OpenCall, now: float) -> Try:
    elapsed_s = round(max(0.0, now - epoch_s(call.began_at)), 3)
    return Try(task.attempt, call.kind, call.tier, call.worker, "INTERRUPTED", rfc3339(now), elapsed_s, None)


def retry_reason(failure: Failure) -> str:
    """What a task says it waits for between two tries."""
    return f"{AFTER_FAILURE} {failure.code}"


def commanded(task: Task, wanted: Status, now: float) -> Task:
    """A task that is not running, cancelled or sent round again by hand: with a clean slate, but its number goes on."""
    if wanted is Status.CANCELLED:
        return left(task, Status.CANCELLED, now)
    fresh = left(task, Status.PENDING, now)
    return msgspec.structs.replace(
        fresh,
        failures=0,
        rescues=0,
        failure=None,
        answer=None,
        finished_at=None,
        tier_floor=None,
        cancel_requested=False,
    )


def may_be_commanded(task: Task, wanted: Status) -> bool:
    """Whether somebody may cancel it (`CANCELLED`) or send it round again (`PENDING`) by hand."""
    return may_become(task.status, wanted) and not (task.status is Status.PROCESSING and wanted is Status.PENDING)


def recorded(new: NewTask, task_id: str, position: int, now: float) -> Task:
    """The task that a request becomes."""
    moment = new.run_at if new.delay_s is None else now + new.delay_s
    is_later = moment is not None and moment > now
    return Task(
        id=task_id,
        task=new.task,
        created_at=rfc3339(now),
        status=Status.PENDING,
        source=new.source,
        force_tier=new.force_tier,
        priority=new.priority,
        project=new.project,
        webhook_url=new.webhook_url,
        not_before=moment if is_later else None,
        waiting_for=SCHEDULED if is_later else None,
        key=new.key,
        position=position if new.key else 0,
        run_at=new.run_at,
        delay_s=new.delay_s,
    )


def left(task: Task, status: Status, now: float) -> Task:
    """The task as no run holds it any more."""
    return msgspec.structs.replace(
        task,
        status=status,
        call=None,
        not_before=None,
        waiting_for=None,
        cancel_requested=False,
        finished_at=rfc3339(now) if status in FINAL else None,
    )
