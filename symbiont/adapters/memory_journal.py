"""The journal port in memory, for tests and for simulation: the same records, numbers, chain and refusals as on a disk.

Guarantees: what is appended in one pass of the loop is one batch, acknowledged in the next pass; no threads, no clock, so a
run is repeatable. `fail_next` lets the disk refuse, `crash` takes the power away. Does not survive the process.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from symbiont.adapters.journal_errors import JournalClosed, JournalFull
from symbiont.adapters.journal_format import Position, checked, refuse_rewrite_of_chain, scan, stamp
from symbiont.adapters.journal_receipts import acknowledge, refuse, refused
from symbiont.ports import Opened, Receipt, SyncFailed

_NAME = "in memory"


class _Work(NamedTuple):
    """Records to add, or to put in place of all others."""

    records: Sequence[bytes]
    replaces: bool
    receipt: asyncio.Future[Receipt]


class MemoryJournal:
    """A journal that holds `records` (lines as they would stand in a file) and stays usable over `close` and `open`."""

    def __init__(self, records: Sequence[bytes] = (), *, chained: bool = False, max_pending: int = 100_000) -> None:
        self._records = list(records)
        self._chained = chained
        self._max_pending = max_pending
        self._position = Position()
        self._queue: list[_Work] = []
        self._is_open = False
        self._failures: list[OSError] = []
        self._sync_error: SyncFailed | None = None

    @property
    def records(self) -> tuple[bytes, ...]:
        """What is durable now, oldest first."""
        return tuple(self._records)

    def fail_next(self, error: OSError) -> None:
        """Let the next batch fail with `error`; several calls fail as many batches. `SyncFailed` fails all until `open`."""
        self._failures.append(error)

    def crash(self) -> None:
        """Stop as a power cut does: what was not acknowledged is gone, and its futures are cancelled."""
        self._is_open = False
        for work in self._queue:
            work.receipt.cancel()
        self._queue.clear()

    async def open(self) -> Opened:
        """Raises `SymbiontError("DATA_CORRUPT")` if it was given records that are none."""
        await self.close()
        found = scan((record + b"\n" for record in self._records), name=_NAME, chained=self._chained)
        self._position, self._sync_error, self._is_open = found.position, None, True
        return Opened(found.records)

    def append(self, record: bytes) -> "asyncio.Future[Receipt]":
        return self._submit([checked(record)], replaces=False)

    def rewrite(self, records: Sequence[bytes]) -> "asyncio.Future[Receipt]":
        refuse_rewrite_of_chain(_NAME, chained=self._chained)
        return self._submit([checked(record) for record in records], replaces=True)

    async def close(self) -> None:
        self._is_open = False
        self._commit()

    def _submit(self, records: Sequence[bytes], *, replaces: bool) -> "asyncio.Future[Receipt]":
        refusal = self._refusal()
        if refusal is not None:
            return refused(refusal)
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        if not self._queue:
            loop.call_soon(self._commit)
        self._queue.append(_Work(records, replaces, receipt))
        return receipt

    def _refusal(self) -> OSError | None:
        if not self._is_open:
            return JournalClosed(_NAME)
        if len(self._queue) >= self._max_pending:
            return JournalFull(_NAME, self._max_pending)
        return None

    def _commit(self) -> None:
        queue, self._queue = self._queue, []
        while queue:
            ends = 1 if queue[0].replaces else next((i for i, work in enumerate(queue) if work.replaces), len(queue))
            batch, queue = queue[:ends], queue[ends:]
            self._write([record for work in batch for record in work.records], batch)

    def _write(self, records: Sequence[bytes], batch: Sequence[_Work]) -> None:
        receipts = [work.receipt for work in batch]
        error = self._next_failure()
        if error is not None:
            refuse(receipts, error)
            return
        start = Position() if batch[0].replaces else self._position
        content, self._position = stamp(records, start, chained=self._chained)
        if batch[0].replaces:
            self._records.clear()
        self._records.extend(content.split(b"\n")[:-1])
        first = self._position.seq if batch[0].replaces else start.seq + 1
        acknowledge(receipts, first)

    def _next_failure(self) -> OSError | None:
        if self._sync_error is not None:
            return self._sync_error
        error = self._failures.pop(0) if self._failures else None
        if isinstance(error, SyncFailed):
            self._sync_error = error
        return error
