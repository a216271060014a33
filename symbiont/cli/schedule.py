"""`symbiont schedule …`: what is done when."""

from typing import Annotated, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, Options, Shared
from symbiont.service import schedule_views

app = App(name="schedule", help="See what is done when; pause and resume it.", help_epilogue="")

COLUMNS = ("name", "cron", "zone", "next", "last", "state", "task")

Name = Annotated[str, Parameter(name="NAME", help="Name of the schedule in the configuration.")]


@app.command(name="list")
def list_schedules(*, options: Shared = DEFAULTS) -> None:
    """List the schedules of the configuration, when they come next and came last."""
    client = connect(options)
    body = client.get("/schedules")
    page = client.decode(body, schedule_views.ScheduleList)
    if options.json:
        output.show_json(body)
        return
    output.show_table(COLUMNS, [_row(one) for one in page.schedules])
    if not page.schedules:
        output.talk("no schedule is configured: see [[schedules]] in symbiont.toml")


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
