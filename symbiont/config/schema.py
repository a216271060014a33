"""Every setting: its effect, its default, its trade-off. Values only; where they come from is `load.py`.

Units stand in the names: `_s` seconds, `_usd`, `_bytes`, `_chars`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from symbiont.domain.budget import Budget
from symbiont.domain.schedule import Schedule
from symbiont.domain.tier import Tier

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[float, Meta(gt=0, le=31_536_000)]
"""Seconds; nothing here takes longer than a year."""
NotNegative = Annotated[float, Meta(ge=0, le=31_536_000)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base: unknown keys are errors."""


class Server(_Section, frozen=True):
    """Where the API listens and how much it takes."""

    host: str = "127.0.0.1"
    """Address to bind. Anything but loopback is refused until API keys exist."""

    port: Port = 8111
    """TCP port; 0 picks a free one (the banner and `server.json` in the data directory tell which)."""

    max_body_bytes: Annotated[int, Meta(ge=1, le=100_000_000)] = 2_000_000
    """Largest request body; larger ones get BODY_TOO_LARGE before they are read to the end."""

    max_in_flight: Annotated[int, Meta(ge=1, le=100_000)] = 512
    """Requests worked on at a time; more get OVER_CAPACITY at once instead of queueing without bound. Those that wait for
    a task take at most three quarters of it. Twice as many connections may be open."""

    wait_s: Positive = 900.0
    """How long `POST /task` keeps a caller waiting before it answers STILL_PENDING; the task goes on."""


class Dispatch(_Section, frozen=True):
    """Who runs tasks, and how hard it tries."""

    worker: Literal["auto", "claude", "rehearsal"] = "auto"
    """`auto`: the Claude Code CLI if it is found, else rehearsal; but where `claude_cli` is set and not found, tasks fail
    with CLI_MISSING instead of being rehearsed. `claude` and `rehearsal` insist."""

    claude_cli: str = "claude"
    """The Claude Code executable: a name on PATH or a path."""

    slots: Annotated[int, Meta(ge=0, le=1_024)] = 0
    """CLIs at a time, ~200–290 MB each; 0 = number of cores. More than the cores is slower, not faster."""

    default_tier: str = "haiku"
    """Tier of a task whose classification failed."""

    timeout_s: Positive = 600.0
    """Longest time one model call may take in all."""

    idle_timeout_s: Positive = 180.0
    """Longest silence within a call; a stalled stream is given up after it."""

    stop_grace_s: Positive = 5.0
    """Seconds a CLI gets to end after SIGINT, before SIGTERM and (3 s later) SIGKILL."""

    max_task_chars: Count = 400_000
    """Longest task text; longer ones are refused (TASK_TOO_LONG)."""

    max_pending: Count = 100_000
    """Pending tasks the queue holds; more are refused (STORAGE_REFUSED) instead of filling memory."""

    max_attempts: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Tries before a task fails, those one tier up included; classifying and waiting for a limit do not count."""

    backoff_base_s: Positive = 2.0
    """First pause after a failure that may pass; it doubles with every further one."""

    backoff_max_s: Positive = 300.0
    """Longest such pause."""

    backoff_jitter: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Share of a pause that a random time may add, so that what an outage met at one time does not come back at one time."""


class Queue(_Section, frozen=True):
    """In which order tasks are taken, and how long they and their keys are kept."""

    drain: Literal["continuous", "heartbeat"] = "continuous"
    """When queued tasks are taken: `continuous`, as slots free up, or `heartbeat`, only when it sweeps. Direct tasks never wait
    for a sweep."""

    max_queue_batch: Count = 5
    """With `drain = "heartbeat"`: queued tasks taken per sweep at most."""

    ageing_s: Positive = 600.0
    """For each of these spans that a task waits it gains a rank (low, normal, high, critical), so that none starves."""

    max_rescues: Annotated[int, Meta(ge=0, le=1_000)] = 3
    """How often a task may lose its run with a call under way; once more, and it fails as POISON."""

    idempotency_window_s: Positive = 86_400.0
    """How long an idempotency key goes on meaning its task after that has ended; as long the task is kept."""

    keep_s: Positive = 604_800.0
    """How long ended tasks and their results are kept."""

    keep_count: Count = 10_000
    """Ended tasks kept at most; the longest ended go first."""


class Batching(_Section, frozen=True):
    """Several small queued tasks of one project and one kind in one call; each gets its own answer and bears its share of the cost."""

    enabled: bool = False
    """Whether tasks share calls at all. What does not work in company is called once more alone."""

    max_tasks: Annotated[int, Meta(ge=2, le=100)] = 10
    """How many tasks share a call at most."""

    max_task_chars: Count = 1_000
    """A task with more characters is not small: it gets a call of its own."""

    patience_s: Annotated[float, Meta(ge=0, le=600)] = 1.0
    """How long a task waits for others when a slot is free."""

    task_types: str = ""
    """Only tasks of these types, as the classifier calls them (`translation extraction`), share a call. Empty = all; a task whose
    tier was forced is of type `general`."""


class Routing(_Section, frozen=True):
    """How a tier is chosen."""

    classifier_tier: str = "haiku"
    """Tier whose model classifies."""

    classify_timeout_s: Positive = 30.0
    """Longest time a classification may take before the default tier is taken."""

    classify_chars: Count = 8_000
    """How much of a task the classifier sees (its head and its tail); the rest would cost more than it tells."""

    low_confidence: Literal["up", "stay"] = "up"
    """What a classification of low confidence does: one tier `up` (dearer, safer) or `stay`."""


class Limits(_Section, frozen=True):
    """Usage limits and rate limits."""

    wake_jitter_s: NotNegative = 5.0
    """After a reset, wait a random time up to this before the one probe task goes out."""

    unknown_reset_s: Positive = 900.0
    """How long to wait when a limit does not say when it ends."""

    rate_backoff_base_s: Positive = 30.0
    """First pause of a model whose requests are refused for their rate; doubles, see the next."""

    rate_backoff_max_s: Positive = 900.0
    """Longest such pause, and longest pause of a worker that is out of order."""

    account_pause_s: Positive = 60.0
    """First pause of a worker that is out of order (credential or credit refused, CLI missing, three calls in a row that reached
    nobody), so that no outage burns the queue; it doubles while it lasts."""


class Heartbeat(_Section, frozen=True):
    interval_s: Positive = 300.0
    """Seconds between health checks and sweeps."""

    min_free_bytes: Bytes = 100_000_000
    """Less free disk than this makes the status `degraded`."""


class Endpoint(_Section, frozen=True):
    """`[[webhooks.endpoints]]`: who is told of what, signed by the Standard Webhooks specification. No events or projects = all.

    A secret (`whsec_…`, one a line, the newest first: all sign, so that one can be exchanged for another) stands in a file or
    in an environment variable, never here. `max_attempts` tries of one message take about a day.
    """

    name: str
    url: str
    secret_file: str = ""
    secret_env: str = ""
    events: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    include_result: bool = False
    allow_http: bool = False
    allow_private: bool = False
    timeout_s: Positive = 15.0
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 11
    disable_after_s: Positive = 432_000.0


class Webhooks(_Section, frozen=True):
    """Who is told that a task is over or a limit near. Nothing configured = nothing done."""

    max_in_flight: Annotated[int, Meta(ge=1, le=256)] = 8
    """Deliveries at a time; of one endpoint always one."""

    allow_task_urls: bool = False
    """Whether a task may bring an address (`webhook_url`) that is told of its end. Whoever can submit tasks can then have
    this machine send requests; by default only https, to public addresses."""

    task_secret_file: str = ""
    """File with the secrets (`whsec_…`, one a line) that sign for these addresses."""

    task_secret_env: str = ""
    """The same as an environment variable. One of the two is needed with `allow_task_urls`."""

    task_include_result: bool = False
    """Whether these addresses are told the task and its answer, too."""

    allow_task_http: bool = False
    """Whether these addresses may be plain http: anybody on the way can read what is told."""

    allow_task_private: bool = False
    """Whether these addresses may be private or local: then a task can reach whatever this machine can."""

    task_timeout_s: Positive = 15.0
    """Longest time one try of such an address may take."""

    endpoints: tuple[Endpoint, ...] = ()


class Supervision(_Section, frozen=True):
    """Restart budget of the tree; spent, the process exits non-zero and the service manager takes over."""

    max_restarts: Annotated[int, Meta(ge=0, le=10_000)] = 3
    within_s: Positive = 60.0
    shutdown_s: Positive = 20.0
    """Longest orderly shutdown; then the process exits anyway."""


class Logging(_Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """`auto`: console on a terminal, JSON lines otherwise."""


class Config(_Section, frozen=True):
    """The whole configuration. `data_dir` and `prices_file` empty = the platform's state directory, the built-in table."""

    data_dir: str = ""
    prices_file: str = ""
    server: Server = Server()
    dispatch: Dispatch = Dispatch()
    queue: Queue = Queue()
    batching: Batching = Batching()
    routing: Routing = Routing()
    limits: Limits = Limits()
    heartbeat: Heartbeat = Heartbeat()
    webhooks: Webhooks = Webhooks()
    supervision: Supervision = Supervision()
    logging: Logging = Logging()
    tiers: tuple[Tier, ...] = ()
    """Empty = the built-in table (haiku, sonnet, opus)."""

    budgets: tuple[Budget, ...] = ()
    """How much may be spent in a day or a month, in all, by project or by tier. Empty = as much as the tasks cost."""

    schedules: tuple[Schedule, ...] = ()
    """What is to be done when, once at each moment, over restarts and jumps of the clock. Empty = nothing."""
