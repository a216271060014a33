"""What the schedules are asked, and what they answer."""

import msgspec

from supervisors import Request
from symbiont.actors.ledger_messages import Refused
from symbiont.domain.schedule import Mark, Schedule


class NoSuchSchedule(msgspec.Struct, frozen=True):
    name: str
    known: tuple[str, ...]


class ScheduleState(msgspec.Struct, frozen=True):
    """`upcoming`: its next moments, none while it is paused. `is_added`: while Symbiont ran; else the configuration has it."""

    schedule: Schedule
    mark: Mark
    upcoming: tuple[int, ...]
    is_added: bool = False

    @property
    def next_at(self) -> int | None:
        return self.upcoming[0] if self.upcoming else None


class NameInUse(msgspec.Struct, frozen=True):
    """There is such a schedule: of the configuration, which nobody else changes, or one that was added."""

    name: str
    is_configured: bool


class TooMany(msgspec.Struct, frozen=True):
    limit: int


class ReadSchedules(msgspec.Struct, Request[tuple[ScheduleState, ...]], frozen=True):
    pass


class PauseSchedule(msgspec.Struct, Request[ScheduleState | NoSuchSchedule | Refused], frozen=True):
    """Pause it, or resume it; what comes while it is paused is not made up for."""

    name: str
    is_paused: bool


class AddSchedule(msgspec.Struct, Request[ScheduleState | NameInUse | TooMany | Refused], frozen=True):
    """Begin with it now. `replace`: also if one of this name was added before, which it goes on from."""

    schedule: Schedule
    replace: bool = False


class RemoveSchedule(msgspec.Struct, Request[ScheduleState | NoSuchSchedule | NameInUse | Refused], frozen=True):
    """End it; what it has submitted goes on. Answers what it was."""

    name: str
