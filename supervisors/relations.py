"""Links and monitors: who hears of whose end. OTP: "Processes" in the Erlang reference manual.

Links are symmetric and idempotent, monitors one-way, and they stack; a `Down` comes exactly once. Signals are table operations
carried out in the same turn of the loop, so their order is the order they were sent in. Made on first use: most processes need
one relation or none.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from supervisors.exits import NOPROC, ExitReason
from supervisors.ref import Address
from supervisors.signals import DEAD, Down, Exit, Monitor, State

if TYPE_CHECKING:
    from supervisors.process import Process

__all__ = ["Related"]


class Related(Address):
    """What of a process concerns its relations."""

    __slots__ = ("_links", "_monitors", "_watching", "state")

    def __init__(self) -> None:
        self.state = State.STARTING
        self._links: dict[Related, None] | None = None
        self._monitors: dict[Monitor, None] | None = None
        self._watching: dict[Monitor, None] | None = None

    @abstractmethod
    def receive_exit(self, sender: "Process | None", reason: ExitReason, *, linked: bool) -> None: ...

    @abstractmethod
    def post_signal(self, message: object) -> None:
        """Take a signal, or what the process arranged for itself, as a message: whatever the mailbox bound."""

    @abstractmethod
    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        """Forget queued signals."""

    @property
    def _me(self) -> "Process":
        return cast("Process", self)

    # Links

    @property
    def links(self) -> "tuple[Process, ...]":
        return cast("tuple[Process, ...]", tuple(self._links or ()))

    def link(self, other: "Process") -> None:
        """Symmetric and idempotent; linking to a dead process brings its `noproc` exit."""
        if other is self or self.state is DEAD:
            return
        if other.state is DEAD:
            self.receive_exit(other, NOPROC, linked=True)
            return
        self.tie(other)
        other.tie(self)

    def tie(self, other: "Related") -> None:
        if self._links is None:
            self._links = {}
        self._links[other] = None

    def untie(self, other: "Related") -> None:
        if self._links is not None:
            self._links.pop(other, None)

    def unlink(self, other: "Process", *, flush: bool = False) -> None:
        """Undo `link`; `flush` also forgets an exit that has already arrived."""
        self.untie(other)
        other.untie(self)
        if flush:
            self.flush(lambda message: isinstance(message, Exit) and message.sender is other)

    # Monitors

    @property
    def monitored_by(self) -> "tuple[Process, ...]":
        return tuple(monitor.watcher for monitor in self._monitors or ())

    @property
    def monitors(self) -> "tuple[Process, ...]":
        return tuple(monitor.watched for monitor in self._watching or ())

    def monitor(self, other: "Process", tag: object = None) -> Monitor:
        """Watch `other`; a dead one is reported `noproc` at once. `tag` comes back with the `Down`, as `down.monitor.tag`."""
        monitor = Monitor(other, self._me, tag)
        if other.state is DEAD:
            self.post_signal(Down(monitor, other, NOPROC))
        elif self.state is not DEAD:
            other.is_watched(monitor)
            if self._watching is None:
                self._watching = {}
            self._watching[monitor] = None
        return monitor

    def is_watched(self, monitor: Monitor) -> None:
        if self._monitors is None:
            self._monitors = {}
        self._monitors[monitor] = None

    def demonitor(self, monitor: Monitor, *, flush: bool = True) -> bool:
        """Watch no more; `flush` also forgets a `Down` that has already arrived. False if the monitor was over."""
        watched: Related = monitor.watched
        was_on = watched._monitors is not None and watched._monitors.pop(monitor, monitor) is None
        self.watches_no_more(monitor)
        if flush:
            self.flush(lambda message: isinstance(message, Down) and message.monitor is monitor)
        return was_on

    def watches_no_more(self, monitor: Monitor) -> None:
        if self._watching is not None:
            self._watching.pop(monitor, None)

    # Death

    def _stop_watching(self) -> None:
        """The watches of a process end with it."""
        watching, self._watching = self._watching, None
        for monitor in watching or ():
            watched: Related = monitor.watched
            if watched._monitors is not None:
                watched._monitors.pop(monitor, None)

    def _tell(self, reason: ExitReason) -> None:
        """The signals of this death: to links, then to monitors."""
        links, self._links = self._links, None
        monitors, self._monitors = self._monitors, None
        for other in links or ():
            other.untie(self)
            other.receive_exit(self._me, reason, linked=True)
        for monitor in monitors or ():
            watcher: Related = monitor.watcher
            watcher.watches_no_more(monitor)
            watcher.post_signal(Down(monitor, self._me, reason))
