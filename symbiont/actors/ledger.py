"""The one writer of the ledger: every model call, once, on disk before anybody hears of it.

Guarantees: `Append` answers when the line is durable; a call that is appended twice (its first answer was lost in a crash) is
recorded once and acknowledged both times. Totals are one fold over the lines, the same for every reader.
A disk that refuses is answered with `Refused`; a sync that failed ends the actor, for what the disk holds is then unknown.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from supervisors import NO_REPLY, Actor, Custom, From, Request, Stop
from supervisors.exits import ExitReason
from symbiont.domain.ledger import Entry, Totals, decode, encode, key_of
from symbiont.ports import Journal, Receipt, SyncFailed

REMEMBERED_ENTRIES: Final = 10_000
REMEMBERED_KEYS: Final = 100_000

Key = tuple[str, int, str]


class Recorded(msgspec.Struct, frozen=True):
    """The call is on disk."""


class Refused(msgspec.Struct, frozen=True):
    """The disk takes nothing at the moment; nothing of the record remains."""

    reason: str


class Append(msgspec.Struct, Request[Recorded | Refused], frozen=True):
    entry: Entry


class ReadTotals(msgspec.Struct, Request[Totals], frozen=True):
    """The fold of all lines."""


class ReadEntries(msgspec.Struct, Request[tuple[Entry, ...]], frozen=True):
    """The last `limit` entries, newest last; at most as many as are remembered."""

    limit: int


class _Written(msgspec.Struct, frozen=True):
    entry: Entry
    error: Exception | None


class Book:
    """What the actor knows of the lines: a fold of them, and then of each entry that is written."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.recent: deque[Entry] = deque(maxlen=REMEMBERED_ENTRIES)
        self.known: dict[Key, None] = {}

    def restore(self, state: bytes) -> None:
        raise ValueError("expected no checkpoint, got: one")

    def absorb(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            self.add(decode(line))

    def add(self, entry: Entry) -> None:
        self.totals.add(entry)
        self.recent.append(entry)
        if entry.task_id:
            self.known[key_of(entry)] = None
            if len(self.known) > REMEMBERED_KEYS:
                del self.known[next(iter(self.known))]


class Ledger(Actor):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._book = Book()
        self._waiting: dict[Key, list[From]] = {}

    async def init(self) -> None:
        await self._journal.open(self._book)

    async def terminate(self, reason: ExitReason) -> None:
        await self._journal.close()

    def handle_call(self, request: Append | ReadTotals | ReadEntries, from_: From) -> object:
        match request:
            case Append(entry):
                return self._append(entry, from_)
            case ReadTotals():
                return self._book.totals + Totals()
            case ReadEntries(limit):
                return tuple(self._book.recent)[-limit:] if limit > 0 else ()

    def handle_info(self, message: Any) -> object:
        return self._written(message) if isinstance(message, _Written) else super().handle_info(message)

    def _append(self, entry: Entry, from_: From) -> object:
        key = key_of(entry)
        if key in self._book.known:
            return Recorded()
        if key in self._waiting:
            self._waiting[key].append(from_)
            return NO_REPLY
        self._waiting[key] = [from_]

        def wrap(done: "asyncio.Future[Receipt]") -> _Written:
            error = done.exception()
            return _Written(entry, error if isinstance(error, Exception) else None)

        self.pipe(self._journal.append(encode(entry)), wrap)
        return NO_REPLY

    def _written(self, written: _Written) -> Stop | None:
        waiting = self._waiting.pop(key_of(written.entry))
        if isinstance(written.error, SyncFailed):
            return Stop(Custom(("sync_failed", str(written.error))))
        if written.error is None:
            self._book.add(written.entry)
        answer = Recorded() if written.error is None else Refused(str(written.error))
        for from_ in waiting:
            from_.reply(answer)
        return None
