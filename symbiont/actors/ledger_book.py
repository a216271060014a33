"""What the ledger knows of its lines while it runs: what they come to, which calls are there, and when to note all that.

A part of the ledger and not an actor. Memory is bounded: the newest calls are known by their identity, all by their sums.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeVar

from symbiont.domain.ledger import Entry, fingerprint, key_of
from symbiont.domain.ledger_fold import REMEMBERED_CALLS, Key, LedgerFold, checkpoint_of

_Known = TypeVar("_Known")

REMEMBERED_KEYS: Final = 100_000
REMEMBERED_IMPORTS: Final = 100_000

CHECKPOINT_LINES: Final = 20_000
CHECKPOINT_AT_END_LINES: Final = 1_000
"""After how many lines a checkpoint is due, while running and when it ends in order: the next start reads what is behind it."""


class Book:
    """Begins with what was read when the ledger opened."""

    def __init__(self, read: LedgerFold) -> None:
        self.totals = read.totals
        self.lines_since_checkpoint = read.absorbed
        self._known: dict[Key, None] = dict.fromkeys(read.newest_calls())
        self._taken_in: dict[bytes, None] = {}

    def has(self, key: Key) -> bool:
        return key in self._known

    def add(self, entry: Entry) -> None:
        """A line that is on disk."""
        self.totals.add(entry)
        self.lines_since_checkpoint += 1
        if entry.task_id:
            self._known[key_of(entry)] = None
            _keep_newest(self._known, REMEMBERED_KEYS)

    def take_in(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of an import that are news, each once. Whoever sends it has left out what was on disk when they looked."""
        news: list[Entry] = []
        for entry in entries:
            mark = fingerprint(entry)
            if mark not in self._taken_in and not self.has(key_of(entry)):
                self._taken_in[mark] = None
                news.append(entry)
        _keep_newest(self._taken_in, REMEMBERED_IMPORTS)
        return news

    def give_up(self, entry: Entry) -> None:
        """One that was taken in is not on disk after all."""
        self._taken_in.pop(fingerprint(entry), None)

    def checkpoint(self) -> Callable[[], bytes]:
        """How all this is written down; may run in another thread, for it looks at nothing that changes."""
        self.lines_since_checkpoint = 0
        return partial(checkpoint_of, self.totals.copy(), list(self._known)[-REMEMBERED_CALLS:])


def _keep_newest(known: dict[_Known, None], count: int) -> None:
    while len(known) > count:
        del known[next(iter(known))]
