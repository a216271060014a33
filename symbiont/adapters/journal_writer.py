"""The thread that writes a journal file, and the group commit between it and an event loop.

How it works. Appenders on the loop add records to the last batch of a queue and get a future each. The thread takes whatever
arrived while it was busy with the previous sync, makes it durable in one write and one sync, and then hands the whole batch back
to the loop in one call. So the loop never waits for the disk, the disk is never idle while there is work, and the cost of a sync
and of waking the loop is shared by all that wait. No timer delays a lone record.

Guarantees: results come in the order of submission; each record submitted before `stop` is written or refused, whether or
not anybody still waits for it; a bug in here fails every waiter instead of leaving it hanging. What somebody else does to the file is
noticed within `IDLE_LOOK_S`, also while nothing is written. Recovery runs in the same thread, so two users of one file follow one
another even when the first was cancelled in the middle.

Locking: `_lock` guards the queue and the batches in it, whether it is still open, and whether the thread sleeps until the
`_bell` rings. A batch belongs to the loop until it is taken, then to the thread until it is handed back. Futures, and how many wait,
are touched by the loop alone, the file by the thread alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final, TypeVar, assert_never

import msgspec

from symbiont.adapters.journal_errors import JournalClosed, JournalFull
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_format import MAX_BATCH_BYTES, checked
from symbiont.adapters.journal_receipts import acknowledge, refuse, refused, resolve
from symbiont.ports import Damage, Fold, JournalDamaged, Opened, Receipt

IDLE_LOOK_S: Final = 1.0

T = TypeVar("T")


class _Records(msgspec.Struct):
    """What one commit writes: the receipt of each record at the same place."""

    records: list[bytes]
    receipts: list[asyncio.Future[Receipt]]
    size_bytes: int = 0


class _Compact(msgspec.Struct, frozen=True):
    lines: Callable[[], Iterable[bytes]]
    receipts: list[asyncio.Future[Receipt]]


class _Checkpoint(msgspec.Struct, frozen=True):
    state: Callable[[], bytes]
    receipts: list[asyncio.Future[Receipt]]


_Batch = _Records | _Compact | _Checkpoint


class JournalWriter:
    """Owns `file` and its thread from `start` until `join` returns. Methods but `join` belong to the loop's thread."""

    def __init__(self, path: Path, file: JournalFile, fold: Fold, *, max_pending: int) -> None:
        self._path = path
        self._file = file
        self._fold = fold
        self._max_pending = max_pending
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Opened] = self._loop.create_future()
        self.spoiled: asyncio.Future[Damage] = self._loop.create_future()
        self._lock = Lock()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._queue: deque[_Batch] = deque()
        self._waiting = 0
        self._stopping = False
        self._is_asleep = False
        self._thread = Thread(target=self._run, name=f"journal {path.name}", daemon=True)

    def start(self) -> "asyncio.Future[Opened]":
        """Recover the file, then serve. Fails with what `JournalFile.open` raises; nothing is served then."""
        self._thread.start()
        return self._opened

    def append(self, record: bytes) -> "asyncio.Future[Receipt]":
        return self._submit(record)

    def compact(self, lines: Callable[[], Iterable[bytes]]) -> "asyncio.Future[Receipt]":
        return self._submit(_Compact(lines, []))

    def checkpoint(self, state: Callable[[], bytes]) -> "asyncio.Future[Receipt]":
        return self._submit(_Checkpoint(state, []))

    @property
    def damage(self) -> Damage | None:
        return self._file.damage

    def stop(self) -> None:
        """Take nothing more, write what is queued, close the file."""
        with self._lock:
            self._stopping = True
        self._bell.put(None)

    def join(self) -> None:
        """Block until the thread has ended."""
        self._thread.join()

    def _submit(self, work: bytes | _Compact | _Checkpoint) -> "asyncio.Future[Receipt]":
        receipt: asyncio.Future[Receipt] = self._loop.create_future()
        with self._lock:
            if self._stopping:
                return refused(JournalClosed(self._path))
            if self._waiting >= self._max_pending:
                return refused(JournalFull(self._path, self._max_pending))
            self._queued(work).receipts.append(receipt)
            self._wake_soon()
        self._waiting += 1
        return receipt

    def _queued(self, work: bytes | _Compact | _Checkpoint) -> _Batch:
        """The batch that it is part of now: a record joins the last one in the queue, unless that is full or no batch of records."""
        if not isinstance(work, bytes):
            self._queue.append(work)
            return work
        batch = self._queue[-1] if self._queue else None
        if not isinstance(batch, _Records) or batch.size_bytes >= MAX_BATCH_BYTES:
            batch = _Records([], [])
            self._queue.append(batch)
        batch.records.append(work)
        batch.size_bytes += len(work) + 1
        return batch

    def _wake_soon(self) -> None:
        """When all that are ready now have handed over what they have: woken before, it would wait for the interpreter's lock."""
        if self._is_asleep:
            self._is_asleep = False
            self._loop.call_soon(self._bell.put, None)

    def _acknowledge(self, batch: _Batch, first: int) -> None:
        acknowledge(self._settled(batch), first)

    def _give_back(self, batch: _Batch, error: Exception) -> None:
        refuse(self._settled(batch), error)

    def _settled(self, batch: _Batch) -> list[asyncio.Future[Receipt]]:
        self._waiting -= len(batch.receipts)
        return batch.receipts

    # The thread

    def _run(self) -> None:
        try:
            if self._open():
                self._serve()
        finally:
            # nothing is left here after an orderly stop; after a bug nobody may wait forever
            self.stop()
            while (batch := self._take()) is not None:
                self._refuse(batch, JournalClosed(self._path))
            self._file.close()

    def _open(self) -> bool:
        try:
            opened = self._file.open(self._fold)
        except Exception as error:  # noqa: BLE001 — it reaches the caller of open(), who waits for it
            self._tell(refuse, [self._opened], error)
            return False
        self._tell(resolve, self._opened, opened)
        return True

    def _serve(self) -> None:
        while (batch := self._take()) is not None:
            try:
                first = self._write(batch)
            except _CallerFailed as failure:
                self._refuse(batch, failure.error)
            except OSError as error:
                self._refuse(batch, error)
                if isinstance(error, JournalDamaged):
                    self._tell(resolve, self.spoiled, error.damage)
            except BaseException:
                self._refuse(batch, JournalClosed(self._path))
                raise
            else:
                self._tell(self._acknowledge, batch, first)

    def _take(self) -> _Batch | None:
        """The next batch; None when stopped and drained."""
        while True:
            with self._lock:
                if self._queue:
                    return self._queue.popleft()
                if self._stopping:
                    return None
                self._is_asleep = True
            try:
                self._bell.get(timeout=IDLE_LOOK_S)
            except Empty:
                self._look()

    def _look(self) -> None:
        """A disk that cannot even be asked is met again by the next batch."""
        with suppress(OSError):
            if self._file.damage is None and (damage := self._file.look()) is not None:
                self._tell(resolve, self.spoiled, damage)

    def _write(self, batch: _Batch) -> int:
        """Make it durable; returns the number for its first receipt."""
        match batch:
            case _Compact(lines):
                return self._file.compact(_of_caller(lambda: [checked(line) for line in lines()]))
            case _Checkpoint(state):
                return self._file.checkpoint(_of_caller(state))
            case _Records(records):
                return self._file.append(records)
            case _:
                assert_never(batch)

    def _refuse(self, batch: _Batch, error: Exception) -> None:
        self._tell(self._give_back, batch, error)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        """Run a callback on the loop. A closed loop has nobody left to tell; the thread then ends with its queue."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            self.stop()


class _CallerFailed(Exception):
    """A function that was handed to the journal raised; that is between it and whoever waits for the receipt."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _of_caller(function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception as error:
        raise _CallerFailed(error) from error
