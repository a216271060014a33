"""The rows of the route table about schedules."""

from symbiont.http.encode import View
from symbiont.http.route import Asked, Desk, Route
from symbiont.service import schedule_views


async def list_schedules(desk: Desk, _asked: Asked) -> View:
    return await desk.service.schedules()


async def pause_schedule(desk: Desk, asked: Asked) -> View:
    return await desk.service.pause_schedule(asked.path["name"], is_paused=True)


async def resume_schedule(desk: Desk, asked: Asked) -> View:
    return await desk.service.pause_schedule(asked.path["name"], is_paused=False)


_CODES = ("NOT_FOUND", "STORAGE_REFUSED")

SCHEDULE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/schedules", list_schedules, "What is done when", (schedule_views.ScheduleList,)),
    Route(
        "POST", "/schedules/{name}/pause", pause_schedule, "Submit nothing of a schedule until it is resumed",
        (schedule_views.ScheduleView,), codes=_CODES,
    ),
    Route(
        "POST", "/schedules/{name}/resume", resume_schedule, "Go on with a schedule from now",
        (schedule_views.ScheduleView,), codes=_CODES,
    ),
)  # fmt: skip
