"""What a request for a schedule means: its fields as words of the domain."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from symbiont.domain.schedule import CatchUp, Schedule
from symbiont.domain.task import Priority
from symbiont.http import parse

_EXAMPLE = '{"name": "briefing", "cron": "0 7 * * MON-FRI", "task": "…"}'
_CATCH_UPS: tuple[CatchUp, ...] = ("skip", "one", "all")
_PRIORITIES: tuple[Literal["critical", "high", "normal", "low"], ...] = ("critical", "high", "normal", "low")


class ScheduleBody(msgspec.Struct, frozen=True):
    """What `POST /schedules` takes. `cron`: minute hour day month weekday, or `@daily` and the like; `time_zone`: an IANA name.

    `replace`: also if a schedule of this name was added before. `dry_run`: only say when it would come.
    """

    name: str
    cron: str
    task: str
    time_zone: str | None = None
    priority: Priority | None = None
    project: str | None = None
    force_tier: str | None = None
    catch_up: CatchUp | None = None
    replace: bool | None = None
    dry_run: bool | None = None


def schedule_of(fields: Mapping[str, object]) -> Schedule:
    """The schedule a body asks for; whether it can be kept, `domain.schedule.admitted` says."""
    parse.no_unknown(fields, ScheduleBody.__struct_fields__, "field")
    return Schedule(
        name=parse.required("name", fields, _EXAMPLE),
        cron=parse.required("cron", fields, _EXAMPLE),
        task=parse.required("task", fields, _EXAMPLE),
        time_zone=parse.optional("time_zone", fields) or "UTC",
        priority=parse.word("priority", fields, _PRIORITIES) or "normal",
        project=parse.optional("project", fields) or "",
        force_tier=parse.optional("force_tier", fields),
        catch_up=parse.word("catch_up", fields, _CATCH_UPS) or "skip",
    )
