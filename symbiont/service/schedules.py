"""Questions and commands about schedules."""

from typing import Protocol

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.schedule_desk import UPCOMING
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
from symbiont.domain.intake import Intake
from symbiont.domain.moment import rfc3339
from symbiont.domain.schedule import Mark, Schedule, admitted, timetable
from symbiont.domain.wording import did_you_mean, quoted
from symbiont.ports import Clock
from symbiont.service import schedule_views
from symbiont.service.asking import ask, checked

PREVIEW_CHARS = 80
WRITE_S = 30.0


class ScheduleApi(Protocol):
    """What HTTP and CLI may ask about schedules."""

    async def schedules(self) -> schedule_views.ScheduleList: ...

    async def pause_schedule(self, name: str, *, is_paused: bool) -> schedule_views.ScheduleView:
        """Pause or resume; what comes while it is paused is not made up for."""
        ...

    async def add_schedule(self, schedule: Schedule, *, replace: bool, dry_run: bool) -> schedule_views.ScheduleView:
        """Begin with it now. `dry_run`: only say when it would come."""
        ...

    async def remove_schedule(self, name: str) -> schedule_views.ScheduleView: ...


class ScheduleService:
    def __init__(self, runtime: Runtime, intake: Intake, clock: Clock) -> None:
        self._runtime = runtime
        self._intake = intake
        self._wall = clock.wall

    async def schedules(self) -> schedule_views.ScheduleList:
        states = await ask(self._runtime, names.SCHEDULES, ReadSchedules())
        return schedule_views.ScheduleList(tuple(map(_view, states)), len(states))

    async def pause_schedule(self, name: str, *, is_paused: bool) -> schedule_views.ScheduleView:
        answer = await ask(self._runtime, names.SCHEDULES, PauseSchedule(name, is_paused), timeout_s=WRITE_S)
        if isinstance(answer, NoSuchSchedule):
            raise _no_such(answer)
        return _view(checked(answer))

    async def add_schedule(self, schedule: Schedule, *, replace: bool, dry_run: bool) -> schedule_views.ScheduleView:
        admitted(schedule, self._intake)
        if dry_run:
            now = self._wall()
            mark = Mark(schedule.name, now)
            return _view(ScheduleState(schedule, mark, timetable(schedule).upcoming(mark, now, UPCOMING)))
        answer = await ask(self._runtime, names.SCHEDULES, AddSchedule(schedule, replace), timeout_s=WRITE_S)
        if isinstance(answer, TooMany):
            raise SymbiontError("CONFLICT", f"expected at most {answer.limit} schedules, got: one more")
        if isinstance(answer, NameInUse):
            raise _in_use(answer)
        return _view(checked(answer))

    async def remove_schedule(self, name: str) -> schedule_views.ScheduleView:
        answer = await ask(self._runtime, names.SCHEDULES, RemoveSchedule(name), timeout_s=WRITE_S)
        if isinstance(answer, NoSuchSchedule):
            raise _no_such(answer)
        if isinstance(answer, NameInUse):
            raise _in_use(answer)
        return _view(checked(answer))


def _no_such(missing: NoSuchSchedule) -> SymbiontError:
    message = f"expected name to be that of a schedule, got: {quoted(missing.name)}"
    hint = did_you_mean(missing.name, missing.known) or "symbiont schedule list"
    return SymbiontError("NOT_FOUND", message, hint=hint, details={"schedules": list(missing.known)})


def _in_use(taken: NameInUse) -> SymbiontError:
    if taken.is_configured:
        message = f"expected a schedule that was added, got: {taken.name}, which stands in the configuration"
        return SymbiontError("CONFLICT", message, hint="change [[schedules]] in symbiont.toml and restart")
    message = f"expected a name that is free, got: {taken.name}"
    return SymbiontError("CONFLICT", message, hint="replace it: --replace, or replace: true in the body")


def _view(state: ScheduleState) -> schedule_views.ScheduleView:
    schedule, last = state.schedule, state.mark.last
    return schedule_views.ScheduleView(
        name=schedule.name,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        next_at=None if state.next_at is None else rfc3339(state.next_at),
        last_at=None if last is None else rfc3339(last),
        task_preview=" ".join(schedule.task.split())[:PREVIEW_CHARS],
        paused=state.mark.is_paused,
        catch_up=schedule.catch_up,
        upcoming=tuple(map(rfc3339, state.upcoming)),
        added=state.is_added,
    )
