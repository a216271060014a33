"""The vocabulary of supervision: what a child is and how it is to be kept. Values only; OTP `supervisor`, "Child specification".

Wrong values raise `BadSpec` with OTP's own word for the mistake, before anything is started.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isnan
from typing import TYPE_CHECKING, Final, Protocol

from supervisors.errors import BadSpec

if TYPE_CHECKING:
    from supervisors.process import Process
    from supervisors.runtime import Runtime

__all__ = ["BRUTAL_KILL", "ChildSpec", "ChildType", "Flags", "Restart", "Start", "Strategy", "check_children"]


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # only after an abnormal end
    TEMPORARY = "temporary"  # never; its specification goes with it


class ChildType(StrEnum):
    WORKER = "worker"
    SUPERVISOR = "supervisor"


class Strategy(StrEnum):
    """Who is restarted when one child ends."""

    ONE_FOR_ONE = "one_for_one"  # that child alone
    ONE_FOR_ALL = "one_for_all"  # everybody
    REST_FOR_ONE = "rest_for_one"  # that child and those started after it


BRUTAL_KILL: Final = 0.0
"""Shutdown value: no notice, `kill` at once. (OTP tells `0` and `brutal_kill` apart; with no notice both kill.)"""

WORKER_SHUTDOWN_S: Final = 5.0
SUPERVISOR_SHUTDOWN_S: Final = inf


class Start(Protocol):
    """How a child comes up: called in the supervisor; returns the living, linked child, or None for OTP's `ignore`.

    Raises `NotStarted`; then nothing of the child is left.
    """

    def __call__(self, runtime: "Runtime", parent: "Process") -> "Awaitable[Process | None]": ...


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child. `shutdown_s` is how long it may take to end after being asked (`inf` = as long as it needs)."""

    id: str
    start: Start
    restart: Restart = Restart.PERMANENT
    shutdown_s: float | None = None
    type: ChildType = ChildType.WORKER

    def __post_init__(self) -> None:
        if self.shutdown_s is not None and (isnan(self.shutdown_s) or self.shutdown_s < 0):
            raise BadSpec("invalid_shutdown", f"expected shutdown_s of {self.id} to be >= 0, got: {self.shutdown_s}")

    @property
    def patience_s(self) -> float:
        """`shutdown_s`, or OTP's default for the type: 5 s for a worker, no limit for a supervisor (its tree needs its time)."""
        if self.shutdown_s is not None:
            return self.shutdown_s
        return WORKER_SHUTDOWN_S if self.type is ChildType.WORKER else SUPERVISOR_SHUTDOWN_S


@dataclass(frozen=True, slots=True)
class Flags:
    """Supervisor flags. More than `intensity` restarts within `period_s` seconds and the supervisor gives up (OTP defaults)."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period_s: float = 5.0

    def __post_init__(self) -> None:
        if self.intensity < 0:
            raise BadSpec("invalid_intensity", f"expected intensity to be >= 0, got: {self.intensity}")
        if not self.period_s > 0:
            raise BadSpec("invalid_period", f"expected period_s to be > 0, got: {self.period_s}")


def check_children(children: Sequence[ChildSpec]) -> None:
    """Raise `BadSpec` unless every id is used once (OTP `supervisor:check_childspecs/1`)."""
    seen: set[str] = set()
    for child in children:
        if child.id in seen:
            raise BadSpec("duplicate_child_name", f"expected every child id to be unique, got twice: {child.id}")
        seen.add(child.id)
