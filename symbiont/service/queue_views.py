"""What leaves the process about the queue as a whole: bulk commands, switches."""

import msgspec


class BulkAnswer(msgspec.Struct, frozen=True):
    """`POST /tasks/retry|cancel|prune`: to which tasks the command applied (`dry_run`: would apply), oldest first.

    `refused` are those of them that the disk did not take. `is_all` false: more match than `limit`.
    """

    verb: str
    dry_run: bool
    count: int
    ids: tuple[str, ...]
    refused: tuple[str, ...]
    is_all: bool


class QueueState(msgspec.Struct, frozen=True):
    """The whole queue (`project` null) or one project: `running`, `paused`, `draining` (some still run) or `drained`; since when, and what waits and runs."""

    project: str | None
    state: str
    since: str | None
    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int


class QueueStatus(msgspec.Struct, frozen=True):
    """`GET /queue/status`: the whole queue, and every project that has tasks or is stopped."""

    queue: QueueState
    projects: tuple[QueueState, ...]
