"""Schedules: submits the tasks of the configuration, and of schedules added since, at their moments, each moment once.

Guarantees: what is due is submitted under a key made of the name and the moment, and noted in `schedules.jsonl` once the queue has acknowledged
it: a kill between the two submits the same task again, which the queue knows by its key for `queue.idempotency_window_s`. What is
noted is never submitted again, whichever way the clock jumps. What the disk refuses is tried again: of a schedule that catches up on
`all` at most a hundred moments, of any other the newest. Looks at the wall clock every half minute at least, so that a corrected one is noticed.
Without any schedule this actor does nothing at all. A name of the configuration is the configuration's. Does not run tasks, nor know a calendar: `domain.schedule` does.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from supervisors import Actor, CallExit, Continue, From, MailboxFull
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import KeyTaken, Submit
from symbiont.actors.schedule_messages import (
    AddSchedule,
    NameInUse,
    NoSuchSchedule,
    PauseSchedule,
    ReadSchedules,
    RemoveSchedule,
    ScheduleState,
    TooMany,
)
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.schedule import MOST_CAUGHT_UP, Mark, Marks, Schedule, Timetable, timetable
from symbiont.ports import Clock, Journal, SyncFailed

STEP_S: Final = 30.0
RETRY_S: Final = 5.0
SPARE_LINES: Final = 1_000
MOST_SCHEDULES: Final = 1_000
UPCOMING: Final = 5
"""So many moments ahead are told of a schedule."""

_log = structlog.get_logger("symbiont.schedules")


class _Look(msgspec.Struct, frozen=True):
    pass


class Schedules(Actor):
    def __init__(self, *, timetables: Sequence[Timetable], journal: Journal, clock: Clock) -> None:
        self._timetables = {one.schedule.name: one for one in timetables}
        self._configured = frozenset(self._timetables)
        self._journal = journal
        self._clock = clock
        self._marks = Marks()
        self._next: dict[str, int | None] = {}
        self._owed: dict[str, tuple[int, ...]] = {}
        self._is_behind = False
        self._alarm: Timer | None = None

    async def init(self) -> Continue:
        opened = await self._journal.open(self._marks)
        if opened.damage is not None:
            _log.critical(
                "schedules_damaged", file=opened.damage.file, line=opened.damage.line, hint=opened.damage.hint
            )
        for mark in tuple(self._marks.by_name.values()):
            self._take_up(mark)
        return Continue("begin")

    def _take_up(self, mark: Mark) -> None:
        """A schedule that was added before. A mark that belongs to none is of one that the configuration has dropped."""
        if mark.name in self._configured:
            return
        try:
            if mark.schedule is not None:
                self._timetables[mark.name] = timetable(mark.schedule)
                return
        except (SymbiontError, ValueError) as error:
            _log.error("schedule_not_readable", schedule=mark.name, error=str(error))
            return
        del self._marks.by_name[mark.name]

    async def terminate(self, reason: ExitReason) -> None:
        await self._journal.close()

    async def handle_continue(self, term: Any) -> None:
        """A new schedule begins now: what it would have done before is not owed."""
        for name in self._timetables:
            if name not in self._marks.by_name:
                await self._note(Mark(name, self._clock.wall()))
        if self._timetables:
            await self._look()

    async def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case ReadSchedules():
                return tuple(map(self._state, self._timetables))
            case PauseSchedule(name) | RemoveSchedule(name) if name not in self._timetables:
                return NoSuchSchedule(name, tuple(self._timetables))
            case AddSchedule(schedule, replace):
                return await self._add(schedule, replace=replace)
            case RemoveSchedule(name):
                return await self._remove(name)
            case PauseSchedule(name, is_paused):
                return await self._pause(name, is_paused=is_paused)
            case _:
                return super().handle_call(request, from_)

    def handle_info(self, message: Any) -> object:
        return self._look() if isinstance(message, _Look) else super().handle_info(message)

    # Firing

    async def _look(self) -> None:
        """Find what is due, submit what is owed, and sleep until something may be due again."""
        now = self._clock.wall()
        for name in self._timetables:
            self._find_due(name, now)
        for name in [name for name, owed in self._owed.items() if owed]:
            await self._submit(name)
        if self._is_behind:
            await self._rewrite()
        self._set_alarm()

    def _find_due(self, name: str, now: float) -> None:
        mark, following = self._marks.by_name[name], self._next.get(name)
        if following is not None and mark.seen <= now < following:
            return
        timetable = self._timetables[name]
        # a clock that was ahead has no say any more
        mark = msgspec.structs.replace(mark, seen=min(mark.seen, now))
        if not mark.is_paused:
            owed = tuple(dict.fromkeys((*self._owed.get(name, ()), *timetable.due(mark, now))))
            self._owed[name] = owed[-MOST_CAUGHT_UP:] if timetable.schedule.catch_up == "all" else owed[-1:]
        self._marks.by_name[name] = msgspec.structs.replace(mark, seen=now)
        self._next[name] = timetable.next_at(mark, now)

    async def _submit(self, name: str) -> None:
        """In order; what is refused is owed still."""
        timetable = self._timetables[name]
        for moment in self._owed[name]:
            if not await self._is_taken(timetable, moment):
                return
            self._owed[name] = self._owed[name][1:]
            seen = self._marks.by_name[name].seen
            fired = timetable.after_firing(self._marks.by_name[name], moment)
            await self._note(fired)
            self._marks.by_name[name] = msgspec.structs.replace(fired, seen=seen)

    async def _is_taken(self, timetable: Timetable, moment: int) -> bool:
        name = timetable.schedule.name
        try:
            answer = await self.named(names.QUEUE).call(Submit(timetable.schedule.task_at(moment)))
        except (CallExit, MailboxFull) as gone:
            _log.warning("schedule_put_off", schedule=name, moment=rfc3339(moment), reason=str(gone))
            return False
        match answer:
            case Refused(reason):
                _log.warning("schedule_put_off", schedule=name, moment=rfc3339(moment), reason=reason)
                return False
            case KeyTaken(_, task_id):  # it was fired, and then its row was changed
                _log.warning("schedule_fired_before", schedule=name, moment=rfc3339(moment), task=task_id)
            case _:
                _log.info("schedule_fired", schedule=name, moment=rfc3339(moment), task=answer.task.id)
        return True

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        now = self._clock.wall()
        waits = [at - now for at in self._next.values() if at is not None]
        step_s = RETRY_S if any(self._owed.values()) or self._is_behind else STEP_S
        self._alarm = self.send_after(max(0.0, min([step_s, *waits])), _Look())

    # By hand

    def _state(self, name: str) -> ScheduleState:
        mark, one = self._marks.by_name[name], self._timetables[name]
        return ScheduleState(one.schedule, mark, one.upcoming(mark, self._clock.wall(), UPCOMING))

    async def _add(self, schedule: Schedule, *, replace: bool) -> ScheduleState | NameInUse | TooMany | Refused:
        name = schedule.name
        is_known = name in self._timetables
        if name in self._configured or (is_known and not replace):
            return NameInUse(name, name in self._configured)
        if not is_known and len(self._timetables) >= MOST_SCHEDULES:
            return TooMany(MOST_SCHEDULES)
        now = self._clock.wall()
        before = self._marks.by_name.get(name, Mark(name, now)) if is_known else Mark(name, now)
        mark = msgspec.structs.replace(before, seen=now, schedule=schedule)
        refusal = await self._write(mark)
        if refusal:
            return Refused(refusal)
        self._timetables[name] = timetable(schedule)
        self._begin_anew(mark)
        await self._look()
        return self._state(name)

    async def _remove(self, name: str) -> ScheduleState | NameInUse | Refused:
        if name in self._configured:
            return NameInUse(name, is_configured=True)
        state = self._state(name)
        refusal = await self._write(Mark(name, self._clock.wall(), is_removed=True))
        if refusal:
            return Refused(refusal)
        del self._marks.by_name[name], self._timetables[name]
        self._owed.pop(name, None)
        self._next.pop(name, None)
        return state

    def _begin_anew(self, mark: Mark) -> None:
        self._marks.by_name[mark.name] = mark
        self._owed.pop(mark.name, None)
        self._next.pop(mark.name, None)

    async def _pause(self, name: str, *, is_paused: bool) -> ScheduleState | Refused:
        before = self._marks.by_name[name]
        if before.is_paused != is_paused:
            mark = msgspec.structs.replace(before, is_paused=is_paused, seen=self._clock.wall())
            refusal = await self._write(mark)
            if refusal:
                return Refused(refusal)
            self._begin_anew(mark)
            await self._look()
        return self._state(name)

    # On disk

    async def _note(self, mark: Mark) -> None:
        """Counts at once, for it has happened; comes to disk as soon as that takes it."""
        self._marks.by_name[mark.name] = mark
        if self._is_behind or await self._write(mark):
            self._is_behind = True

    async def _write(self, mark: Mark) -> str:
        """Empty if the disk took it, else why not."""
        try:
            await self._journal.append(msgspec.json.encode(mark))
        except SyncFailed:
            raise  # a new life opens the journal anew and sees what is there
        except OSError as error:
            _log.error("schedule_not_written", schedule=mark.name, error=str(error))
            return str(error)
        self._marks.lines += 1
        if self._marks.lines > SPARE_LINES + 2 * len(self._marks.by_name):
            self._is_behind = True  # made smaller at the next look
        return ""

    async def _rewrite(self) -> None:
        marks = tuple(self._durable(mark) for mark in self._marks.by_name.values())
        try:
            await self._journal.compact(lambda: map(msgspec.json.encode, marks))
        except SyncFailed:
            raise
        except OSError as error:
            _log.error("schedules_not_rewritten", error=str(error))
            return
        self._marks.lines, self._is_behind = len(marks), False

    def _durable(self, mark: Mark) -> Mark:
        """What is owed still must be found again after a restart."""
        owed = self._owed.get(mark.name)
        return msgspec.structs.replace(mark, seen=min(mark.seen, owed[0] - 1)) if owed else mark
