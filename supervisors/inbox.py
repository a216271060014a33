"""A process with a mailbox: a bounded FIFO, and what happens when it is full.

Guarantees: order of arrival; nobody who sends ever waits; ordinary messages are bounded, and signals, alarms and system requests
are not, for refusing those would break supervision itself; what arrives after death is gone. Two plain lists, swapped: an idle
mailbox costs 60 bytes where a deque costs 760. The bound is exact, though it is counted only where it may have been reached.
How messages are worked on is the subclass's business.
"""

from abc import abstractmethod
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, assert_never, final

from supervisors.errors import MailboxFull
from supervisors.exits import NOPROC, CallExit, Custom, ExitReason
from supervisors.process import Process
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.signals import DEAD, Down, Exit

__all__ = ["DEFAULT_CAPACITY", "NOWHERE", "Item", "Kind", "MailProcess", "MailboxStats", "Overflow"]

DEFAULT_CAPACITY: Final = 10_000
"""Ordinary messages, unless the actor class says otherwise."""


class Overflow(StrEnum):
    """What a full mailbox does with one more ordinary message. System traffic is never concerned, and no sender ever waits."""

    REJECT = "reject"  # a call raises MailboxFull, a cast answers False
    DROP_NEW = "drop_new"  # as if it had been lost on the way: a cast answers True, a call times out
    DROP_OLDEST = "drop_oldest"  # the oldest ordinary message makes room; if it is a call, it fails
    KILL = "kill"  # whoever cannot keep up is ended, and its supervisor starts it afresh


class Kind(Enum):
    """What an item is for, if it is no call."""

    CAST = "handle_cast"
    INFO = "handle_info"
    SIGNAL = "signal"
    INIT = "init"
    CONTINUE = "handle_continue"
    TERMINATE = "terminate"
    STOP = "stop"
    SYSTEM = "system"


# For the path every message takes: looking up a member of an enumeration costs more than appending to a list.
_CAST: Final = Kind.CAST
_INFO: Final = Kind.INFO
_ORDINARY: Final = (_CAST, _INFO)

Item = From | tuple[Kind, object]
"""A call, or anything else with what it is for."""

NOWHERE: Final = Context()
"""The context of a process that is dead: process → context → process would be a cycle."""

_FULL: Final = Custom("mailbox_full")


@final
@dataclass(frozen=True, slots=True)
class MailboxStats:
    """Figures of a mailbox, never its contents. `peak`: the most that were ever seen waiting; `refused` counts what was dropped, too."""

    depth: int
    peak: int
    capacity: int
    refused: int


class MailProcess(Process):
    """Takes messages in, and says when there is something to do.

    `_is_awake` is True while nobody needs to be told of a message: it has a turn or waits for one, is busy, starting or dead.
    """

    __slots__ = (
        "_arriving",
        "_is_awake",
        "_leaving",
        "_peak",
        "_refused",
        "_room",
        "_scheduler",
        "busy_s",
        "context",
    )

    @property
    @abstractmethod
    def capacity(self) -> int:
        """So many messages may wait; beyond, ordinary ones are subject to `overflow`."""

    @property
    @abstractmethod
    def overflow(self) -> Overflow: ...

    def __init__(self, runtime: Runtime, *, name: str | None, label: str, parent: Process | None) -> None:
        self._arriving: list[Item] = []
        self._leaving: list[Item] = _EMPTY  # reversed: the oldest is last, so taking it is a pop
        self._room = 0  # `_arriving` may grow to this without a closer look
        self._peak = 0
        self._refused = 0
        self._is_awake = True
        self._scheduler = runtime.scheduler
        self.busy_s = 0.0
        self.context = NOWHERE
        super().__init__(runtime, name=name, label=label, parent=parent)

    def wake(self) -> None:
        """Something has arrived, and `_is_awake` was False."""
        self._is_awake = True
        self._scheduler.enqueue(self)

    @abstractmethod
    def work(self, until_s: float) -> None: ...

    # Ordinary messages

    def cast(self, message: object) -> bool:
        if len(self._arriving) >= self._room and not self._make_room():
            return self.overflow is Overflow.DROP_NEW and self.state is not DEAD
        self._arriving.append((_CAST, message))
        if not self._is_awake:  # `wake`, in place
            self._is_awake = True
            scheduler = self._scheduler
            scheduler.queue.append(self)
            if not scheduler.is_armed:
                scheduler.arm()
        return True

    def send(self, message: object) -> bool:
        if len(self._arriving) >= self._room and not self._make_room():
            return self.overflow is Overflow.DROP_NEW and self.state is not DEAD
        self._arriving.append((_INFO, message))
        if not self._is_awake:
            self.wake()
        return True

    def take_call(self, from_: From) -> None:
        if self.state is DEAD:
            raise CallExit(NOPROC, self.label, from_.request)
        if from_.caller is not None:
            self.refuse_deadlock(from_)
        if len(self._arriving) < self._room or self._make_room():
            self._arriving.append(from_)
            if not self._is_awake:
                self.wake()
        elif self.overflow is Overflow.REJECT:
            raise MailboxFull(self.label, self.capacity)

    def _make_room(self) -> bool:
        """Count exactly. If the mailbox is full indeed, do what its policy says; True if one more message is to be taken."""
        if self.state is DEAD:
            return False
        depth = self.queued
        self._peak = max(self._peak, depth)
        self._room = len(self._arriving) + self.capacity - depth
        if len(self._arriving) < self._room:
            return True
        self._refused += 1
        match self.overflow:
            case Overflow.REJECT | Overflow.DROP_NEW:
                return False
            case Overflow.DROP_OLDEST:
                return self._drop_oldest()
            case Overflow.KILL:
                self.kill(_FULL)
                return False
            case _:
                assert_never(self.overflow)

    def _drop_oldest(self) -> bool:
        for waiting, oldest_first in ((self._leaving, False), (self._arriving, True)):
            order = range(len(waiting)) if oldest_first else range(len(waiting) - 1, -1, -1)
            for index in order:
                if _is_ordinary(waiting[index]):
                    self._lose(waiting.pop(index))
                    self._room = len(self._arriving) + 1
                    return True
        return False

    def _lose(self, item: Item) -> None:
        if isinstance(item, From):
            item.fail(_FULL)

    # System traffic

    def post_signal(self, message: object) -> None:
        self.post_system((Kind.SIGNAL, message))

    def request_stop(self, reason: ExitReason) -> None:
        self.post_system((Kind.STOP, reason))

    def post_system(self, item: Item) -> None:
        """Append whatever the bound."""
        if self.state is not DEAD:
            self._arriving.append(item)
            if not self._is_awake:
                self.wake()

    # The lists

    @property
    def queued(self) -> int:
        return len(self._arriving) + len(self._leaving)

    @property
    def mailbox(self) -> MailboxStats:
        depth = self.queued
        return MailboxStats(depth, max(self._peak, depth), self.capacity, self._refused)

    def _turn_over(self) -> Item:
        """What has arrived begins to leave; only when everything before has left, and something has arrived. The oldest."""
        arrived = self._arriving
        depth = len(arrived)
        self._peak = max(self._peak, depth)
        self._arriving = self._leaving if self._leaving is not _EMPTY else []
        arrived.reverse()
        self._leaving = arrived
        self._room = self.capacity - depth
        return arrived.pop()

    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        def is_wanted(item: Item) -> bool:
            return isinstance(item, From) or not (isinstance(item[1], (Exit, Down)) and unwanted(item[1]))

        self._arriving[:] = filter(is_wanted, self._arriving)
        if self._leaving:
            self._leaving[:] = filter(is_wanted, self._leaving)

    def _drop_all(self) -> None:
        """In place: a turn under way sees that nothing is left."""
        self._arriving.clear()
        if self._leaving:
            self._leaving.clear()
        self._room = 0
        self._is_awake = True


def _is_ordinary(item: Item) -> bool:
    return isinstance(item, From) or item[0] in _ORDINARY


_EMPTY: Final[list[Item]] = []
"""What leaves an idle mailbox: nothing. Never appended to."""
