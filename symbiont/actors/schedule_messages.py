"""What the schedules are asked, and what they answer."""

import msgspec

from supervisors import Request
from symbiont.actors.ledger_messages import Refused
from symbiont.domain.schedule import Mark, Schedule


class NoSuchSchedule(msgspec.Struct, frozen=True):
    name: str
    known: tuple[str, ...]


class ScheduleState(msgspec.Struct, frozen=True):
    """`next_at` is None while it is paused."""

    schedule: Schedule
    mark: Mark
    next_at: int | None


class ReadSchedules(msgspec.Struct, Request[tuple[ScheduleState, ...]], frozen=True):
    pass


class PauseSchedule(msgspec.Struct, Request[ScheduleState | NoSuchSchedule | Refused], frozen=True):
    """Pause it, or resume it; what comes while it is paused is not made up for."""

    name: str
    is_paused: bool
