"""`symbiont schedule …`: what is done when."""

from typing import Annotated, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, Options, Shared
from symbiont.service import schedule_views

app = App(name="schedule", help="See and say what is done when; pause and resume it.", help_epilogue="")

COLUMNS = ("name", "cron", "zone", "next", "last", "state", "task")

Name = Annotated[str, Parameter(name="NAME", help="Name of the schedule.")]
Tier = Annotated[str | None, Parameter(help="Run the tasks on this tier, unclassified.")]


@app.command(name="list")
def list_schedules(*, options: Shared = DEFAULTS) -> None:
    """List the schedules, when they come next and came last."""
    client = connect(options)
    body = client.get("/schedules")
    page = client.decode(body, schedule_views.ScheduleList)
    if options.json:
        output.show_json(body)
        return
    output.show_table(COLUMNS, [_row(one) for one in page.schedules])
    if not page.schedules:
        output.talk("no schedule: symbiont schedule add, or [[schedules]] in symbiont.toml")


@app.command
def add(
    name: Name,
    task: Annotated[str, Parameter(name="TASK", help="What is to be done each time.")],
    /,
    *,
    cron: Annotated[str, Parameter(help="minute hour day month weekday, as in '0 7 * * MON-FRI', or @daily.")],
    time_zone: Annotated[str, Parameter(help="IANA name of the time zone that CRON is meant in.")] = "UTC",
    priority: Annotated[Literal["critical", "high", "normal", "low"], Parameter(help="Of the tasks.")] = "normal",
    project: Annotated[str, Parameter(help="Project that the tasks belong to.")] = "",
    tier: Tier = None,
    catch_up: Annotated[
        Literal["skip", "one", "all"], Parameter(help="After a time away: nothing, the last missed moment, or all.")
    ] = "skip",
    replace: Annotated[bool, Parameter(negative=(), help="Also if one of this name was added before.")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Only say when it would come.")] = False,
    options: Shared = DEFAULTS,
) -> None:
    """Add a schedule to the running server, from now on and over restarts."""
    client = connect(options)
    asked: dict[str, object] = {
        "name": name,
        "cron": cron,
        "task": task,
        "time_zone": time_zone,
        "priority": priority,
        "project": project,
    }
    asked |= {"force_tier": tier, "catch_up": catch_up, "replace": replace, "dry_run": dry_run}
    body = client.post("/schedules", asked)
    schedule = client.decode(body, schedule_views.ScheduleView)
    if options.json:
        output.show_json(body)
    else:
        output.show_record([("name", schedule.name), *(("comes", moment) for moment in schedule.upcoming)])


@app.command
def remove(name: Name, /, *, options: Shared = DEFAULTS) -> None:
    """Remove a schedule that was added. Those of the configuration are removed there; `pause` stops any."""
    client = connect(options)
    body = client.post(f"/schedules/{quote(name, safe='')}/remove")
    schedule = client.decode(body, schedule_views.ScheduleView)
    if options.json:
        output.show_json(body)
    else:
        output.show_record([("name", schedule.name), ("state", "removed")])


@app.command
def pause(name: Name, /, *, options: Shared = DEFAULTS) -> None:
    """Submit nothing of a schedule until it is resumed."""
    _turn(name, "pause", options)


@app.command
def resume(name: Name, /, *, options: Shared = DEFAULTS) -> None:
    """Go on with a schedule from now; what came meanwhile is not made up for."""
    _turn(name, "resume", options)


def _turn(name: str, verb: Literal["pause", "resume"], options: Options) -> None:
    client = connect(options)
    body = client.post(f"/schedules/{quote(name, safe='')}/{verb}")
    schedule = client.decode(body, schedule_views.ScheduleView)
    if options.json:
        output.show_json(body)
    else:
        output.show_record([("name", schedule.name), ("state", _state(schedule)), ("next", schedule.next_at or "")])


def _state(one: schedule_views.ScheduleView) -> str:
    return "paused" if one.paused else "on"


def _row(one: schedule_views.ScheduleView) -> tuple[str, ...]:
    return (one.name, one.cron, one.time_zone, one.next_at or "", one.last_at or "", _state(one), one.task_preview)
