"""The journal port on a file: append-only JSON lines, durable before they are acknowledged.

Guarantees: what `ports.Journal` promises, with one sync for all records that arrived during the one before (see
`journal_writer`), and recovery from any kind of stop (see `journal_recovery`). The loop never waits for the disk.
Does not guard the file against other processes: that is the lock of the data directory.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_errors import JournalClosed
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_format import checked, refuse_checkpoint_without_chain, refuse_compaction_of_chain
from symbiont.adapters.journal_receipts import refused
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.journal_writer import JournalWriter
from symbiont.ports import Damage, Fold, Opened, Receipt

_log = structlog.get_logger("symbiont.journal")


class FileJournal:
    """A journal in the file `path`; its directory is created if need be.

    `chained` ties each line to the one before it and forbids `compact`. `max_pending` bounds the records that wait for the
    disk; one more fails with `JournalFull`. `rotation` lets a chained journal begin new files. `repair` is the command that
    mends it, for whoever finds it damaged. `files` stands for the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        chained: bool,
        max_pending: int = 100_000,
        rotation: Rotation | None = None,
        repair: str = "",
        files: FileOps | None = None,
    ) -> None:
        self._path = path
        self._chained = chained
        self._max_pending = max_pending
        self._rotation = rotation
        self._repair = repair
        self._files = files or FileOps()
        self._writer: JournalWriter | None = None
        self._damage: Damage | None = None

    @property
    def damage(self) -> Damage | None:
        """What was damaged when it was opened last, or has been since."""
        return self._damage if self._writer is None else self._writer.damage

    async def open(self, fold: Fold) -> Opened:
        """Recover, and read into `fold`, in a thread. A journal still open is closed first.

        Raises `OSError` when the disk refuses. A damaged journal opens, takes nothing, and says so in the log.
        """
        await self.close()
        file = JournalFile(
            self._path, chained=self._chained, files=self._files, rotation=self._rotation, repair=self._repair
        )
        self._writer = JournalWriter(self._path, file, fold, max_pending=self._max_pending)
        opened = await self._writer.start()
        self._tell_of(opened)
        return opened

    def _tell_of(self, opened: Opened) -> None:
        if opened.quarantined_bytes:
            bytes_, kept_in = opened.quarantined_bytes, opened.quarantine_file
            _log.warning("torn_tail_put_aside", file=str(self._path), bytes=bytes_, kept_in=kept_in)
        if opened.missing_bytes:
            _log.error("journal_shorter_than_when_closed", file=str(self._path), bytes=opened.missing_bytes)
        if opened.damage is not None:
            _log.error("journal_damaged", **msgspec.structs.asdict(opened.damage))

    def append(self, record: bytes) -> "asyncio.Future[Receipt]":
        """One JSON object without a newline, else `ValueError`. The future fails with `OSError`, also when not open.

        Dropping or cancelling the future does not take the record back.
        """
        valid = checked(record)
        return refused(JournalClosed(self._path)) if self._writer is None else self._writer.append(valid)

    def checkpoint(self, state: Callable[[], bytes]) -> "asyncio.Future[Receipt]":
        """Note what all records come to; the receipt names the last of them. Raises `ValueError` without a chain."""
        refuse_checkpoint_without_chain(self._path, chained=self._chained)
        return refused(JournalClosed(self._path)) if self._writer is None else self._writer.checkpoint(state)

    def compact(self, lines: Callable[[], Iterable[bytes]]) -> "asyncio.Future[Receipt]":
        """Replace all records, in order with the appends before and after; the receipt counts the records.

        Raises `ValueError` for a chained journal. The future fails with it for a record that `append` would not take.
        """
        refuse_compaction_of_chain(self._path, chained=self._chained)
        return refused(JournalClosed(self._path)) if self._writer is None else self._writer.compact(lines)

    def spoiled(self) -> "asyncio.Future[Damage]":
        """Resolves when somebody else is found to have changed the file, within `journal_writer.IDLE_LOOK_S`. Journal must be open."""
        if self._writer is None:
            raise JournalClosed(self._path)
        return self._writer.spoiled

    async def close(self) -> None:
        """Write what is queued, release the file. Closing twice, or before `open`, does nothing."""
        writer = self._writer
        if writer is None:
            return
        writer.stop()
        await asyncio.to_thread(writer.join)
        if self._writer is writer:
            self._damage, self._writer = writer.damage, None
