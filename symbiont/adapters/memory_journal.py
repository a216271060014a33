"""The journal port in memory, for tests and for simulation: the same records, numbers, chain and refusals as on a disk.

Guarantees: what is appended in one pass of the loop is one batch, acknowledged in the next pass; no threads, no clock, so a
run is repeatable. `fail_next` lets the disk refuse, `spoil` stands for somebody else's hand, `crash` takes the power away. Does not
survive the process.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from symbiont.adapters.journal_errors import JournalClosed, JournalFull
from symbiont.adapters.journal_format import (
    Position,
    checked,
    refuse_checkpoint_without_chain,
    refuse_compaction_of_chain,
    stamp,
    stamp_apart,
)
from symbiont.adapters.journal_reading import Journalled, damage_of
from symbiont.adapters.journal_receipts import acknowledge, refuse, refused
from symbiont.adapters.journal_scan import Absorb, Fault, Place, Scan, scan
from symbiont.domain.errors import SymbiontError
from symbiont.ports import Damage, Fold, JournalDamaged, Opened, Receipt, SyncFailed

_NAME = "in memory"
_PATH = Path(_NAME)
_JOURNAL = Journalled(_PATH, chained=False, repair="")


class _Append(NamedTuple):
    record: bytes
    receipt: asyncio.Future[Receipt]


class _Compact(NamedTuple):
    lines: Callable[[], Iterable[bytes]]
    receipt: asyncio.Future[Receipt]


class _Checkpoint(NamedTuple):
    state: Callable[[], bytes]
    receipt: asyncio.Future[Receipt]


_Work = _Append | _Compact | _Checkpoint


class Noted(NamedTuple):
    """The last checkpoint: the state that the lines up to number `seq` came to, and the last of them."""

    seq: int
    line: bytes
    state: bytes


class MemoryJournal:
    """A journal that holds `records` (lines as they would stand in a file) and stays usable over `close` and `open`."""

    def __init__(
        self,
        records: Sequence[bytes] = (),
        *,
        chained: bool = False,
        max_pending: int = 100_000,
        noted: Noted | None = None,
    ) -> None:
        self._records = list(records)
        self._chained = chained
        self._max_pending = max_pending
        self._noted = noted
        self._position = Position()
        self._queue: list[_Work] = []
        self._is_open = False
        self._failures: list[OSError] = []
        self._sync_error: SyncFailed | None = None
        self._damage: Damage | None = None
        self._spoiled: asyncio.Future[Damage] | None = None

    @property
    def records(self) -> tuple[bytes, ...]:
        """What is durable now, oldest first."""
        return tuple(self._records)

    @property
    def noted(self) -> Noted | None:
        """The last checkpoint."""
        return self._noted

    def fail_next(self, error: OSError) -> None:
        """Let the next batch fail with `error`; several calls fail as many batches. `SyncFailed` fails all until `open`."""
        self._failures.append(error)

    def spoil(self, reason: str) -> None:
        """From now on it is damaged."""
        self._damage = Damage(_NAME, len(self._records) + 1, 0, reason, "")
        if self._spoiled is not None:
            self._spoiled.set_result(self._damage)

    def crash(self) -> None:
        """Stop as a power cut does: what was not acknowledged is gone, and its futures are cancelled."""
        self._is_open = False
        for work in self._queue:
            work.receipt.cancel()
        self._queue.clear()

    async def open(self, fold: Fold) -> Opened:
        await self.close()
        lines: list[bytes] = []
        found = self._scan(lines.extend)
        torn, self._records = found.torn_bytes, self._records[: found.good.lines]
        damage = damage_of(_JOURNAL, _PATH, found.fault) if found.fault else self._other_history(lines)
        if damage is None:
            damage = self._feed(fold, lines)
        elif lines:
            fold.absorb(lines)
        self._position, self._damage, self._sync_error, self._is_open = found.position, damage, None, True
        return Opened(found.position.seq, quarantined_bytes=torn, damage=damage)

    def append(self, record: bytes) -> "asyncio.Future[Receipt]":
        return self._submit(_Append(checked(record), asyncio.get_running_loop().create_future()))

    def checkpoint(self, state: Callable[[], bytes]) -> "asyncio.Future[Receipt]":
        refuse_checkpoint_without_chain(_NAME, chained=self._chained)
        return self._submit(_Checkpoint(state, asyncio.get_running_loop().create_future()))

    def compact(self, lines: Callable[[], Iterable[bytes]]) -> "asyncio.Future[Receipt]":
        refuse_compaction_of_chain(_NAME, chained=self._chained)
        return self._submit(_Compact(lines, asyncio.get_running_loop().create_future()))

    def spoiled(self) -> "asyncio.Future[Damage]":
        self._spoiled = asyncio.get_running_loop().create_future()
        return self._spoiled

    async def close(self) -> None:
        self._is_open = False
        self._spoiled = None
        self._commit()

    def _scan(self, absorb: Absorb) -> Scan:
        content = BytesIO(b"".join(record + b"\n" for record in self._records))
        return scan(content, after=Position(), start=Place(), chained=self._chained, absorb=absorb)

    def _other_history(self, lines: Sequence[bytes]) -> Damage | None:
        noted = self._noted
        if noted is None or noted.seq == 0 or (len(lines) >= noted.seq and lines[noted.seq - 1] == noted.line):
            return None
        what = f"to be what the checkpoint saw as line {noted.seq}, got: another line, or none"
        return damage_of(_JOURNAL, _PATH, Fault(min(noted.seq, len(lines) + 1), 0, what))

    def _feed(self, fold: Fold, lines: Sequence[bytes]) -> Damage | None:
        start = 0
        if self._noted is not None:
            with suppress(ValueError):
                fold.restore(self._noted.state)
                start = self._noted.seq
        try:
            if lines[start:]:
                fold.absorb(lines[start:])
        except SymbiontError as error:
            return damage_of(_JOURNAL, _PATH, Fault(start + 1, 0, f"to mean something, got: {error.message}"))
        return None

    def _submit(self, work: _Work) -> "asyncio.Future[Receipt]":
        refusal = self._refusal()
        if refusal is not None:
            return refused(refusal)
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._commit)
        self._queue.append(work)
        return work.receipt

    def _refusal(self) -> OSError | None:
        if not self._is_open:
            return JournalClosed(_NAME)
        if len(self._queue) >= self._max_pending:
            return JournalFull(_NAME, self._max_pending)
        return None

    def _commit(self) -> None:
        queue, self._queue = self._queue, []
        while queue:
            ends = next((i for i, work in enumerate(queue) if not isinstance(work, _Append)), len(queue)) or 1
            batch, queue = queue[:ends], queue[ends:]
            self._write(batch)

    def _write(self, batch: Sequence[_Work]) -> None:
        receipts = [work.receipt for work in batch]
        error = self._next_failure()
        if error is not None:
            refuse(receipts, error)
            return
        try:
            first = self._done(batch)
        except Exception as failure:  # noqa: BLE001 — what a function that was handed in raises is for who waits for it
            refuse(receipts, failure)
        else:
            acknowledge(receipts, first)

    def _done(self, batch: Sequence[_Work]) -> int:
        """Do it; returns the number for the first receipt."""
        match batch[0]:
            case _Compact(lines):
                content, self._position = stamp_apart([checked(record) for record in lines()])
                self._records = content.splitlines()
                return self._position.seq
            case _Checkpoint(state):
                self._noted = Noted(self._position.seq, self._records[-1] if self._records else b"", state())
                return self._position.seq
            case _Append():
                first = self._position.seq + 1
                self._add([work.record for work in batch if isinstance(work, _Append)])
                return first

    def _add(self, records: Sequence[bytes]) -> None:
        content, self._position = stamp(records, self._position, chained=self._chained)
        self._records.extend(content.split(b"\n")[:-1])

    def _next_failure(self) -> OSError | None:
        if self._damage is not None:
            return JournalDamaged(self._damage)
        if self._sync_error is not None:
            return self._sync_error
        error = self._failures.pop(0) if self._failures else None
        if isinstance(error, SyncFailed):
            self._sync_error = error
        return error
