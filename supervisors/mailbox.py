"""A bounded FIFO of messages. Two plain lists: an idle mailbox costs ~100 bytes where a deque costs 760.

Guarantees: order of arrival; `put` never waits; system traffic (exits, supervision) has no bound, for refusing it would
break supervision itself. Does not know what a message means.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["DEFAULT_CAPACITY", "Mailbox"]

DEFAULT_CAPACITY: Final = 10_000

M = TypeVar("M")


class Mailbox(Generic[M]):
    """`capacity` bounds ordinary messages; `peak` and `refused` are for introspection."""

    __slots__ = ("_arriving", "_leaving", "capacity", "peak", "refused")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._arriving: list[M] = []
        self._leaving: list[M] = []  # reversed: the oldest is last, so taking it is a pop
        self.capacity = capacity
        self.peak = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._arriving) + len(self._leaving)

    def put(self, message: M) -> bool:
        """Append; False (and counted) when the mailbox is full."""
        depth = len(self._arriving) + len(self._leaving)
        if depth >= self.capacity:
            self.refused += 1
            return False
        self._arriving.append(message)
        if depth >= self.peak:
            self.peak = depth + 1
        return True

    def put_system(self, message: M) -> None:
        """Append whatever the capacity."""
        self._arriving.append(message)
        self.peak = max(self.peak, len(self))

    def take(self) -> M | None:
        """The oldest message, None when empty."""
        if not self._leaving:
            if not self._arriving:
                return None
            self._leaving, self._arriving = self._arriving, self._leaving
            self._leaving.reverse()
        return self._leaving.pop()

    def discard(self, unwanted: Callable[[M], bool]) -> None:
        """Drop every message for which `unwanted` is true (OTP's flush of a monitor or a link)."""
        self._arriving = [message for message in self._arriving if not unwanted(message)]
        self._leaving = [message for message in self._leaving if not unwanted(message)]

    def clear(self) -> None:
        self._arriving.clear()
        self._leaving.clear()
