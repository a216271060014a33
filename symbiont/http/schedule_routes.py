"""The rows of the route table about schedules."""

from symbiont.http import parse, schedule_parse
from symbiont.http.encode import View
from symbiont.http.route import Asked, Desk, Route
from symbiont.service import schedule_views


async def list_schedules(desk: Desk, _asked: Asked) -> View:
    return await desk.service.schedules()


async def pause_schedule(desk: Desk, asked: Asked) -> View:
    return await desk.service.pause_schedule(asked.path["name"], is_paused=True)


async def resume_schedule(desk: Desk, asked: Asked) -> View:
    return await desk.service.pause_schedule(asked.path["name"], is_paused=False)


async def add_schedule(desk: Desk, asked: Asked) -> View:
    schedule = schedule_parse.schedule_of(asked.fields)
    replace, dry_run = (parse.true_or_false(name, asked.fields) for name in ("replace", "dry_run"))
    return await desk.service.add_schedule(schedule, replace=replace, dry_run=dry_run)


async def remove_schedule(desk: Desk, asked: Asked) -> View:
    return await desk.service.remove_schedule(asked.path["name"])


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
    Route(
        "POST", "/schedules", add_schedule, "Add a schedule, from now on", (schedule_views.ScheduleView,),
        schedule_parse.ScheduleBody,
        codes=("MISSING_FIELD", "BAD_VALUE", "EMPTY_TASK", "TASK_TOO_LONG", "UNKNOWN_TIER", "CONFLICT", "STORAGE_REFUSED"),
    ),
    Route(
        "POST", "/schedules/{name}/remove", remove_schedule, "Remove a schedule that was added; its tasks go on",
        (schedule_views.ScheduleView,), codes=(*_CODES, "CONFLICT"),
    ),
)  # fmt: skip
