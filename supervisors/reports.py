"""What a supervisor reports beyond `events`: the same events, more precisely."""

from dataclasses import dataclass

from supervisors.events import ChildTerminated, Progress

__all__ = ["ChildrenTerminated", "ProgressOnRequest"]


@dataclass(frozen=True, slots=True)
class ProgressOnRequest(Progress):
    """A child was started because somebody asked for it; OTP writes this one at level debug, that of a restart at info."""


@dataclass(frozen=True, slots=True)
class ChildrenTerminated(ChildTerminated):
    """Several children of a dynamic supervisor did not end the way they were asked to: one report for all of one reason."""

    nb_children: int = 1
