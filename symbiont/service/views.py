"""The structs that leave the process. What HTTP answers, what the CLI prints with `--json`, and what the docs show are these.

The first six keep shapes that existing callers depend on, field for field; fields may be added behind them, never changed.
Times are RFC 3339 UTC with a `Z`; money is in USD; `_seconds` are seconds.
"""

import msgspec

from symbiont.domain.task import Classification, Failure, Try


class TaskAnswer(msgspec.Struct, frozen=True):
    """`POST /task`: the finished task. `model` is the tier that answered.

    `estimated_cost_usd` is 0 where nobody knows what the call cost; then, and only then, `is_cost_unknown` is there.
    """

    id: str
    task: str
    model: str
    result: str
    elapsed_seconds: float
    input_tokens: int
    output_tokens: int
    estimated_cost_usd: float
    timestamp: str
    billing: str
    is_cost_unknown: bool = False


class Queued(msgspec.Struct, frozen=True):
    """`POST /queue`: accepted and on disk; `position` counts from 1 among the pending tasks."""

    id: str
    status: str
    position: int


class ModelTotal(msgspec.Struct, frozen=True):
    calls: int
    cost: float


class TierUsage(msgspec.Struct, frozen=True):
    calls_today: int
    tokens_used: int


class Limit(msgspec.Struct, frozen=True):
    """A limit in force: whose (`worker`, `tiers` it closes), which, and when it is expected to end (None: unknown)."""

    worker: str
    limit: str
    tiers: tuple[str, ...]
    resets_at: str | None


class Status(msgspec.Struct, frozen=True):
    """`GET /status`. Encoded flat, with one more field `<tier>_usage` (a `TierUsage`) for every configured tier."""

    status: str
    runtime: str
    api_uptime_seconds: int
    rate_limited: bool
    queue_size: int
    last_heartbeat: str | None
    total_calls: int
    total_cost_estimated_usd: float
    by_model: dict[str, ModelTotal]
    tier_usage: dict[str, TierUsage]
    version: str
    processing: int
    limits: tuple[Limit, ...]
    workers: tuple[str, ...]
    rehearsal: ModelTotal
    problems: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """`GET /health`. `status` is `ok`, or `damaged` while a journal takes nothing; then `problems` says which, and what mends it."""

    runtime: str
    status: str
    problems: tuple[str, ...] = ()


class LedgerPage(msgspec.Struct, frozen=True):
    """`GET /ledger?limit=`: the calls as the ledger has them, without the chain's `seq`, `batch` and `hash`;
    newest last.
    """

    entries: tuple[msgspec.Raw, ...]
    count: int


class LedgerStats(msgspec.Struct, frozen=True):
    """`GET /ledger/stats`. Rehearsal lines count in `rehearsal` only, interrupted calls (cost unknown) in `unknown_cost_calls`."""

    total_calls: int
    total_cost_estimated_usd: float
    by_model: dict[str, ModelTotal]
    by_date: dict[str, ModelTotal]
    rehearsal: ModelTotal
    unknown_cost_calls: int


class TaskView(msgspec.Struct, frozen=True):
    """`GET /task/{id}`: everything known about one task.

    `story`: its latest calls, oldest first, each with its outcome, time and cost (null: unknown). `rescues`: how often its run was lost.
    """

    id: str
    task: str
    status: str
    created_at: str
    source: str
    priority: str
    attempt: int
    force_tier: str | None
    project: str
    classification: Classification | None
    waiting_for: str | None
    not_before: str | None
    answer: TaskAnswer | None
    failure: Failure | None
    finished_at: str | None
    idempotency_key: str | None = None
    run_at: str | None = None
    rescues: int = 0
    story: tuple[Try, ...] = ()


class TaskList(msgspec.Struct, frozen=True):
    """`GET /queue?status=`: newest last, at most `limit` of `total`. Texts are cut to 200 characters
    and stories left out; a task alone is whole.
    """

    tasks: tuple[TaskView, ...]
    count: int
    total: int


class TaskChanged(msgspec.Struct, frozen=True):
    """`POST /queue/{id}/cancel|retry`: the state after the command (a running task may still be `processing` while it stops)."""

    id: str
    status: str


class Beat(msgspec.Struct, frozen=True):
    """`POST /heartbeat` and a line of `heartbeat.jsonl`."""

    timestamp: str
    status: str
    checks: dict[str, bool]
    disk_free_bytes: int
    queue_size: int
    processing: int
    tasks_processed: int
    rescued: int


class Woken(msgspec.Struct, frozen=True):
    """`POST /wake`: which limits were lifted by hand."""

    lifted: tuple[Limit, ...]


class DryRun(msgspec.Struct, frozen=True):
    """`POST /task?dry_run=true`: what would be sent where, and what it would cost (None: the model has no
    price). No model is called, nothing is recorded.
    """

    task: str
    model: str
    model_id: str
    confidence: str
    reason: str
    classified_by: str
    input_tokens: int
    output_tokens: int
    estimated_cost_usd: float | None


class ErrorBody(msgspec.Struct, frozen=True):
    """Every error: a text for people, a stable code for programs, and what helps to mend it."""

    error: str
    code: str
    details: msgspec.Raw
