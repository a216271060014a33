"""A message to oneself, later: a timer that belongs to a process and ends with it (OTP `erlang:send_after/3` to a pid).

Guarantees: an alarm is forgotten the moment it rings, is cancelled, or its process dies; a process that crashes again and again
leaves no timers behind. An alarm can say how much time is left, and its cancellation whether it was in time.
"""

from collections.abc import Callable
from typing import Final

from supervisors.clock import Clock, Timer

__all__ = ["Alarm", "Alarms"]


class Alarms:
    """The alarms of one process that have not rung."""

    __slots__ = ("_armed", "_ring", "clock")

    def __init__(self, clock: Clock, ring: Callable[[object], object]) -> None:
        self.clock: Final = clock
        self._armed: set[Alarm] = set()
        self._ring: Final = ring

    def __len__(self) -> int:
        return len(self._armed)

    def __contains__(self, alarm: "Alarm") -> bool:
        return alarm in self._armed

    def set(self, when_s: float, message: object) -> "Alarm":
        alarm = Alarm(self, when_s, message)
        alarm.timer = self.clock.call_at(when_s, alarm.rings)
        self._armed.add(alarm)
        return alarm

    def forget(self, alarm: "Alarm") -> None:
        self._armed.discard(alarm)

    def ring(self, alarm: "Alarm") -> None:
        self.forget(alarm)
        self._ring(alarm.message)

    def cancel_all(self) -> None:
        for alarm in list(self._armed):
            alarm.cancel()


class Alarm:
    """One message on its way; a `Timer`."""

    __slots__ = ("_alarms", "_when_s", "message", "timer")

    def __init__(self, alarms: Alarms, when_s: float, message: object) -> None:
        self._alarms = alarms
        self._when_s = when_s
        self.message = message
        self.timer: Timer | None = None

    def rings(self) -> None:
        self._alarms.ring(self)

    def left_s(self) -> float | None:
        """In how many seconds it rings (OTP `erlang:read_timer/1`); None if it has rung, was cancelled, or its process is dead."""
        return max(0.0, self._when_s - self._alarms.clock.monotonic()) if self in self._alarms else None

    def cancel(self) -> bool:
        """True if it was in time: the message will not come (OTP `erlang:cancel_timer/1`)."""
        was_armed = self in self._alarms
        self._alarms.forget(self)
        if self.timer is not None:
            self.timer.cancel()
        return was_armed
