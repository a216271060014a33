"""Who is stopped and who is started when a child ends. Pure; OTP `supervisor`, "Supervision Principles"."""

from collections.abc import Sequence
from typing import assert_never

from supervisors.exits import ExitReason, is_abnormal
from supervisors.spec import Restart, Strategy

__all__ = ["round_of", "should_restart"]


def should_restart(restart: Restart, reason: ExitReason) -> bool:
    """The restart decision: restart type × exit reason."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return is_abnormal(reason)
        case Restart.TEMPORARY:
            return False
        case _:
            assert_never(restart)


def round_of(strategy: Strategy, ids: Sequence[str], failed: str) -> tuple[str, ...]:
    """The ids that take part in the restart of `failed`, in start order; they are stopped in the reverse order."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return (failed,)
        case Strategy.ONE_FOR_ALL:
            return tuple(ids)
        case Strategy.REST_FOR_ONE:
            return tuple(ids[list(ids).index(failed) :])
        case _:
            assert_never(strategy)
