"""Schedules: submits tasks at their moments, each moment once: those of the configuration, and those that were added while Symbiont ran.

Guarantees: a moment is noted in `schedules.jsonl` before it is submitted, and again once the queue has acknowledged it. After a kill between the two
the queue is asked whether it has the task, before anything can be pruned (the heartbeat, which has that done, starts later). What is
noted is never submitted again, whichever way the clock jumps. What the disk refuses is tried again: of a schedule that catches up on
`all` at most a hundred moments, of any other the newest. Looks at the wall clock every half minute at least, so that a corrected one is noticed.
What was added is durable before it is answered; a name that the configuration has is the configuration's, also if it was added before. Marks of
schedules that are no more are taken out of the file. Does not run tasks, nor know a calendar: `domain.schedule` does.
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
from symbiont.actors.queue_messages import FindKeyed, KeyTaken, Submit
from symbiont.actors.schedule_book import ScheduleBook
from symbiont.actors.schedule_desk import ScheduleDesk
from symbiont.actors.schedule_messages import AddSchedule, NoSuchSchedule, PauseSchedule, ReadSchedules, RemoveSchedule
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.schedule import MOST_CAUGHT_UP, Schedule, Timetable, begun, timetable
from symbiont.ports import Clock, Journal

STEP_S: Final = 30.0
RETRY_S: Final = 5.0

_log = structlog.get_logger("symbiont.schedules")


class _Look(msgspec.Struct, frozen=True):
    pass


class Schedules(Actor):
    """`timetables` are the configuration's. Whoever is not `is_on` submits nothing and changes nothing."""

    def __init__(self, *, timetables: Sequence[Timetable], journal: Journal, clock: Clock, is_on: bool = True) -> None:
        self._configured = frozenset(one.schedule.name for one in timetables)
        self._timetables = {one.schedule.name: one for one in timetables}
        self._book = ScheduleBook(journal)
        self._clock = clock
        self._is_on = is_on
        self._next: dict[str, int | None] = {}
        self._desk = ScheduleDesk(self._book, clock, self._configured, self._timetables, self._next)
        self._alarm: Timer | None = None

    async def init(self) -> Continue:
        damage = await self._book.open()
        if damage is not None:
            _log.critical("schedules_damaged", file=damage.file, line=damage.line, hint=damage.hint)
        if self._is_on:
            self._take_over()
            for name in self._timetables:
                await self._settle(name)
        return Continue("begin")

    async def terminate(self, reason: ExitReason) -> None:
        await self._book.close()

    async def handle_continue(self, term: Any) -> None:
        """A new schedule begins now: what it would have done before is not owed."""
        for name, read in self._timetables.items():
            if name not in self._book.marks and self._is_on:
                await self._book.note(begun(read.schedule, self._clock.wall()))
        if self._is_on:
            await self._look()

    async def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case ReadSchedules():
                return tuple(map(self._desk.state, self._timetables))
            case RemoveSchedule(name) | PauseSchedule(name) if name not in self._timetables:
                return NoSuchSchedule(name, tuple(self._timetables))
            case AddSchedule() | RemoveSchedule() | PauseSchedule():
                answer = await self._desk.change(request)
                await self._look()
                return answer
            case _:
                return super().handle_call(request, from_)

    def handle_info(self, message: Any) -> object:
        return self._look() if isinstance(message, _Look) else super().handle_info(message)

    # Beginning

    def _take_over(self) -> None:
        """What was added goes on, unless the configuration has its name by now; marks of schedules that are no more go."""
        for name, schedule in tuple(self._book.added.items()):
            if name in self._configured:
                _log.warning("schedule_replaced_by_configuration", schedule=name)
                del self._book.added[name]
                self._book.is_behind = True
            else:
                self._begin_again(name, schedule)
        for name in self._book.marks.keys() - self._configured - self._book.added.keys():
            self._book.forget(name)

    def _begin_again(self, name: str, schedule: Schedule) -> None:
        """It was right when it was added; yet the time zones of the machine may have changed since."""
        try:
            read = timetable(schedule)
            _ = read.zone.info
        except (SymbiontError, ValueError) as error:
            hint = "add it once more, with --replace"
            _log.error("schedule_not_read", schedule=name, error=str(error), hint=hint)
        else:
            self._timetables[name] = read

    async def _settle(self, name: str) -> None:
        """A moment that was just being submitted when the life before this one ended: the queue has the task, or it was never asked."""
        mark = self._book.marks.get(name)
        if mark is None or mark.sending is None:
            return
        read = self._timetables[name]
        wanted = read.schedule.task_at(mark.sending)
        task = await self.named(names.QUEUE).call(FindKeyed(wanted.project, wanted.key), timeout_s=None)
        if task is None:
            self._book.marks[name] = msgspec.structs.replace(mark, sending=None)
        else:
            _log.info("schedule_fired_before", schedule=name, moment=rfc3339(mark.sending), task=task.id)
            await self._book.note(read.after_firing(mark, mark.sending))

    # Firing

    async def _look(self) -> None:
        """Find what is due, submit what is owed, and sleep until something may be due again."""
        now = self._clock.wall()
        for name in self._timetables:
            self._find_due(name, now)
        for name in [name for name, owed in self._book.owed.items() if owed]:
            await self._submit(name)
        if self._book.is_behind:
            await self._book.rewrite()
        self._set_alarm()

    def _find_due(self, name: str, now: float) -> None:
        mark, following = self._book.marks[name], self._next.get(name)
        if following is not None and mark.seen <= now < following:
            return
        read, owed = self._timetables[name], self._book.owed
        # a clock that was ahead has no say any more
        mark = msgspec.structs.replace(mark, seen=min(mark.seen, now))
        if not mark.is_paused:
            due = tuple(dict.fromkeys((*owed.get(name, ()), *read.due(mark, now))))
            owed[name] = due[-MOST_CAUGHT_UP:] if read.schedule.catch_up == "all" else due[-1:]
        self._book.marks[name] = msgspec.structs.replace(mark, seen=now)
        self._next[name] = read.next_at(mark, now)

    async def _submit(self, name: str) -> None:
        """In order; what is refused is owed still."""
        read, book = self._timetables[name], self._book
        for moment in book.owed[name]:
            if not await self._is_announced(name, moment) or not await self._is_taken(read, moment):
                return
            book.owed[name] = book.owed[name][1:]
            seen = book.marks[name].seen
            fired = read.after_firing(book.marks[name], moment)
            await book.note(fired)
            book.marks[name] = msgspec.structs.replace(fired, seen=seen)

    async def _is_announced(self, name: str, moment: int) -> bool:
        """On disk is which moment is being submitted, and that it is owed until the next line says otherwise."""
        mark = self._book.marks[name]
        if mark.sending == moment:
            return True
        announced = msgspec.structs.replace(mark, sending=moment)
        if await self._book.write(msgspec.structs.replace(announced, seen=min(mark.seen, moment - 1.0))) is not None:
            return False
        self._book.marks[name] = announced
        return True

    async def _is_taken(self, read: Timetable, moment: int) -> bool:
        name = read.schedule.name
        try:
            answer = await self.named(names.QUEUE).call(Submit(read.schedule.task_at(moment)))
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
        is_late = any(self._book.owed.values()) or self._book.is_behind
        if not self._timetables and not is_late:
            return
        now = self._clock.wall()
        waits = [at - now for at in self._next.values() if at is not None]
        self._alarm = self.send_after(max(0.0, min([RETRY_S if is_late else STEP_S, *waits])), _Look())
