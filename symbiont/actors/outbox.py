"""The outbox on disk, `webhooks.jsonl`: every change a line, now and then rewritten to the fewest.

A part of the webhooks actor and not an actor: called from its callbacks alone. Guarantees: what `put` says is put is on disk. What
`note` is given counts at once, for it has happened already (a try was made); if a full disk cannot take it, that is made good as
soon as it can, and a crash before it at worst tells an endpoint the same once more.
Does not know what a change means: that is `domain.outbox`.
"""

import msgspec
import structlog

from symbiont.domain.outbox import Change, Outbox
from symbiont.ports import Journal, SyncFailed

SPARE_LINES = 1_000
"""Lines beyond twice the fewest before the file is rewritten."""

_log = structlog.get_logger("symbiont.webhooks")


class OutboxFile:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._is_behind = False
        self.box = Outbox()

    async def open(self) -> None:
        opened = await self._journal.open(self.box)
        if opened.damage is not None:
            damage = opened.damage
            _log.critical("outbox_damaged", file=damage.file, line=damage.line, reason=damage.reason, hint=damage.hint)

    async def close(self) -> None:
        await self.catch_up()
        await self._journal.close()

    async def put(self, change: Change) -> str:
        """Empty if the disk took it; else why not, and nothing has changed."""
        refusal = await self._write(change)
        if not refusal:
            self.box.apply(change)
            await self._tidy()
        return refusal

    async def note(self, change: Change) -> None:
        self.box.apply(change)
        if self._is_behind or await self._write(change):
            self._is_behind = True
        await self._tidy()

    def lag(self, change: Change) -> None:
        """Counts at once, and comes to disk with `catch_up`: for what is cheap to find out again."""
        self.box.apply(change)
        self.box.lines -= 1
        self._is_behind = True

    async def catch_up(self) -> None:
        """Write what the disk does not have yet."""
        if self._is_behind:
            await self._rewrite()

    async def _write(self, change: Change) -> str:
        try:
            await self._journal.append(msgspec.json.encode(change))
        except SyncFailed:
            raise  # a new life of the actor opens the journal anew and sees what is there
        except OSError as error:
            _log.error("outbox_not_written", error=str(error))
            return str(error)
        return ""

    async def _tidy(self) -> None:
        if self.box.lines > 2 * self.box.size + SPARE_LINES:
            await self._rewrite()

    async def _rewrite(self) -> None:
        """All there is, in the place of all lines so far."""
        whole = self.box.whole()
        try:
            await self._journal.compact(lambda: map(msgspec.json.encode, whole))
        except SyncFailed:
            raise
        except OSError as error:
            self._is_behind = True
            _log.error("outbox_not_rewritten", error=str(error))
            return
        self.box.lines = len(whole)
        self._is_behind = False
