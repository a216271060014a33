"""The ledger's files, read beside the one who writes them: the newest lines, or all in order, or what they come to.

Guarantees: reads only; takes whole lines alone, so a line that is just being written is not seen half; a segment that is
sealed or compressed meanwhile is neither missed nor read twice. Memory goes by what is asked for, not by what is there.
Does not check the chain: `symbiont ledger verify` does.
"""

import asyncio
import gzip
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from symbiont.adapters.journal_segments import lines, open_segment, segments
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode, fingerprint
from symbiont.domain.ledger_fold import LedgerFold
from symbiont.domain.ledger_query import LedgerFilter
from symbiont.domain.totals import Totals

_BLOCK_BYTES: Final = 1 << 18
_PORTION_LINES: Final = 2_000
_STAMP = re.compile(rb'\{\s*"timestamp":\s*("[^"\\]*")')


class LedgerFiles:
    """Implements `ports.LedgerReader` over `path` (`…/ledger.jsonl`) and its sealed segments. Nothing there = an empty ledger.

    The methods with `_now` read at once, in the thread they are called in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def newest(self, wanted: LedgerFilter, limit: int) -> Sequence[Entry]:
        return await asyncio.to_thread(self.newest_now, wanted, limit)

    async def totals(self, wanted: LedgerFilter) -> Totals:
        return await asyncio.to_thread(self.totals_now, wanted)

    async def missing(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return await asyncio.to_thread(self.missing_now, entries)

    def newest_now(self, wanted: LedgerFilter, limit: int) -> Sequence[Entry]:
        """The last `limit` lines that match, newest last. Raises `OSError`, `SymbiontError("DATA_CORRUPT")`."""
        found: deque[Entry] = deque()
        for segment in reversed(segments(self._path)):
            if len(found) >= limit:
                break
            with open_segment(self._path, segment.number) as part:
                if part is not None:
                    found.extendleft(_newest_in(part.file, wanted, limit - len(found)))
        return tuple(found)

    def totals_now(self, wanted: LedgerFilter) -> Totals:
        """What the lines that match come to."""
        fold = LedgerFold()
        matching = self.lines_now() if wanted.is_open else (line for line, _ in self.matching_now(wanted))
        while portion := list(islice(matching, _PORTION_LINES)):
            fold.absorb(portion)
        return fold.totals

    def missing_now(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those of the entries that the ledger does not have, each once, in their order."""
        left = {fingerprint(entry): entry for entry in entries}
        stamps = {msgspec.json.encode(entry.timestamp) for entry in entries}
        for line in self.lines_now():
            stamp = _STAMP.match(line)
            # nearly every line is of another moment, and need not be decoded to see that
            if stamp is None or stamp[1] in stamps:
                left.pop(fingerprint(decode(line)), None)
        return tuple(left.values())

    def matching_now(self, wanted: LedgerFilter) -> Iterator[tuple[bytes, Entry]]:
        """Every line that matches, oldest first, with what it says."""
        sieve = _Sieve(wanted)
        for line in self.lines_now():
            entry = sieve.passed(line)
            if entry is not None:
                yield line, entry

    def lines_now(self) -> Iterator[bytes]:
        """Every whole line, oldest first, without its newline."""
        return lines(self._path)


def _newest_in(file: BinaryIO, wanted: LedgerFilter, limit: int) -> Iterator[Entry]:
    """Newest first."""
    sieve = _Sieve(wanted)
    if isinstance(cast("object", file), gzip.GzipFile):  # which can only be read forwards
        whole: Iterator[bytes] = filter(bytes.strip, file)
        passed: Iterator[Entry | None] = map(sieve.passed, whole)
        yield from reversed(deque(filter(None, passed), maxlen=limit))
    else:
        yield from islice(filter(None, map(sieve.passed, _backwards(file))), limit)


def _backwards(content: BinaryIO) -> Iterator[bytes]:
    """Whole lines from the end, reading no more of the file than is taken."""
    position, rest = content.seek(0, os.SEEK_END), b""
    is_end = True
    while position:
        position, size = max(0, position - _BLOCK_BYTES), min(_BLOCK_BYTES, position)
        content.seek(position)
        rest, *lines = (content.read(size) + rest).split(b"\n")
        if is_end and lines:
            lines.pop()  # behind the last newline: a line that is just being written
            is_end = False
        yield from filter(None, map(bytes.strip, reversed(lines)))
    if rest.strip() and not is_end:
        yield rest.strip()


class _Sieve:
    """Lines that match. What a line must contain in any case is looked for first: decoding takes far longer."""

    def __init__(self, wanted: LedgerFilter) -> None:
        self._wanted = wanted
        texts = (wanted.model, wanted.tier, wanted.worker, wanted.node, wanted.project, wanted.error, wanted.task)
        self._needles = [msgspec.json.encode(text) for text in texts if text and text.isascii() and text.isalnum()]

    def passed(self, line: bytes) -> Entry | None:
        if not all(needle in line for needle in self._needles):
            return None
        try:
            entry = decode(line)
        except SymbiontError as error:
            error.hint = "symbiont ledger verify"
            raise
        return entry if self._wanted.matches(entry) else None
