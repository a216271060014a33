"""What people change of the schedules: add, replace, remove, pause and resume.

Guarantees: what is answered as done is on disk. The configuration's schedules are paused and resumed here, never replaced nor removed.
Works on the book and the timetables of the actor, which looks what is due after every change.
"""

from typing import Final, assert_never

import msgspec

from symbiont.actors.ledger_messages import Refused
from symbiont.actors.schedule_book import ScheduleBook
from symbiont.actors.schedule_messages import (
    AddSchedule,
    NameInUse,
    PauseSchedule,
    RemoveSchedule,
    ScheduleState,
    TooMany,
)
from symbiont.domain.schedule import Mark, Schedule, Timetable, begun, timetable
from symbiont.ports import Clock

MOST_SCHEDULES: Final = 1_000
UPCOMING: Final = 5
"""So many moments ahead are told of a schedule."""

Change = AddSchedule | RemoveSchedule | PauseSchedule
Answer = ScheduleState | NameInUse | TooMany | Refused


class ScheduleDesk:
    """`following` has the next moment of each, if that was worked out already."""

    def __init__(
        self,
        book: ScheduleBook,
        clock: Clock,
        configured: frozenset[str],
        timetables: dict[str, Timetable],
        following: dict[str, int | None],
    ) -> None:
        self._book = book
        self._clock = clock
        self._configured = configured
        self._timetables = timetables
        self._following = following

    def state(self, name: str) -> ScheduleState:
        mark, one = self._book.marks[name], self._timetables[name]
        upcoming = one.upcoming(mark, self._clock.wall(), UPCOMING)
        return ScheduleState(one.schedule, mark, upcoming, is_added=name not in self._configured)

    async def change(self, request: Change) -> Answer:
        match request:
            case AddSchedule(schedule, replace):
                return await self._add(schedule, replace=replace)
            case RemoveSchedule(name):
                return await self._remove(name)
            case PauseSchedule(name, is_paused):
                return await self._pause(name, is_paused=is_paused)
            case _:
                assert_never(request)

    async def _add(self, wanted: Schedule, *, replace: bool) -> Answer:
        name, known = wanted.name, self._book.added.get(wanted.name)
        if name in self._configured or not (replace or known in (None, wanted)):
            return NameInUse(name, name in self._configured)
        if known is None and len(self._timetables) >= MOST_SCHEDULES:
            return TooMany(MOST_SCHEDULES)
        if known != wanted:
            mark = begun(wanted, self._clock.wall(), self._book.marks.get(name), known)
            refused = await self._book.write(mark, wanted)
            if refused is not None:
                return refused
            self._put(timetable(wanted), mark)
        return self.state(name)

    def _put(self, timetable: Timetable, mark: Mark) -> None:
        name = timetable.schedule.name
        self._timetables[name] = timetable
        self._book.added[name] = timetable.schedule
        self._book.marks[name] = mark
        self._begin_afresh(name)

    async def _remove(self, name: str) -> Answer:
        if name in self._configured:
            return NameInUse(name, is_configured=True)
        gone = self.state(name)
        refused = await self._book.remove(name, self._clock.wall())
        if refused is not None:
            return refused
        del self._timetables[name]
        self._begin_afresh(name)
        return gone

    async def _pause(self, name: str, *, is_paused: bool) -> Answer:
        before = self._book.marks[name]
        if before.is_paused != is_paused:
            mark = msgspec.structs.replace(before, is_paused=is_paused, seen=self._clock.wall())
            refused = await self._book.write(mark)
            if refused is not None:
                return refused
            self._book.marks[name] = mark
            self._begin_afresh(name)
        return self.state(name)

    def _begin_afresh(self, name: str) -> None:
        self._book.owed.pop(name, None)
        self._following.pop(name, None)
