"""A line of the ledger: one model call.

Guarantees: a line reads in the order of `Entry`; lines with the eight classic fields alone load and count; unknown fields
(the chain's `seq`, `batch`, `hash`, and whatever a later version adds) are ignored.
Does not touch a file and does not chain lines: the journal does. What many lines come to is in `totals.py`.
"""

import math
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Billing

PREVIEW_CHARS = 80
_PREVIEW_SCAN_CHARS = 1_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model call, or the share of one task in a call for several. The first eight fields are the classic ones; their names, order and meaning are fixed.

    `timestamp` is RFC 3339 (UTC if it names no zone); `model` the tier alias, `model_id` the model that really answered;
    `estimated_cost_usd` is what the tokens cost by `price_table`, None if unknown (a call cut off by a crash);
    `reported_cost_usd` is what the worker says it cost; `upper_bound_usd`, there on calls of unknown cost alone, the most
    that such a call was expected to cost before it was made. `shared_call`, `share` (from 1) and `shares` are there on shares
    alone: lines of one `shared_call` are one call, and their tokens and costs come to what that consumed. Raises `ValueError` for a timestamp or a duration that is none.
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
    upper_bound_usd: float | msgspec.UnsetType = msgspec.UNSET
    shared_call: str | msgspec.UnsetType = msgspec.UNSET
    share: int | msgspec.UnsetType = msgspec.UNSET
    shares: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        # JSON has no infinity: such an entry could be written, but never be read again
        if not math.isfinite(self.elapsed_seconds):
            raise ValueError(f"expected elapsed_seconds to be a finite number, got: {self.elapsed_seconds}")
        utc_date(self.timestamp)

    @property
    def bound_usd(self) -> float:
        """`upper_bound_usd`, 0 if nobody had an expectation."""
        return 0.0 if isinstance(self.upper_bound_usd, msgspec.UnsetType) else self.upper_bound_usd

    @property
    def calls(self) -> int:
        """How many calls this line stands for: none if another share of the same call stands for it."""
        return 1 if isinstance(self.share, msgspec.UnsetType) or self.share <= 1 else 0


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


def fingerprint(entry: Entry) -> bytes:
    """The same for two lines that say the same, however they were written; what tells lines apart that have no identity."""
    return blake2b(encode(entry), digest_size=16).digest()


def utc(timestamp: str) -> datetime:
    """The moment of an RFC 3339 timestamp. Raises `ValueError` if it is none."""
    moment = datetime.fromisoformat(timestamp)
    # earlier versions wrote UTC without saying so
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_date(timestamp: str) -> str:
    """The UTC day (`2026-03-19`) of an RFC 3339 timestamp. Raises `ValueError` if it is none."""
    return utc(timestamp).date().isoformat()


def utc_hour(timestamp: str) -> str:
    """The UTC hour (`2026-03-19T14`) of an RFC 3339 timestamp. Raises `ValueError` if it is none."""
    return utc(timestamp).strftime("%Y-%m-%dT%H")
