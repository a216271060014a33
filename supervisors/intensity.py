"""The restart window of one supervisor: may it restart once more? Pure; OTP `supervisor:add_restart/1`.

One list per supervisor, not per child; a restart exactly `period_s` old still counts. Deviation: seconds are floats of a
monotonic clock where OTP counts whole ones, so the window is exactly `period_s` and not up to a second longer.
"""

from dataclasses import dataclass

__all__ = ["Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """The restarts that still count, newest first."""

    intensity: int
    period_s: float
    restarts: tuple[float, ...] = ()

    def add(self, now_s: float) -> "Window":
        """The window with one more restart at `now_s`, older ones pruned."""
        recent = tuple(moment for moment in self.restarts if moment >= now_s - self.period_s)
        return Window(self.intensity, self.period_s, (now_s, *recent))

    @property
    def exceeded(self) -> bool:
        """True when the budget is spent: the supervisor has to give up."""
        return len(self.restarts) > self.intensity
