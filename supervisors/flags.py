"""How a supervisor as a whole behaves: its flags. Values only; OTP `supervisor`, "Supervisor Flags"."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final, cast

from supervisors.validation import Check, check_fields, is_a, is_duration, known_fields

__all__ = ["AutoShutdown", "Flags", "Strategy"]


class Strategy(StrEnum):
    """Who is restarted when one child ends."""

    ONE_FOR_ONE = "one_for_one"  # that child alone
    ONE_FOR_ALL = "one_for_all"  # everybody
    REST_FOR_ONE = "rest_for_one"  # that child and those started after it


class AutoShutdown(StrEnum):
    """Whether a supervisor ends because significant children ended by themselves (OTP 24)."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"  # with the first of them
    ALL_SIGNIFICANT = "all_significant"  # with the last of them


@dataclass(frozen=True, slots=True)
class Flags:
    """More than `intensity` restarts within `period_s` seconds and the supervisor gives up. The defaults are OTP's.

    Raises `BadSpec` with OTP's word for what is wrong. Not ported: `hibernate_after`, which would do nothing here.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period_s: float = 5.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def __post_init__(self) -> None:
        check_fields(self, _FLAGS)

    @classmethod
    def of(cls, entries: Mapping[str, object]) -> "Flags":
        """Flags from a map, as OTP takes them: unknown keys are ignored."""
        return cls(**known_fields(cls, entries, "invalid_type"))


_FLAGS: Final[tuple[Check, ...]] = (
    ("strategy", "invalid_strategy", is_a(Strategy), "one of Strategy"),
    ("intensity", "invalid_intensity", lambda it: type(it) is int and it >= 0, "a number >= 0"),
    ("period_s", "invalid_period", lambda it: is_duration(it) and 0 < cast("float", it) < inf, "seconds > 0"),
    ("auto_shutdown", "invalid_auto_shutdown", is_a(AutoShutdown), "one of AutoShutdown"),
)
