"""Processes and the signals between them: links, monitors, exits, names. OTP: "Processes" in the Erlang reference manual.

Signals are table operations carried out in the same turn of the loop, so their order is the order they were sent in.
A process dies in this order: marked dead → waiting callers fail → its name is free → links and monitors learn of it;
therefore whoever hears of a death may start a successor under the same name at once. Deaths that one death causes are worked
off one after another, so that a long chain of links cannot run out of stack; all are told before the first signal returns.

Deviation: killing is best effort inside one operating-system process. Code that swallows every cancellation cannot be
stopped; it is declared dead in time, its name is freed, and it is listed in `Runtime.zombies` until it ends at last.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from supervisors.alarm import Alarms
from supervisors.clock import Timer
from supervisors.deadlines import Deadline
from supervisors.errors import NotStarted
from supervisors.events import Crashed
from supervisors.exits import (
    CALLING_SELF,
    KILLED,
    NOPROC,
    TIMEOUT,
    CallExit,
    ExitReason,
    Killed,
    Normal,
    is_abnormal,
)
from supervisors.ref import Address, Target
from supervisors.signals import CURRENT, DEAD, Down, Exit, Monitor, State, current_process

if TYPE_CHECKING:
    from supervisors.runtime import Runtime

__all__ = ["CURRENT", "Down", "Exit", "Monitor", "Process", "State", "current_process"]

ENOUGH_CANCELLATIONS: Final = 20
"""How often killed code is cancelled, once a loop pass, before it is declared a zombie."""


class Process(Address):
    """One entry of the process table: identity, relations, life. Subclasses say what it runs and how it takes messages."""

    __slots__ = (
        "__weakref__",
        "_alarms",
        "_callbacks",
        "_callers",
        "_label",
        "_links",
        "_monitors",
        "_watching",
        "exit_reason",
        "incarnation",
        "name",
        "parent",
        "pid",
        "runtime",
        "started_s",
        "state",
        "trap_exit",
    )  # fmt: skip

    def __init__(self, runtime: "Runtime", *, name: str | None, label: str, parent: "Process | None") -> None:
        if parent is not None and not parent.alive:
            raise NotStarted(name or label, NOPROC)
        self.runtime = runtime
        self.pid = runtime.next_pid()
        self.name = name
        self.parent = parent
        self.state = State.STARTING
        self.trap_exit = False
        self.exit_reason: ExitReason | None = None
        self.started_s = runtime.clock.monotonic()
        self._label = label
        self._callers: dict[asyncio.Future[Any], tuple[object, Deadline | None]] = {}
        self._links: dict[Process, None] = {}
        self._monitors: dict[Monitor, None] = {}
        self._watching: set[Monitor] | None = None  # made on first use, as is the next: most processes need neither
        self._alarms: Alarms | None = None
        self._callbacks: list[Callable[[ExitReason], object]] = []
        self.incarnation = runtime.enter(self)
        if parent is not None:
            self.link(parent)

    def __repr__(self) -> str:
        return f"<{self.label} #{self.pid} {self.state.value}>"

    # Address

    def target(self) -> Target | None:
        return None if self.state is DEAD else self

    @property
    def label(self) -> str:
        return self.name or self._label

    # What a subclass provides

    @abstractmethod
    def post_call(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]": ...

    @abstractmethod
    def post_cast(self, message: object) -> bool: ...

    @abstractmethod
    def post_info(self, message: object) -> bool: ...

    @abstractmethod
    def post_signal(self, message: object) -> None:
        """Take a signal, or what the process arranged for itself, as a message: whatever the mailbox bound."""

    @abstractmethod
    def request_stop(self, reason: ExitReason) -> None:
        """Ask to end with `reason` after what is queued (OTP `gen_server:stop/3`); `terminate` runs, trapping or not."""

    @abstractmethod
    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        """Forget queued signals."""

    @abstractmethod
    def interrupt(self, reason: ExitReason) -> None:
        """An exit signal that is not trapped: end with `reason`, at once if idle."""

    @abstractmethod
    def running_task(self) -> "asyncio.Task[Any] | None":
        """The asyncio task whose code is in the middle of something, if any."""

    @property
    def queued(self) -> int:
        """Unread messages."""
        return 0

    # Calls

    def expect_reply(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]":
        """A future that fails when this process dies, when the time is up, and at once when the caller is this process."""
        if CURRENT.get() is self:
            raise CallExit(CALLING_SELF, self.label, request)
        runtime = self.runtime
        future: asyncio.Future[Any] = runtime.loop.create_future()
        deadline = None if timeout_s is None else runtime.deadlines.add(future, timeout_s, self._answer_overdue)
        self._callers[future] = (request, deadline)
        return future

    def forget_call(self, future: "asyncio.Future[Any]") -> None:
        waiting = self._callers.pop(future, None)
        if waiting is not None and waiting[1] is not None:
            waiting[1].discard(future)

    def _answer_overdue(self, future: "asyncio.Future[Any]") -> None:
        request, _ = self._callers.pop(future)
        _fail(future, CallExit(TIMEOUT, self.label, request))

    # Messages to itself, later

    def send_after(self, delay_s: float, message: object) -> Timer:
        """`message` arrives as a signal after `delay_s`, unless it is cancelled or the process ends before."""
        if self._alarms is None:
            self._alarms = Alarms(self.post_signal)
        return self._alarms.set(self.runtime.clock, delay_s, message)

    # Links and monitors

    def link(self, other: "Process") -> None:
        """Symmetric and idempotent; linking to a dead process brings its `noproc` exit."""
        if other is self or self.state is DEAD:
            return
        if other.state is DEAD:
            self.receive_exit(other, NOPROC, linked=True)
            return
        self._links[other] = None
        other._links[self] = None

    def unlink(self, other: "Process", *, flush: bool = False) -> None:
        """Undo `link`; `flush` also forgets an exit that has already arrived."""
        self._links.pop(other, None)
        other._links.pop(self, None)
        if flush:
            self.flush(lambda message: isinstance(message, Exit) and message.sender is other)

    def monitor(self, other: "Process") -> Monitor:
        """Watch `other`; a dead one is reported `noproc` at once."""
        monitor = Monitor(other, self)
        if other.state is DEAD:
            self.post_signal(Down(monitor, other, NOPROC))
        elif self.state is not DEAD:
            other._monitors[monitor] = None
            if self._watching is None:
                self._watching = set()
            self._watching.add(monitor)
        return monitor

    def demonitor(self, monitor: Monitor, *, flush: bool = True) -> None:
        monitor.watched._monitors.pop(monitor, None)
        self._watches_no_more(monitor)
        if flush:
            self.flush(lambda message: isinstance(message, Down) and message.monitor is monitor)

    def _watches_no_more(self, monitor: Monitor) -> None:
        if self._watching is not None:
            self._watching.discard(monitor)

    def on_death(self, callback: Callable[[ExitReason], object]) -> None:
        """Call back once, after links and monitors were told; at once if already dead."""
        if self.exit_reason is not None:
            callback(self.exit_reason)
        else:
            self._callbacks.append(callback)

    async def ended(self, within_s: float | None = None) -> ExitReason | None:
        """Wait for the end; None if it has not come `within_s` seconds."""
        if self.exit_reason is not None:
            return self.exit_reason
        future: asyncio.Future[ExitReason | None] = self.runtime.loop.create_future()

        def settle(reason: ExitReason | None) -> None:
            if not future.done():
                future.set_result(reason)

        self._callbacks.append(settle)
        in_time = within_s is None or within_s == float("inf")
        timer = None if in_time else self.runtime.call_later(within_s or 0.0, lambda: settle(None))
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if settle in self._callbacks:
                self._callbacks.remove(settle)

    # Exit signals

    def signal_exit(self, reason: ExitReason) -> None:
        self.receive_exit(CURRENT.get(), reason, linked=False)

    def receive_exit(self, sender: "Process | None", reason: ExitReason, *, linked: bool) -> None:
        """The rules of exit signals: `Killed` by `exit/2` is untrappable; `Normal` never ends who does not trap."""
        if self.state is DEAD:
            return
        if isinstance(reason, Killed) and not linked:
            self.kill(KILLED)
        elif self.trap_exit:
            self.post_signal(Exit(sender, reason))
        elif isinstance(reason, Killed):
            self.kill(KILLED)
        elif not isinstance(reason, Normal) or sender is self:
            self.interrupt(reason)

    def kill(self, reason: ExitReason) -> None:
        """End with `reason` whatever its code makes of a cancellation."""
        self.interrupt(reason)
        self._pursue(reason, ENOUGH_CANCELLATIONS)

    def _pursue(self, reason: ExitReason, left: int) -> None:
        """Cancel once a loop pass; what swallows them all is declared dead and listed."""
        if self.state is DEAD:
            return
        if left == 0:
            self.runtime.zombies[self.pid] = self
            self.die(reason)
            return
        task = self.running_task()
        if task is not None:
            task.cancel()
        self.runtime.loop.call_soon(self._pursue, reason, left - 1)

    # Death

    def die(self, reason: ExitReason) -> None:
        """Leave the table and tell everybody, in the order of the head of this file. Idempotent."""
        if self.state is DEAD:
            return
        queued = self.queued
        was_started = self.state is not State.STARTING
        self.state = DEAD
        self.exit_reason = reason
        self._fail_callers(reason)
        self.runtime.leave(self)
        if was_started and is_abnormal(reason) and not isinstance(reason, Killed):
            uptime_s = self.runtime.clock.monotonic() - self.started_s
            parent = self.parent.label if self.parent is not None else ""
            self.runtime.report(Crashed(self.label, reason, parent, queued, uptime_s))
        self._let_go()
        self.runtime.mourn(self, reason)

    def _fail_callers(self, reason: ExitReason) -> None:
        callers, self._callers = self._callers, {}
        for future, (request, deadline) in callers.items():
            if deadline is not None:
                deadline.discard(future)
            _fail(future, CallExit(reason, self.label, request))

    def _let_go(self) -> None:
        """Timers and watches end with the process."""
        if self._alarms is not None:
            self._alarms.cancel_all()
            self._alarms = None
        watching, self._watching = self._watching, None
        for monitor in watching or ():
            monitor.watched._monitors.pop(monitor, None)

    def tell_relations(self, reason: ExitReason) -> None:
        """For the runtime alone: the signals of this death."""
        links, self._links = self._links, {}
        monitors, self._monitors = self._monitors, {}
        callbacks, self._callbacks = self._callbacks, []
        for other in links:
            other._links.pop(self, None)
            other.receive_exit(self, reason, linked=True)
        for monitor in monitors:
            monitor.watcher._watches_no_more(monitor)
            monitor.watcher.post_signal(Down(monitor, self, reason))
        for callback in callbacks:
            self.runtime.guard(callback, reason)


def _fail(future: "asyncio.Future[Any]", error: CallExit) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # the caller may be gone; asyncio would complain
