"""Questions and commands about schedules."""

from typing import Protocol

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.schedule_messages import NoSuchSchedule, PauseSchedule, ReadSchedules, ScheduleState
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import rfc3339
from symbiont.domain.wording import did_you_mean, quoted
from symbiont.service import schedule_views
from symbiont.service.asking import ask, checked

PREVIEW_CHARS = 80


class ScheduleApi(Protocol):
    """What HTTP and CLI may ask about schedules."""

    async def schedules(self) -> schedule_views.ScheduleList: ...

    async def pause_schedule(self, name: str, *, is_paused: bool) -> schedule_views.ScheduleView:
        """Pause or resume; what comes while it is paused is not made up for."""
        ...


class ScheduleService:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def schedules(self) -> schedule_views.ScheduleList:
        states = await ask(self._runtime, names.SCHEDULES, ReadSchedules())
        return schedule_views.ScheduleList(tuple(map(_view, states)), len(states))

    async def pause_schedule(self, name: str, *, is_paused: bool) -> schedule_views.ScheduleView:
        answer = await ask(self._runtime, names.SCHEDULES, PauseSchedule(name, is_paused), timeout_s=30.0)
        if isinstance(answer, NoSuchSchedule):
            message = f"expected name to be that of a configured schedule, got: {quoted(answer.name)}"
            hint = did_you_mean(answer.name, answer.known) or "symbiont schedule list"
            raise SymbiontError("NOT_FOUND", message, hint=hint, details={"schedules": list(answer.known)})
        return _view(checked(answer))


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
    )
