"""A static supervisor: starts its children in order, keeps them, stops them in reverse (OTP `supervisor`).

It is an actor like any other: exits of children, retries and administration all pass through its own mailbox, one at a
time. While it awaits the `init` of a child or the end of one, it serves nothing else, as in OTP; slow beginnings belong into
`handle_continue`. Which children take part is decided in `strategy`, whether it may restart once more in `intensity`.

Guarantees: `start` returns when all children are up, or not at all with everything rolled back; a child is restarted only
after the old one has *ended*; one death costs one restart of the budget, however many siblings are cycled; a failed restart is
tried again through the mailbox, at the cost of another; giving up stops the rest in reverse and exits with `Shutdown`.
Deviation: an unexpected call or cast is reported and dropped, where OTP's supervisor crashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from supervisors.actor import Actor, Stop
from supervisors.admin import (
    ChildInfo,
    CountChildren,
    Counts,
    DeleteChild,
    FailedToStart,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)
from supervisors.child import bring_up, shut_down
from supervisors.errors import NotStarted
from supervisors.events import ChildTerminated, Context, Progress, Unexpected
from supervisors.exits import SHUTDOWN, ExitReason, Normal, Shutdown
from supervisors.intensity import Window
from supervisors.process import Exit, Process
from supervisors.ref import From
from supervisors.spec import ChildSpec, ChildType, Flags, Restart, check_children
from supervisors.strategy import round_of, should_restart

__all__ = [
    "ChildInfo",
    "CountChildren",
    "Counts",
    "DeleteChild",
    "RestartChild",
    "StartChild",
    "Supervisor",
    "TerminateChild",
    "WhichChildren",
]


@final
@dataclass(frozen=True, slots=True, eq=False)
class _TryAgain:
    """The supervisor's message to itself after a failed restart (OTP `try_again_restart`); an older one than the child's is void."""

    id: str


class _Child:
    """A specification and what runs of it."""

    __slots__ = ("process", "retry", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: Process | None = None
        self.retry: _TryAgain | None = None

    @property
    def restarting(self) -> bool:
        return self.retry is not None

    @property
    def is_permanent(self) -> bool:
        return self.spec.restart is Restart.PERMANENT

    @property
    def busy_with(self) -> str:
        """Why it can be neither restarted nor deleted by hand; empty if it can."""
        return "running" if self.process is not None else "restarting" if self.restarting else ""

    def info(self) -> ChildInfo:
        return ChildInfo(self.spec.id, self.process, self.spec.type, self.spec.restart, self.restarting)


class Supervisor(Actor):
    """`Supervisor(flags, children)`; start it with `spawn`, or under another one with `actor(partial(Supervisor, …))`."""

    trap_exit = True

    def __init__(self, flags: Flags, children: Sequence[ChildSpec]) -> None:
        check_children(children)
        self._flags = flags
        self._children: dict[str, _Child] = {spec.id: _Child(spec) for spec in children}
        self._window = Window(flags.intensity, flags.period_s)

    async def init(self) -> object:
        for child in list(self._children.values()):
            reason = await self._start(child)
            if reason is not None:
                self._report(child, Context.START_ERROR, reason)
                await self._stop_all()
                return Stop(Shutdown(FailedToStart(child.spec.id, reason)))
        return None

    async def terminate(self, reason: ExitReason) -> None:
        await self._stop_all()

    # Messages

    async def handle_call(self, request: object, from_: From) -> object:
        match request:
            case WhichChildren():
                return tuple(child.info() for child in reversed(self._children.values()))
            case CountChildren():
                return self._count()
            case StartChild(spec):
                return await self._add(spec)
            case TerminateChild(child_id):
                return await self._terminate_child(child_id)
            case RestartChild(child_id):
                return await self._restart_child(child_id)
            case DeleteChild(child_id):
                return self._delete(child_id)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(request).__name__))
                return "unknown_call"

    def handle_cast(self, message: object) -> None:
        self.runtime.report(Unexpected(self.me.label, type(message).__name__))

    async def handle_info(self, message: object) -> object:
        match message:
            case Exit(sender, reason):
                child = self._child_of(sender)
                return None if child is None else await self._ended(child, reason)
            case _TryAgain(child_id):
                child = self._children.get(child_id)
                return None if child is None or child.retry is not message else await self._restart(child)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(message).__name__))
                return None

    # Deaths

    def _child_of(self, process: Process | None) -> _Child | None:
        """An exit signal may come from anywhere, even from outside of any process; only those of children count."""
        if process is None:
            return None
        return next((child for child in self._children.values() if child.process is process), None)

    async def _ended(self, child: _Child, reason: ExitReason) -> Stop | None:
        child.process = None
        if should_restart(child.spec.restart, reason):
            self._report(child, Context.CHILD_TERMINATED, reason)
            return await self._restart(child)
        if not isinstance(reason, (Normal, Shutdown)):
            self._report(child, Context.CHILD_TERMINATED, reason)
        if child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]
        return None

    async def _restart(self, child: _Child) -> Stop | None:
        """One attempt at the round of `child`: paid for first, then everybody concerned stopped, then started."""
        self._window = self._window.add(self.runtime.clock.monotonic())
        if self._window.exceeded:
            self._report(child, Context.SHUTDOWN, "reached_max_restart_intensity")
            del self._children[child.spec.id]
            return Stop(SHUTDOWN)
        child.retry = None
        ids = round_of(self._flags.strategy, list(self._children), child.spec.id)
        for child_id in reversed(ids):
            await self._stop_for_round(self._children[child_id])
        for child_id in ids:
            if child_id in self._children and not await self._start_in_round(self._children[child_id]):
                break
        return None

    async def _stop_for_round(self, child: _Child) -> None:
        await self._stop(child)
        child.retry = None
        if child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]

    async def _start_in_round(self, child: _Child) -> bool:
        reason = await self._start(child)
        if reason is None:
            return True
        self._report(child, Context.START_ERROR, reason)
        child.retry = _TryAgain(child.spec.id)
        self.me.post_signal(child.retry)
        return False

    # Starting and stopping one

    async def _start(self, child: _Child) -> object:
        """None when the child is up (or ignored), else the reason it is not."""
        process = await bring_up(child.spec, self.runtime, self.me)
        if isinstance(process, NotStarted):
            return process.reason
        child.process = process
        if process is not None:
            self.runtime.report(Progress(self.me.label, child.spec.id, process.incarnation))
        elif child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]
        return None

    async def _stop(self, child: _Child) -> None:
        process, child.process = child.process, None
        if process is None:
            return
        problem = await shut_down(process, self.me, child.spec.patience_s, permanent=child.is_permanent)
        self.me.unlink(process, flush=True)
        if problem is not None:
            self._report(child, Context.SHUTDOWN_ERROR, problem)

    async def _stop_all(self) -> None:
        for child in reversed(list(self._children.values())):
            await self._stop(child)

    # Administration

    def _count(self) -> Counts:
        children = list(self._children.values())
        supervisors = sum(child.spec.type is ChildType.SUPERVISOR for child in children)
        active = sum(child.process is not None and child.process.alive for child in children)
        return Counts(len(children), active, supervisors, len(children) - supervisors)

    async def _add(self, spec: ChildSpec) -> object:
        known = self._children.get(spec.id)
        if known is not None:
            return "already_present" if known.process is None else "already_started"
        child = self._children[spec.id] = _Child(spec)
        reason = await self._start(child)
        if reason is not None:
            del self._children[spec.id]
            self._report(child, Context.START_ERROR, reason)
            return str(reason)
        return child.process

    async def _terminate_child(self, child_id: str) -> str:
        child = self._children.get(child_id)
        if child is None:
            return "not_found"
        await self._stop_for_round(child)
        return "ok"

    async def _restart_child(self, child_id: str) -> object:
        child = self._children.get(child_id)
        if child is None:
            return "not_found"
        if child.busy_with:
            return child.busy_with
        reason = await self._start(child)
        return child.process if reason is None else str(reason)

    def _delete(self, child_id: str) -> str:
        child = self._children.get(child_id)
        if child is None:
            return "not_found"
        if child.busy_with:
            return child.busy_with
        del self._children[child_id]
        return "ok"

    def _report(self, child: _Child, context: Context, reason: object) -> None:
        self.runtime.report(
            ChildTerminated(self.me.label, context, child.spec.id, str(reason), child.spec.restart.value)
        )
