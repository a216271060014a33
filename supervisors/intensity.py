"""The restart window of one supervisor: may it restart once more? OTP `supervisor:add_restart/1`, as of OTP 29.

One list per supervisor, not per child; a restart exactly `period_s` old still counts; one that is refused is not recorded.
Deviation: seconds are floats of a monotonic clock where OTP counts whole ones, so the window is exactly `period_s` and not up
to a second longer. Knows no clock; cost and memory do not depend on how often a supervisor restarts.
"""

from collections import deque

__all__ = ["Window"]


class Window:
    """The restarts that still count, oldest first."""

    __slots__ = ("_restarts", "intensity", "period_s")

    def __init__(self, intensity: int, period_s: float) -> None:
        self.intensity = intensity
        self.period_s = period_s
        self._restarts: deque[float] = deque()

    def add(self, now_s: float) -> bool:
        """Take one more restart, at `now_s`. False when the budget is spent: the supervisor has to give up."""
        if self.count(now_s) >= self.intensity:
            return False
        self._restarts.append(now_s)
        return True

    def count(self, now_s: float) -> int:
        """How many restarts count at `now_s`."""
        restarts, oldest_s = self._restarts, now_s - self.period_s
        while restarts and restarts[0] < oldest_s:
            restarts.popleft()
        return len(restarts)

    @property
    def restarts(self) -> tuple[float, ...]:
        return tuple(self._restarts)
