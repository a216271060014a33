"""Schedules: what is to be done when, which of its moments have been fired, and what is owed after a time away. Pure.

Guarantees: a moment that is in `fired` is never due again, whichever way the wall clock jumps.
"""

from typing import Literal

import msgspec

from symbiont.domain.cron import Cron, newest_between, next_after, parse
from symbiont.domain.errors import SymbiontError
from symbiont.domain.intake import Intake
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Priority
from symbiont.domain.wording import quoted
from symbiont.domain.zone import Zone

CatchUp = Literal["skip", "one", "all"]

MOST_CAUGHT_UP = 100
"""Missed moments that `all` makes up for at most, the newest."""

LATE_S = 60.0
"""A moment noticed within this time has not been missed."""

MOST_SPANS = 64
MOST_NAME_CHARS = 128


class Schedule(msgspec.Struct, frozen=True):
    """A row of `[[schedules]]`, or one that was added while Symbiont ran."""

    name: str
    cron: str
    task: str
    time_zone: str = "UTC"
    priority: Literal["critical", "high", "normal", "low"] = "normal"
    project: str = ""
    force_tier: str | None = None
    catch_up: CatchUp = "skip"

    @property
    def new_task(self) -> NewTask:
        return NewTask(self.task, "queued", self.force_tier, Priority(self.priority), self.project)

    def task_at(self, moment: int) -> NewTask:
        """Submitted again it is the same task, by its key."""
        return msgspec.structs.replace(self.new_task, key=f"schedule:{self.name}:{rfc3339(moment)}")


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of `schedules.jsonl`: how far a schedule has come. `seen`: what was before is over, but for what `fired` does not say.

    `fired` are spans (first, last) of moments all of which were submitted, ascending. More than one exist where moments were
    missed, or where the clock jumped. `sending` is the moment that is just being submitted: noted before the queue is asked, so that after
    a kill in between one knows what to ask the queue for.
    """

    name: str
    seen: float
    fired: tuple[tuple[int, int], ...] = ()
    last: int | None = None
    is_paused: bool = False
    sending: int | None = None

    def has_fired(self, moment: int) -> bool:
        forgotten = len(self.fired) >= MOST_SPANS and moment < self.fired[0][0]
        return forgotten or any(first <= moment <= last for first, last in self.fired)


class Timetable(msgspec.Struct, frozen=True):
    """A schedule, read."""

    schedule: Schedule
    cron: Cron
    zone: Zone

    def due(self, mark: Mark, now: float) -> tuple[int, ...]:
        """What is to be submitted now of the moments since `mark.seen`, ascending."""
        found = newest_between(self.cron, mark.seen, now, self.zone.info, MOST_CAUGHT_UP)
        moments = tuple(moment for moment in found if not mark.has_fired(moment))
        match self.schedule.catch_up:
            case "all":
                return moments
            case "one":
                return moments[-1:]
            case "skip":
                return tuple(moment for moment in moments[-1:] if now - moment < LATE_S)

    def next_at(self, mark: Mark, now: float) -> int | None:
        """The next moment that has not been fired."""
        following = next_after(self.cron, now, self.zone.info)
        for _, last in mark.fired:
            if following is not None and mark.has_fired(following):
                following = next_after(self.cron, max(last, following), self.zone.info)
        return following

    def upcoming(self, mark: Mark, now: float, count: int) -> tuple[int, ...]:
        """The next moments, `count` of them at most; none while it is paused."""
        found: list[int] = []
        following = None if mark.is_paused else self.next_at(mark, now)
        while following is not None and len(found) < count:
            found.append(following)
            following = self.next_at(mark, following)
        return tuple(found)

    def after_firing(self, mark: Mark, moment: int) -> Mark:
        """Joined to the span before if nothing lies between."""
        earlier = [span for span in mark.fired if span[1] < moment]
        later = [span for span in mark.fired if span[0] > moment]
        begin = moment
        if earlier and next_after(self.cron, earlier[-1][1], self.zone.info) == moment:
            begin = earlier.pop()[0]
        spans = (*earlier, (begin, moment), *later)[-MOST_SPANS:]
        return msgspec.structs.replace(mark, fired=spans, last=moment, seen=float(moment), sending=None)


def timetable(schedule: Schedule) -> Timetable:
    """Raises `SymbiontError("BAD_VALUE")` for a cron expression, `ValueError` for a time zone that is none."""
    return Timetable(schedule, parse(schedule.cron), Zone(schedule.time_zone))


def name_fault(name: str) -> str:
    """What a name of a schedule is to be, if it is not; else empty."""
    if name.replace("-", "_").isidentifier() and len(name) <= MOST_NAME_CHARS:
        return ""
    return f"a word of at most {MOST_NAME_CHARS} letters, digits, - and _"


def admitted(schedule: Schedule, intake: Intake) -> Schedule:
    """A schedule that somebody asks for, if it can be kept; else a `SymbiontError` about the first thing wrong with it."""
    fault = name_fault(schedule.name)
    if fault:
        raise SymbiontError("BAD_VALUE", f"expected name to be {fault}, got: {quoted(schedule.name)}")
    try:
        _ = timetable(schedule).zone.info
    except ValueError:
        message = f"expected time_zone to be the IANA name of a time zone, got: {quoted(schedule.time_zone)}"
        raise SymbiontError("BAD_VALUE", message, hint='"Europe/Berlin"') from None
    intake.admit(schedule.new_task)
    return schedule


def begun(schedule: Schedule, now: float, before: Mark | None = None, was: Schedule | None = None) -> Mark:
    """The mark of a schedule that begins now, or is another from now on: nothing is owed, and what was fired under its name stays fired.

    But for what a clock that was ahead has fired at other times than those it comes at now: the spans in between would silence it.
    """
    if before is None:
        return Mark(schedule.name, now)
    is_same = was is not None and (was.cron, was.time_zone) == (schedule.cron, schedule.time_zone)
    fired = before.fired if is_same else tuple(span for span in before.fired if span[1] <= now)
    return msgspec.structs.replace(before, seen=now, fired=fired, sending=None)
