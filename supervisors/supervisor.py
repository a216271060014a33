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
from supervisors.errors import NotStarted
from supervisors.events import ChildTerminated, Context, Progress, Unexpected
from supervisors.exits import KILLED, NOPROC, SHUTDOWN, ExitReason, Killed, Normal, Shutdown
from supervisors.intensity import Window
from supervisors.process import Exit, Process
from supervisors.ref import From, Request
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
    "shut_down",
]


@final
@dataclass(frozen=True, slots=True)
class FailedToStart:
    """Term of the exit of a supervisor whose child did not come up: OTP's `{failed_to_start_child, Id, Reason}`."""

    child: str
    reason: object


@final
@dataclass(frozen=True, slots=True)
class ChildInfo:
    """A row of `WhichChildren`. `process` is None while the child is not running; `restarting` tells whether it is tried."""

    id: str
    process: Process | None
    type: ChildType
    restart: Restart
    restarting: bool


@final
@dataclass(frozen=True, slots=True)
class Counts:
    specs: int
    active: int
    supervisors: int
    workers: int


@final
@dataclass(frozen=True, slots=True)
class WhichChildren(Request[tuple[ChildInfo, ...]]):
    """All children, latest started first, as OTP lists them."""


@final
@dataclass(frozen=True, slots=True)
class CountChildren(Request[Counts]):
    pass


@final
@dataclass(frozen=True, slots=True)
class StartChild(Request[Process | str | None]):
    """Add a child at the end and start it. Answers the process, None (`IGNORE`), or `already_started`, `already_present`, the start's reason."""

    spec: ChildSpec


@final
@dataclass(frozen=True, slots=True)
class TerminateChild(Request[str]):
    """Stop a child and keep its specification (unless temporary). Answers `ok` or `not_found`."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class RestartChild(Request[Process | str | None]):
    """Start a stopped child again. Answers the process, None, or `running`, `restarting`, `not_found`, the start's reason."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class DeleteChild(Request[str]):
    """Forget a stopped child. Answers `ok`, `running`, `restarting` or `not_found`."""

    id: str


@final
@dataclass(frozen=True, slots=True)
class _TryAgain:
    """The supervisor's message to itself after a failed restart (OTP `try_again_restart`)."""

    id: str


class _Child:
    """A specification and what runs of it."""

    __slots__ = ("process", "restarting", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: Process | None = None
        self.restarting = False

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
                child = next((child for child in self._children.values() if child.process is sender), None)
                return None if child is None else await self._ended(child, reason)
            case _TryAgain(child_id):
                child = self._children.get(child_id)
                return None if child is None or not child.restarting else await self._restart(child)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(message).__name__))
                return None

    # Deaths

    async def _ended(self, child: _Child, reason: ExitReason) -> Stop | None:
        child.process = None
        if should_restart(child.spec.restart, reason):
            self._report(child, Context.CHILD_TERMINATED, reason)
            return await self._restart(child, reason)
        if not isinstance(reason, (Normal, Shutdown)):
            self._report(child, Context.CHILD_TERMINATED, reason)
        if child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]
        return None

    async def _restart(self, child: _Child, reason: ExitReason = SHUTDOWN) -> Stop | None:
        """One attempt at the round of `child`: paid for first, then everybody concerned stopped, then started."""
        self._window = self._window.add(self.runtime.clock.monotonic())
        if self._window.exceeded:
            self._report(child, Context.SHUTDOWN, "reached_max_restart_intensity")
            del self._children[child.spec.id]
            return Stop(SHUTDOWN)
        child.restarting = False
        ids = round_of(self._flags.strategy, list(self._children), child.spec.id)
        for child_id in reversed(ids):
            await self._stop_for_round(self._children[child_id])
        for child_id in ids:
            if child_id in self._children and not await self._start_in_round(self._children[child_id]):
                break
        return None

    async def _stop_for_round(self, child: _Child) -> None:
        await self._stop(child)
        child.restarting = False
        if child.spec.restart is Restart.TEMPORARY:
            del self._children[child.spec.id]

    async def _start_in_round(self, child: _Child) -> bool:
        reason = await self._start(child)
        if reason is None:
            return True
        self._report(child, Context.START_ERROR, reason)
        child.restarting = True
        self.me.post_signal(_TryAgain(child.spec.id))
        return False

    # Starting and stopping one

    async def _start(self, child: _Child) -> object:
        """None when the child is up (or ignored), else the reason it is not."""
        try:
            process = await child.spec.start(self.runtime, self.me)
        except NotStarted as error:
            return error.reason
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
        problem = await shut_down(
            process, self.me, child.spec.patience_s, permanent=child.spec.restart is Restart.PERMANENT
        )
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
        if child.process is not None or child.restarting:
            return "running" if child.process is not None else "restarting"
        reason = await self._start(child)
        return child.process if reason is None else str(reason)

    def _delete(self, child_id: str) -> str:
        child = self._children.get(child_id)
        if child is None:
            return "not_found"
        if child.process is not None or child.restarting:
            return "running" if child.process is not None else "restarting"
        del self._children[child_id]
        return "ok"

    def _report(self, child: _Child, context: Context, reason: object) -> None:
        text = reason if isinstance(reason, str) else str(reason)
        self.runtime.report(ChildTerminated(self.me.label, context, child.spec.id, text, child.spec.restart.value))


async def shut_down(process: Process, by: Process, patience_s: float, *, permanent: bool) -> ExitReason | None:
    """End `process` and wait until it has ended (OTP `supervisor:shutdown/1`). Always completes.

    Asks with `Shutdown` and kills after `patience_s` (0 = kill at once). Returns the reason if it is not the one asked for.
    """
    reason: ExitReason | None = process.exit_reason
    if reason is None and patience_s > 0:
        process.receive_exit(by, SHUTDOWN, linked=False)
        reason = await process.ended(patience_s)
    overdue = reason is None and patience_s > 0
    if reason is None:
        process.receive_exit(by, KILLED, linked=False)
        reason = await process.ended()
    by.unlink(process, flush=True)
    if isinstance(reason, Killed):
        return reason if overdue or patience_s > 0 else None
    if isinstance(reason, Shutdown) or reason == NOPROC or (isinstance(reason, Normal) and not permanent):
        return None
    return reason
