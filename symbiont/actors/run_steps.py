"""What the run of a task tells the queue, and what the task is after it. Pure: messages, and functions from task to task.

Guarantees: every change of a task's status that a run or a command leads to is made here, and leaves no field behind that
belongs to the status before. Does not check whether the change is allowed: the queue does, by lease and transition.
"""

from collections.abc import Iterable

import msgspec

from supervisors import Request
from symbiont.actors.ledger import Refused
from symbiont.domain.moment import rfc3339
from symbiont.domain.outcome import Interrupted
from symbiont.domain.retry import RetryHere, RetryPolicy, decide
from symbiont.domain.task import AFTER_FAILURE, FINAL, Answer, Classification, Failure, OpenCall, Status, Task


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
    tier_floor: str | None = None


class Stopped(msgspec.Struct, Request[Task | Stale | Refused], frozen=True):
    """The run was stopped from outside: cancelled if somebody asked for that, else pending again and no try used up."""

    id: str
    lease: int


def run_label(task_id: str, lease: int) -> str:
    """The label of a run among the supervised tasks: how a restarted queue knows which runs are alive."""
    return f"run {task_id} {lease}"


def runs_in(labels: Iterable[str]) -> frozenset[tuple[str, int]]:
    """The (task id, lease) of every label that is a run."""
    parts = (label.split(" ") for label in labels)
    return frozenset((part[1], int(part[2])) for part in parts if len(part) == 3 and part[0] == "run")


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


def reclaimed(task: Task, policy: RetryPolicy, now: float) -> Task:
    """The task after its run was lost. A call it had under way uses up a try: it may be what brings the process down."""
    if task.call is None or task.cancel_requested:
        return advanced(task, Stopped(task.id, task.lease), now)
    failure = Failure("INTERRUPTED", "the process that ran the call ended before the call did")
    outcome = Interrupted(failure.detail)
    match decide(outcome, failures=task.failures, can_escalate=False, policy=policy):
        case RetryHere(after_s):
            reason, tries = retry_reason(failure), task.failures + 1
            return advanced(task, Postpone(task.id, task.lease, now + after_s, reason, tries, failure), now)
        case _:
            return advanced(task, Fail(task.id, task.lease, failure), now)


def retry_reason(failure: Failure) -> str:
    """What a task says it waits for between two tries."""
    return f"{AFTER_FAILURE} {failure.code}"


def commanded(task: Task, wanted: Status, now: float) -> Task:
    """A task that is not running, cancelled or sent round again by hand: with a clean slate, but its number goes on."""
    if wanted is Status.CANCELLED:
        return left(task, Status.CANCELLED, now)
    fresh = left(task, Status.PENDING, now)
    return msgspec.structs.replace(
        fresh, failures=0, failure=None, answer=None, finished_at=None, tier_floor=None, cancel_requested=False
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
