"""The views about schedules. Times are RFC 3339 UTC with a `Z`."""

import msgspec


class ScheduleView(msgspec.Struct, frozen=True):
    """One schedule. `next_at` None: it is paused. `last_at`: the moment that was fired last. `upcoming`: the next moments.

    `added`: by a request and not by the configuration.
    """

    name: str
    cron: str
    time_zone: str
    next_at: str | None
    last_at: str | None
    task_preview: str
    paused: bool
    catch_up: str
    upcoming: tuple[str, ...] = ()
    added: bool = False


class ScheduleList(msgspec.Struct, frozen=True):
    """`GET /schedules`: those of the configuration, in its order, then those that were added."""

    schedules: tuple[ScheduleView, ...]
    count: int
