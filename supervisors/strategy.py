"""Who is stopped and who is started when a child ends, and whether the supervisor ends with it. Pure; OTP `supervisor`,
"Supervision Principles" and "Automatic Shutdown".
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar, assert_never

from supervisors.exits import ExitReason, is_abnormal
from supervisors.spec import AutoShutdown, Restart, Strategy

__all__ = ["ends_with", "round_of", "should_restart"]

T = TypeVar("T")


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


def round_of(strategy: Strategy, children: Collection[T], failed: T) -> Sequence[T]:
    """Those who take part in the restart of `failed`, in start order; they are stopped in the reverse order."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return (failed,)
        case Strategy.ONE_FOR_ALL:
            return tuple(children)
        case Strategy.REST_FOR_ONE:
            in_order = tuple(children)
            return in_order[in_order.index(failed) :]
        case _:
            assert_never(strategy)


def ends_with(auto_shutdown: AutoShutdown, *, is_significant: bool, others: Iterable[bool]) -> bool:
    """Whether a supervisor ends with a child that has ended by itself and is not restarted.

    `others` tells of each other significant child whether it is there; one that is being restarted is.
    """
    match auto_shutdown:
        case AutoShutdown.NEVER:
            return False
        case AutoShutdown.ANY_SIGNIFICANT:
            return is_significant
        case AutoShutdown.ALL_SIGNIFICANT:
            return is_significant and not any(others)
        case _:
            assert_never(auto_shutdown)
