"""What a request for a schedule means: its fields as words of the domain."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.schedule import CatchUp, Schedule
from symbiont.domain.task import Priority
from symbiont.domain.wording import quoted
from symbiont.http import parse

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
        name=_required("name", fields),
        cron=_required("cron", fields),
        task=_required("task", fields),
        time_zone=parse.optional("time_zone", fields) or "UTC",
        priority=parse.one_of(_texts(fields, "priority"), "priority", _PRIORITIES) or "normal",
        project=parse.optional("project", fields) or "",
        force_tier=parse.optional("force_tier", fields),
        catch_up=parse.one_of(_texts(fields, "catch_up"), "catch_up", _CATCH_UPS) or "skip",
    )


def flag_of(name: str, fields: Mapping[str, object]) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise SymbiontError("WRONG_TYPE", f"expected {name} to be true or false, got: {quoted(value)}")
    return bool(value)


def _texts(fields: Mapping[str, object], name: str) -> dict[str, str]:
    text = parse.optional(name, fields)
    return {} if text is None else {name: text}


def _required(name: str, fields: Mapping[str, object]) -> str:
    text = parse.optional(name, fields)
    if text is None:
        hint = '{"name": "briefing", "cron": "0 7 * * MON-FRI", "task": "…"}'
        raise SymbiontError("MISSING_FIELD", f"expected {name} to be present, got: no such field", hint=hint)
    return text
