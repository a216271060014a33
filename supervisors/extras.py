"""What few actors have at a time: debug functions, a `suspend`, the timer of an `After`. Nearly all pay one test a message for it."""

from typing import Final, final

from supervisors.actor import Actor
from supervisors.debug import Debugger

__all__ = ["NOBODY", "Extras", "TimeUp"]


@final
class TimeUp:
    """The signal of an `After`; void unless it is the one that `Extras` knows."""

    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message


@final
class Extras:
    """Dropped as a whole once it is empty."""

    __slots__ = ("debugger", "is_suspended", "time_up")

    def __init__(self) -> None:
        self.debugger: Debugger | None = None
        self.is_suspended = False
        self.time_up: TimeUp | None = None

    @property
    def is_empty(self) -> bool:
        return self.debugger is None and not self.is_suspended and self.time_up is None


class _Nobody(Actor):
    mailbox_capacity = 0


NOBODY: Final[Actor] = _Nobody()
"""What a dead process runs, so that nothing of its instance outlives it."""
