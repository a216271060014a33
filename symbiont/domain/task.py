"""A task: what somebody asked for, and where it stands.

States and their legal transitions are the table `TRANSITIONS`; nothing else may change a status.
Waiting (for a limit, a backoff, a schedule) is no state of its own but a reason of `pending`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

Source = Literal["direct", "queued"]
Confidence = Literal["low", "medium", "high"]
Billing = Literal["api", "subscription", "own", "rehearsal"]


class Status(StrEnum):
    PENDING = "pending"  # on disk, waiting for a worker or for a moment
    PROCESSING = "processing"  # leased to a run of its life
    DONE = "done"  # answered
    FAILED = "failed"  # given up; the whole story is kept
    CANCELLED = "cancelled"  # stopped by hand


class Priority(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.PENDING, Status.DONE, Status.FAILED, Status.CANCELLED}),
    Status.DONE: frozenset(),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}

AFTER_FAILURE = "another try after"
"""How the reason begins that a task gives for waiting between two tries."""

SCHEDULED = "its time"
"""What a task waits for that was asked to run later: no limit, so that nobody lifts it by hand."""

STORY_LENGTH = 32
"""How many of its latest calls a task remembers; the ledger has them all."""

FINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})


def may_become(old: Status, new: Status) -> bool:
    """Whether a task in `old` may be moved to `new`."""
    return new in TRANSITIONS[old]


class Classification(msgspec.Struct, frozen=True):
    """Which tier a task needs, how sure the judge was, why, and who judged.

    `source`: `model` (the classifier model answered), `heuristic` (no model could, rules did),
    `forced` (the caller chose), `default` (classification failed; `reason` says how).
    """

    tier: str
    confidence: Confidence
    reason: str
    task_type: str
    source: Literal["model", "heuristic", "forced", "default"]


class Answer(msgspec.Struct, frozen=True):
    """What a finished task leaves: the text and the figures of the call that produced it.

    `estimated_cost_usd` is 0 where the ledger says null; then `is_cost_unknown`.
    """

    text: str
    tier: str
    model_id: str
    worker: str
    billing: Billing
    elapsed_seconds: float
    input_tokens: int
    output_tokens: int
    estimated_cost_usd: float
    timestamp: str
    is_cost_unknown: bool = False


class Failure(msgspec.Struct, frozen=True):
    """Why a task failed or last went wrong: an outcome code and the text behind it."""

    code: str
    detail: str


class Share(msgspec.Struct, frozen=True):
    """A task's part in a model call that it shares with others: which call, which of so many."""

    call: str
    number: int
    of: int


class OpenCall(msgspec.Struct, frozen=True):
    """A model call that was begun and not yet settled: what a restart finds of a call that kill -9 cut off.

    `billing` is what the worker expected before it began, `upper_bound_usd` the most that it was expected to cost. `shared` is
    there if it is one call for several tasks.
    """

    kind: Literal["task", "classify", "judge"]
    tier: str
    worker: str
    model: str
    began_at: str
    billing: Billing = "subscription"
    upper_bound_usd: float = 0.0
    shared: Share | None = None


class Try(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One model call of a task's story: what it came to, when it ended, how long it took, what it cost (None: unknown).

    `shares`: so many tasks shared it, and the cost is this one's share; 0 if it was this task's alone.
    """

    attempt: int
    kind: Literal["task", "classify", "judge"]
    tier: str
    worker: str
    outcome: str
    at: str
    elapsed_seconds: float
    cost_usd: float | None
    detail: str = ""
    shares: int = 0


class NewTask(msgspec.Struct, frozen=True):
    """A request that passed validation, before it has an id.

    `key` makes it one task however often it is sent (within its project). It runs at `run_at` (epoch seconds) or `delay_s`
    seconds after it was recorded, as soon as possible without either.
    """

    task: str
    source: Source
    force_tier: str | None = None
    priority: Priority = Priority.NORMAL
    project: str = ""
    webhook_url: str = ""
    key: str = ""
    run_at: float | None = None
    delay_s: float | None = None


class Task(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A task as the queue knows it. The first four fields are the classic ones of `queue.jsonl`.

    `attempt` numbers its leases and the model calls within them (1 = first); one that made no call leaves a gap. `lease` is the attempt its current run began with and fences
    the runs: only the one that holds it may change the task. `failures` counts used-up tries; waiting for a limit is none. `rescues` counts the
    runs it lost with a call under way; `story` has its latest calls, oldest first. `key`, `run_at`, `delay_s` are as they were asked for; `position` is what a repeated
    submission is told. `finish` numbers the ends of tasks, growing over all of a queue (see `finishes.py`); `webhook_url` is who is told of it.
    Times: `created_at`, `finished_at` RFC 3339 UTC; `not_before`, `run_at` epoch seconds. A hundred thousand of them are no concern of the garbage
    collector: no value in here refers back.
    """

    id: str
    task: str
    created_at: str
    status: Status
    source: Source = "queued"
    force_tier: str | None = None
    priority: Priority = Priority.NORMAL
    project: str = ""
    attempt: int = 0
    lease: int = 0
    failures: int = 0
    tier_floor: str | None = None
    not_before: float | None = None
    waiting_for: str | None = None
    classification: Classification | None = None
    call: OpenCall | None = None
    cancel_requested: bool = False
    answer: Answer | None = None
    failure: Failure | None = None
    finished_at: str | None = None
    finish: int = 0
    webhook_url: str = ""
    key: str = ""
    position: int = 0
    run_at: float | None = None
    delay_s: float | None = None
    rescues: int = 0
    story: tuple[Try, ...] = ()


def attempts_made(story: Sequence[Try]) -> int:
    """How many attempts have made a call; of one whose story is full, those before it count too."""
    forgotten = story[0].attempt - 1 if len(story) >= STORY_LENGTH else 0
    return forgotten + len({one.attempt for one in story})


def asked_for(task: Task) -> NewTask:
    """The request that made this task."""
    return NewTask(
        task=task.task,
        source=task.source,
        force_tier=task.force_tier,
        priority=task.priority,
        project=task.project,
        webhook_url=task.webhook_url,
        key=task.key,
        run_at=task.run_at,
        delay_s=task.delay_s,
    )


def is_same_request(task: Task, new: NewTask) -> bool:
    """Whether `new` asks for what `task` was asked for, whichever way either came in."""
    return asked_for(task) == msgspec.structs.replace(new, source=task.source)
