"""How far the schedules have come, as it is on disk and on its way there.

Guarantees: what `write` took is on disk. What is noted counts at once, for it has happened, and comes to disk as soon as that takes it; until
then the book is behind. What is owed still is found again after a restart. A failed sync ends the actor, whose next life opens the
journal anew. Does not submit anything.
"""

from typing import Final

import msgspec
import structlog

from symbiont.actors.ledger_messages import Refused, refusal
from symbiont.domain.schedule import Mark, Schedule
from symbiont.domain.schedule_file import Marks, line_of, removal_of
from symbiont.ports import Damage, Journal, SyncFailed

SPARE_LINES: Final = 1_000

_log = structlog.get_logger("symbiont.schedules")


class ScheduleBook:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._marks = Marks()
        self.owed: dict[str, tuple[int, ...]] = {}
        self.is_behind = False

    async def open(self) -> Damage | None:
        return (await self._journal.open(self._marks)).damage

    async def close(self) -> None:
        await self._journal.close()

    @property
    def marks(self) -> dict[str, Mark]:
        return self._marks.by_name

    @property
    def added(self) -> dict[str, Schedule]:
        return self._marks.added

    def forget(self, name: str) -> None:
        """The file follows at the next look."""
        self._marks.forget(name)
        self.owed.pop(name, None)
        self.is_behind = True

    async def note(self, mark: Mark) -> None:
        self.marks[mark.name] = mark
        if self.is_behind or await self.write(mark) is not None:
            self.is_behind = True

    async def write(self, mark: Mark, schedule: Schedule | None = None) -> Refused | None:
        """None if the disk took it, else why not."""
        return await self._append(mark.name, line_of(mark, schedule))

    async def remove(self, name: str, now: float) -> Refused | None:
        refused = await self._append(name, removal_of(name, now))
        if refused is None:
            self.forget(name)
        return refused

    async def _append(self, name: str, line: bytes) -> Refused | None:
        try:
            await self._journal.append(line)
        except SyncFailed:
            raise
        except OSError as error:
            _log.error("schedule_not_written", schedule=name, error=str(error))
            return refusal(error)
        self._marks.lines += 1
        if self._marks.lines > SPARE_LINES + 2 * len(self.marks):
            self.is_behind = True  # made smaller at the next look
        return None

    async def rewrite(self) -> None:
        lines = tuple((self._durable(mark), schedule) for mark, schedule in self._marks.as_lines())
        try:
            await self._journal.compact(lambda: (line_of(mark, schedule) for mark, schedule in lines))
        except SyncFailed:
            raise
        except OSError as error:
            _log.error("schedules_not_rewritten", error=str(error))
            return
        self._marks.lines, self.is_behind = len(lines), False

    def _durable(self, mark: Mark) -> Mark:
        owed = self.owed.get(mark.name)
        return msgspec.structs.replace(mark, seen=min(mark.seen, owed[0] - 1)) if owed else mark
