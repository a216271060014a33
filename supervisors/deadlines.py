"""The time-outs of all calls of a runtime: a dict and one armed timer for each distinct duration.

Calls of one duration time out in the order they were made, so the oldest entry of a dict is the next to strike and a single
timer serves them all. To add and to discard are dict operations, some twenty times cheaper than arming and cancelling a timer
per call. Guarantees: exact, never early; a discarded entry is gone at once. A timer may outlive the calls it was armed for: it
then finds nothing to do.
"""

from typing import Final, Protocol

from supervisors.clock import Clock, Timer

__all__ = ["Deadline", "Deadlines", "Expiring"]

FEW: Final = 64
"""Up to so many durations keep their idle timer; beyond, somebody computes durations, and an idle one is dropped at once."""


class Expiring(Protocol):
    """What has a time-out."""

    def expire(self) -> None:
        """The time is up."""


class Deadlines:
    """`add` returns what `discard` is called on."""

    __slots__ = ("_clock", "_spans")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spans: dict[float, Deadline] = {}

    def __len__(self) -> int:
        """Entries that have neither struck nor been discarded."""
        return sum(len(deadline) for deadline in self._spans.values())

    def add(self, entry: Expiring, span_s: float) -> "Deadline":
        """Call `entry.expire()` once, `span_s` seconds from now."""
        deadline = self._spans.get(span_s)
        if deadline is None:
            deadline = self._spans[span_s] = Deadline(self._clock, span_s, self._spans)
        deadline.add(entry)
        return deadline


class Deadline:
    """All entries of one duration, the oldest first."""

    __slots__ = ("_clock", "_due_s", "_now", "_span_s", "_spans", "_timer")

    def __init__(self, clock: Clock, span_s: float, spans: "dict[float, Deadline]") -> None:
        self._clock = clock
        self._now = clock.monotonic
        self._span_s = span_s
        self._spans = spans
        self._due_s: dict[Expiring, float] = {}
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._due_s)

    def add(self, entry: Expiring) -> None:
        due_s = self._now() + self._span_s
        self._due_s[entry] = due_s
        if self._timer is None:
            self._timer = self._clock.call_at(due_s, self._strike)

    def discard(self, entry: Expiring) -> None:
        """Harmless when it has struck or been discarded before."""
        self._due_s.pop(entry, None)
        if not self._due_s and len(self._spans) > FEW:
            self._drop()

    def _strike(self) -> None:
        self._timer = None
        now_s = self._clock.monotonic()
        while self._due_s:
            entry, due_s = next(iter(self._due_s.items()))
            if due_s > now_s:
                self._timer = self._clock.call_at(due_s, self._strike)
                return
            del self._due_s[entry]
            entry.expire()
        self._drop()

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._spans.get(self._span_s) is self:
            del self._spans[self._span_s]
