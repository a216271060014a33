"""Schedules: what is to be done when, which of its moments have been fired, and what is owed after a time away. Pure.

Guarantees: a moment that is in `fired` is never due again, whichever way the wall clock jumps.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from symbiont.domain.cron import Cron, newest_between, next_after, parse
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Priority
from symbiont.domain.zone import Zone

CatchUp = Literal["skip", "one", "all"]

MOST_CAUGHT_UP = 100
"""Missed moments that `all` makes up for at most, the newest."""

LATE_S = 60.0
"""A moment noticed within this time has not been missed."""

MOST_SPANS = 64


class Schedule(msgspec.Struct, frozen=True):
    """A row of `[[schedules]]`."""

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


class Mark(msgspec.Struct, frozen=True):
    """A line of `schedules.jsonl`: how far a schedule has come. `seen`: what was before is over, but for what `fired` does not say.

    `fired` are spans (first, last) of moments all of which were submitted, ascending. More than one exist where moments were
    missed, or where the clock jumped.
    """

    name: str
    seen: float
    fired: tuple[tuple[int, int], ...] = ()
    last: int | None = None
    is_paused: bool = False

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

    def after_firing(self, mark: Mark, moment: int) -> Mark:
        """Joined to the span before if nothing lies between."""
        earlier = [span for span in mark.fired if span[1] < moment]
        later = [span for span in mark.fired if span[0] > moment]
        begin = moment
        if earlier and next_after(self.cron, earlier[-1][1], self.zone.info) == moment:
            begin = earlier.pop()[0]
        spans = (*earlier, (begin, moment), *later)[-MOST_SPANS:]
        return msgspec.structs.replace(mark, fired=spans, last=moment, seen=float(moment))


def timetable(schedule: Schedule) -> Timetable:
    """Raises `SymbiontError("BAD_VALUE")` for a cron expression, `ValueError` for a time zone that is none."""
    return Timetable(schedule, parse(schedule.cron), Zone(schedule.time_zone))


class Marks:
    """The last line of a name counts. It is the fold of its file."""

    def __init__(self) -> None:
        self.by_name: dict[str, Mark] = {}
        self.lines = 0

    def restore(self, state: bytes) -> None:
        raise ValueError("expected no checkpoint, got: one")

    def absorb(self, lines: Sequence[bytes]) -> None:
        """A line that is no mark is passed over."""
        for line in lines:
            self.lines += 1
            try:
                mark = msgspec.json.decode(line, type=Mark)
            except msgspec.ValidationError:
                continue
            self.by_name[mark.name] = mark
