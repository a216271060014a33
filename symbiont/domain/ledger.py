"""A line of the ledger, and the totals of many lines.

Guarantees: a line reads in the order of `Entry`; lines with the eight classic fields alone load and count; unknown fields
(the chain's `seq`, `batch`, `hash`, and whatever a later version adds) are ignored. Totals are exact (whole nano-USD), do
not depend on the order of the lines, and take memory by distinct keys, not by lines.
Does not touch a file and does not chain lines: the journal does.
"""

import math
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.price import nanos, usd
from symbiont.domain.task import Billing

PREVIEW_CHARS = 80
_PREVIEW_SCAN_CHARS = 1_000

_Key = TypeVar("_Key", bound=Hashable)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model call. The first eight fields are the classic ones; their names, order and meaning are fixed.

    `timestamp` is RFC 3339 (UTC if it names no zone); `model` the tier alias, `model_id` the model that really answered;
    `estimated_cost_usd` is what the tokens cost by `price_table`, None if unknown (a call cut off by a crash);
    `reported_cost_usd` is what the worker says it cost. Raises `ValueError` for a timestamp or a duration that is none.
    """

    timestamp: str
    model: str
    success: bool
    elapsed_seconds: float
    input_tokens: int
    output_tokens: int
    estimated_cost_usd: float | None
    prompt_preview: str
    task_id: str = ""
    attempt: int = 1
    kind: Literal["task", "classify", "judge"] = "task"
    tier: str = ""
    model_id: str = ""
    worker: str = ""
    node: str = ""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reported_cost_usd: float | None = None
    price_table: str = ""
    billing: Billing = "subscription"
    error_code: str | None = None
    project: str = ""

    def __post_init__(self) -> None:
        # JSON has no infinity: such an entry could be written, but never be read again
        if not math.isfinite(self.elapsed_seconds):
            raise ValueError(f"expected elapsed_seconds to be a finite number, got: {self.elapsed_seconds}")
        utc_date(self.timestamp)


_DECODER = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """The entry as one JSON object, in field order, without a newline."""
    return msgspec.json.encode(entry)


def decode(line: bytes) -> Entry:
    """A line of the ledger, of any version. Raises `SymbiontError("DATA_CORRUPT")` for anything that is none."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        seen = line[:PREVIEW_CHARS].decode("utf-8", "replace")
        raise SymbiontError(
            "DATA_CORRUPT",
            f"expected ledger line to be an entry ({error}), got: {seen}",
            hint="move the damaged file aside and keep it; Symbiont starts with a new one",
        ) from error


def preview(prompt: str) -> str:
    """The first 80 characters of a prompt on one line, with `…` if there is more; unprintable characters become blanks."""
    stripped = prompt.strip()
    head = "".join(char if char.isprintable() else " " for char in stripped[:_PREVIEW_SCAN_CHARS])
    line = " ".join(head.split())
    is_cut = len(line) > PREVIEW_CHARS or len(stripped) > _PREVIEW_SCAN_CHARS
    return line[:PREVIEW_CHARS] + "…" if is_cut else line


def key_of(entry: Entry) -> tuple[str, int, str]:
    """What identifies a call: task, attempt, kind. Classic lines have no task id and cannot be told apart by it."""
    return entry.task_id, entry.attempt, entry.kind


def utc_date(timestamp: str) -> str:
    """The UTC day (`2026-03-19`) of an RFC 3339 timestamp. Raises `ValueError` if it is none."""
    moment = datetime.fromisoformat(timestamp)
    # earlier versions wrote UTC without saying so
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.date().isoformat()


class Tally(msgspec.Struct, frozen=True, gc=False):
    """Calls, their cost in nano-USD as far as it is known, and their tokens (input, output and both caches)."""

    calls: int = 0
    cost_nanos: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, entry: Entry) -> "Tally":
        tokens = entry.input_tokens + entry.output_tokens + entry.cache_read_tokens + entry.cache_write_tokens
        return cls(calls=1, cost_nanos=nanos(entry.estimated_cost_usd or 0.0), tokens=tokens)

    @property
    def cost_usd(self) -> float:
        return usd(self.cost_nanos)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.calls + other.calls, self.cost_nanos + other.cost_nanos, self.tokens + other.tokens)


class Totals(msgspec.Struct):
    """The fold of a ledger. `add` takes in one entry; `+` joins two folds into a new one that shares nothing with them.

    Rehearsal counts in `rehearsal` and nowhere else. `unknown_cost_calls` are real calls without a known cost. `by_model`
    is keyed by the tier alias of a line, as it always was; lines without a tier count under that alias in `by_tier` too.
    """

    total: Tally = Tally()
    rehearsal: Tally = Tally()
    unknown_cost_calls: int = 0
    by_model: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_date: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_tier: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_kind: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_worker: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_project: dict[str, Tally] = msgspec.field(default_factory=dict[str, Tally])
    by_date_and_tier: dict[tuple[str, str], Tally] = msgspec.field(default_factory=dict[tuple[str, str], Tally])

    def add(self, entry: Entry) -> None:
        tally = Tally.of(entry)
        if entry.billing == "rehearsal":
            self.rehearsal += tally
            return
        self.total += tally
        self.unknown_cost_calls += entry.estimated_cost_usd is None
        date, tier = utc_date(entry.timestamp), entry.tier or entry.model
        _count(self.by_model, entry.model, tally)
        _count(self.by_date, date, tally)
        _count(self.by_tier, tier, tally)
        _count(self.by_kind, entry.kind, tally)
        _count(self.by_worker, entry.worker, tally)
        _count(self.by_project, entry.project, tally)
        _count(self.by_date_and_tier, (date, tier), tally)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            total=self.total + other.total,
            rehearsal=self.rehearsal + other.rehearsal,
            unknown_cost_calls=self.unknown_cost_calls + other.unknown_cost_calls,
            by_model=_joined(self.by_model, other.by_model),
            by_date=_joined(self.by_date, other.by_date),
            by_tier=_joined(self.by_tier, other.by_tier),
            by_kind=_joined(self.by_kind, other.by_kind),
            by_worker=_joined(self.by_worker, other.by_worker),
            by_project=_joined(self.by_project, other.by_project),
            by_date_and_tier=_joined(self.by_date_and_tier, other.by_date_and_tier),
        )


def _count(table: dict[_Key, Tally], key: _Key, tally: Tally) -> None:
    seen = table.get(key)
    table[key] = tally if seen is None else seen + tally


def _joined(left: dict[_Key, Tally], right: dict[_Key, Tally]) -> dict[_Key, Tally]:
    joined = dict(left)
    for key, tally in right.items():
        _count(joined, key, tally)
    return joined
