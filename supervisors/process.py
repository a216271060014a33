"""Processes: identity, life, exit signals, death. OTP: "Processes" in the Erlang reference manual. Their relations: `relations`.

A process dies in this order: marked dead → waiting callers fail → its name is free and what it registered is gone → links and
monitors learn of it; therefore whoever hears of a death may start a successor under the same name at once. Deaths that one death
causes are worked off one after another, so that a long chain of links cannot run out of stack; all are told before the first
signal returns.

Deviation: killing is best effort inside one operating-system process. Code that swallows every cancellation cannot be
stopped; it is declared dead in time, its name is freed, and it is listed in `Runtime.zombies` until it ends at last.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from supervisors.alarm import Alarm, Alarms
from supervisors.errors import NotStarted
from supervisors.events import Crashed
from supervisors.exits import (
    CALLING_SELF,
    KILLED,
    NOPROC,
    NORMAL,
    TIMEOUT,
    CallExit,
    Custom,
    ExitReason,
    Killed,
    Normal,
    Shutdown,
)
from supervisors.ref import CALL_TIMEOUT_S, UNANSWERED, From, Request
from supervisors.relations import Related
from supervisors.signals import CURRENT, DEAD, Deadlock, Down, Exit, Monitor, State, current_process
from supervisors.validation import check_patience

if TYPE_CHECKING:
    from supervisors.runtime import Runtime

__all__ = ["CURRENT", "Down", "Exit", "Monitor", "Process", "State", "current_process"]

ENOUGH_CANCELLATIONS: Final = 20
"""How often killed code is cancelled, once a loop pass, before it is declared a zombie."""

_NO_CRASH: Final = frozenset({Normal, Shutdown, Killed})

R = TypeVar("R")


class Process(Related):
    """One entry of the process table. Subclasses say what it runs and how it takes messages."""

    __slots__ = (
        "__weakref__",
        "_alarms",
        "_at_death",
        "_at_release",
        "_callers",
        "_doomed",
        "_label",
        "exit_reason",
        "incarnation",
        "name",
        "parent",
        "pid",
        "runtime",
        "started_s",
        "trap_exit",
        "waits_for",
    )

    def __init__(self, runtime: "Runtime", *, name: str | None, label: str, parent: "Process | None") -> None:
        super().__init__()
        self._label = label
        self.runtime = runtime
        self.name = name
        self.parent = parent
        self.trap_exit = False
        self.exit_reason: ExitReason | None = None
        self._doomed: ExitReason | None = None  # why it is to end, once a signal has said so
        self.waits_for: From | None = None  # the call its own code waits for: an edge of the wait-for graph
        self._callers: dict[From, None] | None = None
        self._alarms: Alarms | None = None
        self._at_release: list[Callable[[], object]] | None = None
        self._at_death: list[Callable[[ExitReason], object]] | None = None
        if parent is not None and parent.state is DEAD:
            raise NotStarted(self.label, NOPROC)
        self.pid, self.incarnation, self.started_s = runtime.enter(self)
        if parent is not None:
            self.link(parent)

    def __repr__(self) -> str:
        return f"<{self.label} #{self.pid} {self.state.value}>"

    def target(self) -> "Process | None":
        return None if self.state is DEAD else self

    @property
    def label(self) -> str:
        """For people: the name, or what the process said of itself, or what it runs."""
        return self.name or self._label

    def set_label(self, label: str) -> None:
        """Say what this nameless process is for, in reports and snapshots (OTP `proc_lib:set_label/1`). A name goes before it."""
        self._label = label

    # What a subclass provides

    @abstractmethod
    def take_call(self, from_: From) -> None:
        """Serve or queue a call. Raises `CallExit` or `MailboxFull` if it is not taken."""

    @abstractmethod
    def cast(self, message: object) -> bool: ...

    @abstractmethod
    def send(self, message: object) -> bool: ...

    @abstractmethod
    def request_stop(self, reason: ExitReason) -> None:
        """Ask to end with `reason` after what is queued (OTP `gen_server:stop/3`); `terminate` runs, trapping or not."""

    @abstractmethod
    def interrupt(self, reason: ExitReason) -> None:
        """An exit signal that is not trapped: end with `reason`, at once if idle; code under way is cancelled."""

    @abstractmethod
    def running_task(self) -> "asyncio.Task[Any] | None":
        """The asyncio task whose code is in the middle of something, if any."""

    @property
    def queued(self) -> int:
        """Unread messages."""
        return 0

    # Calls

    async def call(self, request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S) -> R:
        from_ = From.new(self, request, CURRENT.get())
        self.take_call(from_)
        if from_.answer is UNANSWERED:
            return cast("R", await self.answer(from_, timeout_s))
        return cast("R", from_.answer)

    @property
    def callers(self) -> dict[From, None]:
        """Those who wait for an answer, the longest first."""
        callers = self._callers
        if callers is None:
            callers = self._callers = {}
        return callers

    async def answer(self, from_: From, timeout_s: float | None) -> object:
        """Wait for the answer of a call that was taken."""
        if self.state is DEAD:
            raise CallExit(self.exit_reason or NOPROC, self.label, from_.request)
        caller = from_.caller
        if caller is not None:
            caller.waits_for = from_ if caller.is_running_here() else caller.waits_for
        try:
            return await from_.wait(timeout_s)
        finally:
            from_.let_go()
            if caller is not None and caller.waits_for is from_:
                caller.waits_for = None
            del from_  # its future may hold an exception whose traceback holds this frame

    def post_call(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]":
        """Send a request and have a future of the answer (OTP `gen_server:send_request/2`); `CallExit` comes with it."""
        from_ = From.new(self, request, CURRENT.get())
        self.take_call(from_)
        future = from_.wait(timeout_s)
        future.add_done_callback(lambda _: from_.let_go())
        if self.state is DEAD:
            from_.fail(self.exit_reason or NOPROC)
        return future

    def refuse_deadlock(self, from_: From) -> None:
        """Raise if the caller is this process itself, or one that this process waits for, directly or through others."""
        caller = from_.caller
        if caller is None or not caller.is_running_here():
            return
        if caller is self:
            raise CallExit(CALLING_SELF, self.label, from_.request)
        ring = [caller.label, self.label]
        waits_for = self.waits_for
        while waits_for is not None and waits_for.answer is UNANSWERED:
            ring.append(waits_for.server.label)
            if waits_for.server is caller:
                raise CallExit(Custom(Deadlock(tuple(ring))), self.label, from_.request)
            waits_for = waits_for.server.waits_for

    def is_running_here(self) -> bool:
        """Whether the code that asks is this process's own, and not that of a task it has merely started."""
        return asyncio.current_task() is self.running_task()

    # Messages to itself, later

    def send_after(self, delay_s: float, message: object) -> Alarm:
        """`message` arrives as a signal after `delay_s`, unless it is cancelled or the process ends before."""
        return self.send_at(self.runtime.clock.monotonic() + delay_s, message)

    def send_at(self, when_s: float, message: object) -> Alarm:
        """The same at a moment of the runtime's clock (OTP `erlang:send_after/4` with `{abs, true}`); a past one comes at once."""
        if self._alarms is None:
            self._alarms = Alarms(self.runtime.clock, self.post_signal)
        return self._alarms.set(when_s, message)

    # The end, for those who wait for it

    def on_release(self, callback: Callable[[], object]) -> None:
        """Call back when the process leaves the table, before links and monitors are told: to free what it had registered."""
        if self._at_release is None:
            self._at_release = []
        self._at_release.append(callback)

    def on_death(self, callback: Callable[[ExitReason], object]) -> None:
        """Call back once, after links and monitors were told; at once if already dead."""
        if self.exit_reason is not None:
            callback(self.exit_reason)
        elif self._at_death is None:
            self._at_death = [callback]
        else:
            self._at_death.append(callback)

    async def ended(self, within_s: float | None = None) -> ExitReason | None:
        """Wait for the end; None if it has not come `within_s` seconds."""
        if self.exit_reason is not None:
            return self.exit_reason
        future: asyncio.Future[ExitReason | None] = self.runtime.loop.create_future()

        def settle(reason: ExitReason | None) -> None:
            if not future.done():
                future.set_result(reason)

        self.on_death(settle)
        timer = None if within_s is None or within_s == inf else self.runtime.call_later(within_s, lambda: settle(None))
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if self._at_death is not None and settle in self._at_death:
                self._at_death.remove(settle)

    async def stop(self, reason: ExitReason = NORMAL, timeout_s: float | None = None) -> None:
        """End in order with `reason` and wait for it (OTP `gen_server:stop/3`).

        Raises `CallExit`: `NoProc` if it was dead, `CallingSelf`, `Timeout` (it goes on ending), or another reason it ended for;
        `ValueError` for what is no time, and then nothing happens.
        """
        check_patience(timeout_s)
        if self.state is DEAD:
            raise CallExit(NOPROC, self.label, reason)
        if CURRENT.get() is self and self.is_running_here():
            raise CallExit(CALLING_SELF, self.label, reason)
        self.request_stop(reason)
        ended = await self.ended(timeout_s)
        if ended != reason:
            raise CallExit(TIMEOUT if ended is None else ended, self.label, reason)

    # Exit signals

    def exit(self, reason: ExitReason) -> None:
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
        if self.state is not DEAD:
            self.runtime.loop.call_soon(self._pursue, reason, ENOUGH_CANCELLATIONS)

    def _pursue(self, reason: ExitReason, left: int) -> None:
        """Cancel once a loop pass; what swallows them all is declared dead and listed."""
        if self.state is DEAD:
            return
        if left == 0:
            self.runtime.zombies[self.pid] = self
            self.die(reason)
            return
        self.interrupt(reason)
        self.runtime.loop.call_soon(self._pursue, reason, left - 1)

    # Death

    def die(self, reason: ExitReason) -> None:
        """Leave the table and tell everybody, in the order of the head of this file. Idempotent."""
        if self.state is DEAD:
            return
        # Who is ended by a signal writes no report (OTP `proc_lib` cannot either): its own code has not led to this end.
        is_crash = self._doomed is None and type(reason) not in _NO_CRASH
        report = self._obituary(reason) if is_crash else None
        self.state = DEAD
        self.exit_reason = reason
        if self._callers or self._alarms or self._watching or self._at_release:
            self._let_go(reason)
        self.runtime.leave(self)
        if report is not None:
            self.runtime.report(report)
        if self._links or self._monitors or self._at_death:
            self.runtime.mourn(self, reason)

    def _obituary(self, reason: ExitReason) -> Crashed:
        """OTP `proc_lib`'s crash report."""
        return Crashed(
            process=self.label,
            reason=reason,
            parent=self.parent.label if self.parent is not None else "",
            queued=self.queued,
            uptime_s=self.runtime.clock.monotonic() - self.started_s,
            pid=self.pid,
            state=self.state.value,
            trap_exit=self.trap_exit,
            links=tuple([other.label for other in self.links]),
        )

    def _let_go(self, reason: ExitReason) -> None:
        """Callers, timers, watches and registrations end with the process."""
        callers, self._callers = self._callers, None
        for from_ in callers or ():
            from_.fail(reason)
        if self._alarms is not None:
            self._alarms.cancel_all()
            self._alarms = None
        self._stop_watching()
        at_release, self._at_release = self._at_release, None
        for release in at_release or ():
            self.runtime.guard(release)

    def tell_relations(self, reason: ExitReason) -> None:
        """For the runtime alone: the signals of this death."""
        at_death, self._at_death = self._at_death, None
        self._tell(reason)
        for callback in at_death or ():
            self.runtime.guard(callback, reason)
