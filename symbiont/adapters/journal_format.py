"""The bytes of a journal: what a line is, and the seal at its end by which a changed one is known.

Guarantees: pure functions of bytes; a line once written is never changed, and a changed, removed or inserted line is found when
it is read. Lines without a seal (of earlier versions) are accepted, in a chain only before the first sealed one, and stand as they are.
Does not notice that whole lines are missing at the end: seals prove what leads to the last line, so note the head elsewhere.

A sealed line ends in `,"seq":N,"batch":B,"hash":"H"}` if the journal is chained, else in `,"seq":N,"batch":B,"crc":"C"}`. N
counts all lines from 1; B is the N of the first line of the same commit; H is the SHA-256 (hex) of the previous H (64 zeros
before the first) followed by the bytes of the line before `,"hash"`; C is the CRC-32 (hex) of the bytes before `,"crc"`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

import msgspec

from symbiont.adapters.journal_chain import GENESIS, link

MAX_BATCH_BYTES = 1 << 20  # a batch takes no further record once it has as many
_CRC_LENGTH = len(b',"crc":"%08x"}' % 0)
_TRAILER = re.compile(
    rb'"seq":(\d{1,19}),"batch":(\d{1,19}),(?:"hash":"(?P<hash>[0-9a-f]{64})"|"crc":"(?P<crc>[0-9a-f]{8})")\}\s*\Z'
)
_TRAILER_LENGTH = 192
_BLANKS = b" \t\r\n"
_SEAL_KEYS = (b'"hash":"', b'"crc":"', b'"batch":', b'"seq":')


_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
"""Accepts every JSON value and keeps nothing of it."""
_OPEN, _CLOSE, _NEWLINE, _QUOTE = b'{}\n"'


class Position(NamedTuple):
    """Where a journal goes on: `seq` of its last line (0 = empty), the `head` of its chain, and whether seals have begun."""

    seq: int = 0
    head: bytes = GENESIS
    is_sealed: bool = False


class Trailer(NamedTuple):
    """What a seal says of its line. `head` is empty without a chain."""

    seq: int
    batch: int
    head: bytes


def checked(record: bytes) -> bytes:
    """The record itself. Raises `ValueError` unless it is one JSON object in UTF-8 without newline or outer blanks."""
    try:
        if not record.isascii():
            record.decode()
        _ANYTHING.decode(record)
        if record[0] == _OPEN and record[-1] == _CLOSE and _NEWLINE not in record:
            return record
    except (ValueError, RecursionError, OverflowError):
        pass
    raise ValueError(f"expected a record to be one JSON object on one line, got: {record[:80]!r}")


def refuse_compaction_of_chain(name: object, *, chained: bool) -> None:
    """Raises `ValueError` for a chained journal: replacing its lines would forge the history it exists to prove."""
    if chained:
        raise ValueError(f"expected compact() of a journal without a chain, got: {name}, which is chained")


def refuse_checkpoint_without_chain(name: object, *, chained: bool) -> None:
    """Raises `ValueError` for a journal without a chain: nothing would tie the checkpoint to what it stands for."""
    if not chained:
        raise ValueError(f"expected checkpoint() of a chained journal, got: {name}, which is not chained")


def stamp(records: Iterable[bytes], after: Position, *, chained: bool) -> tuple[bytes, Position]:
    """The sealed lines of one commit behind `after`, and the position behind them."""
    pieces: list[bytes] = []
    seq, head = after.seq, after.head
    batch = b',"batch":%d' % (seq + 1)
    for record in records:
        seq += 1
        separator = b"," if record[1] == _QUOTE or record[1:-1].strip() else b""
        body = b'%b%b"seq":%d%b' % (record[:-1], separator, seq, batch)
        if chained:
            head = link(head, body)
            pieces += (body, b',"hash":"', head, b'"}\n')
        else:
            pieces += (body, b',"crc":"%08x"}\n' % crc32(body))
    return b"".join(pieces), Position(seq, head, after.is_sealed or bool(pieces))


def stamp_apart(records: Iterable[bytes]) -> tuple[bytes, Position]:
    """A whole journal without a chain, each line a commit of its own: no damage to one can pass for a torn commit.

    A record may be a line as it was read: its old seal is taken off.
    """
    lines: list[bytes] = []
    position = Position()
    for record in records:
        line, position = stamp([without_seal(record)], position, chained=False)
        lines.append(line)
    return b"".join(lines), position


def is_object(line: bytes) -> bool:
    try:
        line.decode()
        _ANYTHING.decode(line)
    except (ValueError, RecursionError, OverflowError):
        return False
    return line.lstrip(_BLANKS)[:1] == b"{"


def trailer_of(line: bytes) -> Trailer | None:
    """The seal of a line, believed as it stands; None if there is none."""
    match = _TRAILER.search(line[-_TRAILER_LENGTH:])
    return Trailer(int(match[1]), int(match[2]), match["hash"] or b"") if match else None


def without_seal(line: bytes) -> bytes:
    """The record of a sealed line; a line without a seal as it is."""
    match = _TRAILER.search(line[-_TRAILER_LENGTH:])
    if match is None:
        return line
    kept = line[: len(line) - len(line[-_TRAILER_LENGTH:]) + match.start()]
    return kept.removesuffix(b",") + b"}"


def looks_sealed(line: bytes) -> bool:
    return any(key in line[-_TRAILER_LENGTH:] for key in _SEAL_KEYS)


def is_intact(line: bytes) -> bool:
    """Whether the CRC at the end of a line is that of its bytes."""
    return line[-_CRC_LENGTH:] == b',"crc":"%08x"}' % crc32(line[:-_CRC_LENGTH])
