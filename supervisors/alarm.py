"""A message to oneself, later: a timer that belongs to a process and ends with it (OTP `erlang:send_after/3` to a pid).

Guarantees: an alarm is forgotten the moment it rings, is cancelled, or its process dies; a process that crashes again and again
leaves no timers behind.
"""

from collections.abc import Callable
from typing import Final

from supervisors.clock import Clock, Timer

__all__ = ["Alarm", "Alarms"]


class Alarms:
    """The alarms of one process that have not rung."""

    __slots__ = ("_armed", "_ring")

    def __init__(self, ring: Callable[[object], object]) -> None:
        self._armed: set[Alarm] = set()
        self._ring: Final = ring

    def __len__(self) -> int:
        return len(self._armed)

    def set(self, clock: Clock, delay_s: float, message: object) -> Timer:
        alarm = Alarm(self, message)
        alarm.timer = clock.call_at(clock.monotonic() + delay_s, alarm.rings)
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

    __slots__ = ("_alarms", "message", "timer")

    def __init__(self, alarms: Alarms, message: object) -> None:
        self._alarms = alarms
        self.message = message
        self.timer: Timer | None = None

    def rings(self) -> None:
        self._alarms.ring(self)

    def cancel(self) -> None:
        self._alarms.forget(self)
        if self.timer is not None:
            self.timer.cancel()
