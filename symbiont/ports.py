"""What Symbiont needs from outside, one Protocol each, on one screen. Adapters implement them; tests bring twins.

Nothing above the adapters touches a clock, a disk, a process or a network but through these.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from symbiont.domain.ledger import Entry
from symbiont.domain.ledger_query import LedgerFilter
from symbiont.domain.outcome import Outcome
from symbiont.domain.redelivery import Told
from symbiont.domain.task import Billing, Share
from symbiont.domain.totals import Totals
from symbiont.domain.usage import ModelUsage

CallKind = Literal["task", "classify", "judge"]


class Clock(Protocol):
    """Two times that must not be mixed up."""

    def monotonic(self) -> float:
        """Seconds for ages and timeouts; never jumps."""
        ...

    def wall(self) -> float:
        """Epoch seconds for display, schedules and reset times; may jump."""
        ...


class Randomness(Protocol):
    """Jitter; a seeded one makes a run repeatable."""

    def uniform(self, low: float, high: float) -> float: ...


class ModelCall(msgspec.Struct, frozen=True):
    """One request to a model.

    `model` is what the worker is asked for, `tier` our name for its class. `system` replaces the worker's own system
    prompt. `schema` (JSON Schema) asks for a structured answer. Both timeouts are in seconds: `timeout_s` for the whole
    call, `idle_timeout_s` for the silence between two signs of life. `frugal` turns thinking down. `parts`: the requests that
    a call for several tasks is made of, by the ids under which they are asked.
    """

    task_id: str
    attempt: int
    kind: CallKind
    tier: str
    model: str
    prompt: str
    system: str
    schema: dict[str, Any] | None = None
    timeout_s: float = 600.0
    idle_timeout_s: float = 120.0
    frugal: bool = False
    parts: tuple[tuple[str, "ModelCall"], ...] = ()


class QuotaWindow(msgspec.Struct, frozen=True):
    """A live gauge of a subscription window: `used` is 0..1 if known, `resets_at` epoch seconds."""

    name: str
    status: str
    used: float | None = None
    resets_at: float | None = None


class ModelReply(msgspec.Struct, frozen=True):
    """How a call ended and what it consumed. `usage` is what is billed, whatever the outcome.

    `was_made` is false if the call ended before anything was started or sent: then it is no call, and not booked. `shared` is
    there if this is one task's share of a call for several.
    """

    outcome: Outcome
    elapsed_s: float
    billing: Billing
    usage: tuple[ModelUsage, ...] = ()
    reported_cost_usd: float | None = None
    worker_version: str = ""
    quota: tuple[QuotaWindow, ...] = ()
    was_made: bool = True
    shared: Share | None = None


class Worker(Protocol):
    """Something that runs model calls.

    `run` returns a reply for every way a call can end and raises only for bugs. Cancelling it stops the call in order
    and still *returns*, with the outcome `Cancelled` and the cost so far, or with what the call had come to just before: money
    is never lost to a cancellation.
    `billing` is how a call will be billed as far as one can tell before it; the reply knows better.
    """

    name: str
    slots: int
    billing: Billing

    async def run(self, call: ModelCall) -> ModelReply: ...


class SyncFailed(OSError):
    """The disk could not say that what was written is safe. Final for an open journal: asking again would lie.

    After a failed sync the kernel marks the pages clean; only opening anew tells what is really there.
    """


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Where a record landed: its dense number in the journal."""

    seq: int


class Damage(msgspec.Struct, frozen=True):
    """What is wrong in the middle of a journal, where no crash can have torn it: the first bad line of `file`, counted from
    1, and its byte offset. `hint` is a command that mends it.
    """

    file: str
    line: int
    offset: int
    reason: str
    hint: str


class JournalDamaged(OSError):
    """The journal was found damaged, and takes nothing until it is repaired; what it held can be read."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(errno.EROFS, damage.reason)
        self.damage = damage


class Opened(msgspec.Struct, frozen=True):
    """What came of opening a journal: the number of its last line, what had to be put aside, and what is damaged.

    With `damage` the journal is read-only: its fold knows the lines before it, and every record is refused. `missing_bytes`:
    so much shorter is the file than when it was last closed in order.
    """

    seq: int
    quarantined_bytes: int = 0
    quarantine_file: str = ""
    missing_bytes: int = 0
    damage: Damage | None = None


class Fold(Protocol):
    """What the lines of a journal come to. Fed in the journal's thread while it opens; from then on it is the opener's alone."""

    def restore(self, state: bytes) -> None:
        """Start from a checkpoint instead of from nothing. `ValueError` if it cannot be read; nothing has changed then."""
        ...

    def absorb(self, lines: Sequence[bytes]) -> None:
        """Durable lines, oldest first, in portions. `SymbiontError("DATA_CORRUPT")` if one means nothing.

        `details["index"]` then tells which of `lines` that is; those before it are taken in.
        """
        ...


class Journal(Protocol):
    """An append-only log of JSON objects, one writer, durable before it says so.

    `open` recovers, and feeds what is there to `fold`; `append` takes one JSON object without a newline and resolves when it
    is on disk (in order of the calls; many appenders share one sync); it fails with `OSError` when the disk refuses, and then
    nothing of that record remains. `close` waits for what is under way.

    A chained journal takes a `checkpoint`: `state`, of all records appended before, from which the next `open` starts. Call it
    only when all their receipts are in. A journal without a chain is made smaller by `compact`: `lines` atomically replace all
    records appended before (a line may be given as it was read). Both functions run in the journal's thread, so they may only look at values
    that do not change.

    `spoiled` resolves when a journal that was sound when it was opened is found to be damaged since; it takes nothing from then on.
    """

    async def open(self, fold: Fold) -> Opened: ...

    def append(self, record: bytes) -> "asyncio.Future[Receipt]": ...

    def checkpoint(self, state: Callable[[], bytes]) -> "asyncio.Future[Receipt]": ...

    def compact(self, lines: Callable[[], Iterable[bytes]]) -> "asyncio.Future[Receipt]": ...

    def spoiled(self) -> "asyncio.Future[Damage]": ...

    async def close(self) -> None: ...


class WorkerCheck(Protocol):
    """Whether models can be called at all (the executable is there); cheap enough for every health check.

    It may have to look at a disk, and a disk may hang: so it is awaited.
    """

    def __call__(self) -> Awaitable[bool]: ...


class Disk(Protocol):
    """What a health check asks of the machine. Raises `OSError`."""

    async def free_bytes(self) -> int: ...


class LedgerReader(Protocol):
    """The whole ledger, also what is too old to be remembered; reads beside the one who writes it.

    Raises `OSError`, and `SymbiontError("DATA_CORRUPT")` for a line that is none.
    """

    async def newest(self, wanted: LedgerFilter, limit: int) -> Sequence[Entry]:
        """The last `limit` lines that match, newest last."""
        ...

    async def totals(self, wanted: LedgerFilter) -> Totals:
        """What the lines that match come to."""
        ...

    async def missing(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those of the entries that the ledger does not have, each once."""
        ...


class Notice(msgspec.Struct, frozen=True):
    """A message for an endpoint of the configuration, or for an address that a task brought (`url`)."""

    endpoint: str
    message_id: str
    body: bytes
    url: str = ""


class Notifier(Protocol):
    """Tells endpoints what has happened; knows where they are and how to sign for them.

    `tell` tries once, within the time the endpoint is given. It returns for every way that can end, and raises only for bugs.
    """

    async def tell(self, notice: Notice) -> Told: ...
