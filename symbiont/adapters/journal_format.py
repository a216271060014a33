"""The bytes of a journal: what a line is, how lines are chained, which damage is a torn tail and which is corruption.

Guarantees: pure functions of bytes; a line once written is never changed, and a changed, removed or inserted line of a
chained journal is found when it is read. Lines without a chain (of earlier versions) are counted and stand as they are.
Does not notice that whole lines are missing at the end: a chain proves what leads to its head, so note the head elsewhere.

A chained line ends in `,"seq":N,"batch":B,"hash":"H"}`. N counts all lines from 1; B is the N of the first line of the
same commit; H is the SHA-256 (hex) of the previous H followed by the bytes of the line before `,"hash"`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from symbiont.domain.errors import SymbiontError

GENESIS = b"0" * 64
MAX_BATCH_BYTES = 1 << 20  # a batch takes no further record once it has as many
_PORTION_LINES = 1_000
_TRAILER = re.compile(rb'"seq":(\d{1,19}),"batch":(\d{1,19}),"hash":"([0-9a-f]{64})"\}\s*\Z')
_TRAILER_LENGTH = 192
_CHAIN_KEYS = (b'"hash":"', b'"batch":', b'"seq":')

Absorb = Callable[[Sequence[bytes]], None]


class _AnyObject(msgspec.Struct):
    """Accepts every JSON object and keeps nothing of it."""


_objects = msgspec.json.Decoder(_AnyObject)


class Position(NamedTuple):
    """Where a journal goes on: `seq` of its last line (0 = empty) and the `head` of its chain."""

    seq: int = 0
    head: bytes = GENESIS


class Scan(NamedTuple):
    """What a file holds: where to go on, and the offset from which on it is torn (`size` if it is not)."""

    position: Position
    valid_length: int
    size: int

    @property
    def is_torn(self) -> bool:
        return self.valid_length < self.size


class _Damage(NamedTuple):
    """The first line that cannot be read: its number, its offset, and what may excuse it."""

    number: int
    offset: int
    has_hole: bool
    is_before_records: bool = False


def checked(record: bytes) -> bytes:
    """The record itself. Raises `ValueError` unless it is one JSON object in UTF-8 without newline or outer blanks."""
    if b"\n" in record or not (record.startswith(b"{") and record.endswith(b"}")) or not _is_object(record):
        raise ValueError(f"expected a record to be one JSON object on one line, got: {record[:80]!r}")
    return record


def refuse_compaction_of_chain(name: object, *, chained: bool) -> None:
    """Raises `ValueError` for a chained journal: replacing its lines would forge the history it exists to prove."""
    if chained:
        raise ValueError(f"expected compact() of a journal without a chain, got: {name}, which is chained")


def refuse_checkpoint_without_chain(name: object, *, chained: bool) -> None:
    """Raises `ValueError` for a journal without a chain: nothing would tie the checkpoint to what it stands for."""
    if not chained:
        raise ValueError(f"expected checkpoint() of a chained journal, got: {name}, which is not chained")


def stamp(records: Sequence[bytes], after: Position, *, chained: bool) -> tuple[bytes, Position]:
    """The bytes of one commit batch behind `after`, and the position behind it."""
    if not chained:
        return b"".join(record + b"\n" for record in records), Position(after.seq + len(records), after.head)
    lines: list[bytes] = []
    seq, head, batch = after.seq, after.head, after.seq + 1
    for record in records:
        seq += 1
        separator = b"," if record[1:-1].strip() else b""
        body = b'%b%b"seq":%d,"batch":%d' % (record[:-1], separator, seq, batch)
        head = _link(head, body)
        lines.append(b'%b,"hash":"%b"}\n' % (body, head))
    return b"".join(lines), Position(seq, head)


def scan(lines: Iterable[bytes], *, name: str, chained: bool, absorb: Absorb) -> Scan:
    """Read the lines (each with its newline) of the file `name`; `absorb` is given the good ones, without newline, in portions.

    Raises `SymbiontError("DATA_CORRUPT")` when a line cannot be read although later lines prove that it was durable, and
    when a line does not continue the chain.
    """
    scanner = _Scanner(name, chained=chained, absorb=absorb)
    for line in lines:
        scanner.take(line)
    return scanner.result()


class _Scanner:
    """Reads lines up to the first one that is damaged, and judges by those behind it whether that may be a torn tail.

    The question is whether the damaged line was ever acknowledged. A chained line of a later batch proves it. Without a
    chain any readable line counts as such a proof, with one exception: zeros, which no JSON contains, are sectors that the
    power did not let arrive, and if no more than a batch follows them they belong to the last one.
    """

    def __init__(self, name: str, *, chained: bool, absorb: Absorb) -> None:
        self._name = name
        self._chained = chained
        self._absorb = absorb
        self._portion: list[bytes] = []
        self._position = Position()
        self._number = 0
        self._size = 0
        self._last_length = 0
        self._damage: _Damage | None = None

    def take(self, raw: bytes) -> None:
        self._number += 1
        line = raw.rstrip(b"\r\n")
        is_whole = raw.endswith(b"\n")
        if not is_whole or (line.strip() and not _is_object(line)):
            self._damage = self._damage or _Damage(self._number, self._size, has_hole=b"\0" in line)
        elif line.strip():
            self._readable(line)
        self._size += len(raw)
        self._last_length = len(raw)

    def result(self) -> Scan:
        self._hand_over()
        if self._damage is None:
            return Scan(self._position, self._size, self._size)
        torn_bytes = self._size - self._damage.offset
        if self._damage.is_before_records and torn_bytes >= MAX_BATCH_BYTES + self._last_length:
            raise _unreadable(self._name, self._damage)
        return Scan(self._position, self._damage.offset, self._size)

    def _readable(self, line: bytes) -> None:
        if self._damage is None:
            self._position = self._behind(line)
            self._portion.append(line)
            if len(self._portion) == _PORTION_LINES:
                self._hand_over()
        elif self._may_be_torn_with(line, self._damage):
            self._damage = self._damage._replace(is_before_records=not self._chained)
        else:
            raise _unreadable(self._name, self._damage)

    def _hand_over(self) -> None:
        if self._portion:
            self._absorb(self._portion)
        self._portion = []

    def _may_be_torn_with(self, line: bytes, damage: "_Damage") -> bool:
        return _is_of_batch_with(line, self._position.seq + 1) if self._chained else damage.has_hole

    def _behind(self, line: bytes) -> Position:
        seq, head = self._position.seq + 1, self._position.head
        if not (self._chained and any(key in line for key in _CHAIN_KEYS)):
            return Position(seq, head)
        trailer = _trailer(line)
        body = line[: line.rfind(b',"hash":"')]
        if trailer is None or int(trailer[1]) != seq or _link(head, body) != trailer[3]:
            raise _broken_chain(self._name, self._number, self._size)
        return Position(seq, trailer[3])


def _is_object(line: bytes) -> bool:
    try:
        line.decode()
        _objects.decode(line)
    except (ValueError, RecursionError, OverflowError):
        return False
    return True


def _trailer(line: bytes) -> re.Match[bytes] | None:
    return _TRAILER.search(line[-_TRAILER_LENGTH:])


def _link(head: bytes, body: bytes) -> bytes:
    return hashlib.sha256(head + body).hexdigest().encode()


def _is_of_batch_with(line: bytes, lost_seq: int) -> bool:
    trailer = _trailer(line)
    return trailer is not None and int(trailer[2]) <= lost_seq


def _unreadable(name: str, damage: _Damage) -> SymbiontError:
    number, offset = damage.number, damage.offset
    return SymbiontError(
        "DATA_CORRUPT",
        f"expected line {number} of {name} (byte {offset}) to be a JSON object, got: unreadable bytes before later records",
        hint=_hint(name),
        details={"file": name, "line": number, "offset": offset},
    )


def _broken_chain(name: str, number: int, offset: int) -> SymbiontError:
    return SymbiontError(
        "DATA_CORRUPT",
        f"expected line {number} of {name} (byte {offset}) to continue the hash chain, got: a line changed, removed or inserted",
        hint=_hint(name),
        details={"file": name, "line": number, "offset": offset},
    )


def _hint(name: str) -> str:
    return f"restore the file from a backup, or keep it as evidence and begin a new one: mv '{name}' '{name}.broken'"
