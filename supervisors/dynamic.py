"""A supervisor for children that come and go: any number, started on demand, each for itself (Elixir `DynamicSupervisor`).

Only one_for_one. Ids are ignored: a child is known by its process. At the end all children are stopped in parallel, each
with its own patience. Guarantees: never more than `max_children` at a time (those being restarted count); a child whose
restart is `temporary` leaves nothing behind when it ends. A failed restart is tried again through the mailbox, as by a static
supervisor; meanwhile the child is known by the process it was, and `StopChild` of that one calls the restart off.
"""

import asyncio
from dataclasses import dataclass
from typing import final

from supervisors.actor import Actor, Stop
from supervisors.admin import ChildInfo, Counts
from supervisors.child import bring_up, shut_down
from supervisors.errors import NotStarted
from supervisors.events import ChildTerminated, Context, Unexpected
from supervisors.exits import SHUTDOWN, ExitReason, is_abnormal
from supervisors.intensity import Window
from supervisors.process import Exit, Process
from supervisors.ref import From, Request
from supervisors.spec import ChildSpec, ChildType, Flags, Restart
from supervisors.strategy import should_restart

__all__ = ["CountDynamic", "DynamicSupervisor", "ListChildren", "StartDynamic", "StopChild", "TooManyChildren"]


@final
@dataclass(frozen=True, slots=True)
class TooManyChildren:
    """The answer when `max_children` are there already."""

    max_children: int


@final
@dataclass(frozen=True, slots=True)
class StartDynamic(Request[Process | TooManyChildren | NotStarted | None]):
    """Start a child. Answers its process, None (`IGNORE`), or why not."""

    spec: ChildSpec


@final
@dataclass(frozen=True, slots=True)
class StopChild(Request[str]):
    """Stop a child, or give up restarting it. Answers `ok` or `not_found`."""

    process: Process


@final
@dataclass(frozen=True, slots=True)
class ListChildren(Request[tuple[ChildInfo, ...]]):
    """All children, in no order; those being restarted have no process."""


@final
@dataclass(frozen=True, slots=True)
class CountDynamic(Request[Counts]):
    pass


@final
@dataclass(frozen=True, slots=True, eq=False)
class _TryAgain:
    """`old` is the process the child was before it ended."""

    old: Process


class DynamicSupervisor(Actor):
    """`max_children` None = no bound. `flags` give the restart budget; the strategy is always one_for_one."""

    trap_exit = True

    def __init__(self, *, max_children: int | None = None, flags: Flags | None = None) -> None:
        flags = flags or Flags()
        self._max_children = max_children
        self._children: dict[Process, ChildSpec] = {}
        self._retrying: dict[Process, ChildSpec] = {}
        self._window = Window(flags.intensity, flags.period_s)

    async def terminate(self, reason: ExitReason) -> None:
        children, self._children = self._children, {}
        await asyncio.gather(*(self._shut_down(process, spec) for process, spec in children.items()))

    async def _shut_down(self, process: Process, spec: ChildSpec) -> None:
        permanent = spec.restart is Restart.PERMANENT
        problem = await shut_down(process, self.me, spec.patience_s, permanent=permanent)
        if problem is not None:
            self._report(spec, Context.SHUTDOWN_ERROR, problem)

    # Messages

    def handle_call(self, request: object, from_: From) -> object:
        match request:
            case StartDynamic(spec):
                return self._full() or self._add(spec)
            case StopChild(process):
                return self._stop_child(process)
            case ListChildren():
                return self._infos()
            case CountDynamic():
                return self._count()
            case _:
                self.runtime.report(Unexpected(self.me.label, type(request).__name__))
                return "unknown_call"

    def handle_cast(self, message: object) -> object:
        self.runtime.report(Unexpected(self.me.label, type(message).__name__))
        return None

    def handle_info(self, message: object) -> object:
        match message:
            case Exit(sender, reason) if sender is not None:
                spec = self._children.pop(sender, None)
                return None if spec is None else self._ended(sender, spec, reason)
            case _TryAgain(old):
                spec = self._retrying.pop(old, None)
                return None if spec is None else self._restart(old, spec)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(message).__name__))
                return None

    # Children

    def _full(self) -> TooManyChildren | None:
        if self._max_children is None or len(self._children) + len(self._retrying) < self._max_children:
            return None
        return TooManyChildren(self._max_children)

    async def _add(self, spec: ChildSpec) -> Process | NotStarted | None:
        started = await bring_up(spec, self.runtime, self.me)
        if isinstance(started, Process):
            self._children[started] = spec
        return started

    async def _stop_child(self, process: Process) -> str:
        if self._retrying.pop(process, None) is not None:
            return "ok"
        spec = self._children.pop(process, None)
        if spec is None:
            return "not_found"
        await self._shut_down(process, spec)
        self.me.unlink(process, flush=True)
        return "ok"

    def _ended(self, old: Process, spec: ChildSpec, reason: ExitReason) -> object:
        is_restarted = should_restart(spec.restart, reason)
        if is_restarted or is_abnormal(reason):
            self._report(spec, Context.CHILD_TERMINATED, reason)
        return self._restart(old, spec) if is_restarted else None

    async def _restart(self, old: Process, spec: ChildSpec) -> Stop | None:
        self._window = self._window.add(self.runtime.clock.monotonic())
        if self._window.exceeded:
            self._report(spec, Context.SHUTDOWN, "reached_max_restart_intensity")
            return Stop(SHUTDOWN)
        outcome = await self._add(spec)
        if isinstance(outcome, NotStarted):
            self._report(spec, Context.START_ERROR, str(outcome.reason))
            self._retrying[old] = spec
            self.me.post_signal(_TryAgain(old))
        return None

    def _infos(self) -> tuple[ChildInfo, ...]:
        running = [
            ChildInfo(process.label, process, spec.type, spec.restart, restarting=False)
            for process, spec in self._children.items()
        ]
        retrying = [
            ChildInfo(old.label, None, spec.type, spec.restart, restarting=True) for old, spec in self._retrying.items()
        ]
        return (*running, *retrying)

    def _count(self) -> Counts:
        specs = [*self._children.values(), *self._retrying.values()]
        supervisors = sum(spec.type is ChildType.SUPERVISOR for spec in specs)
        active = sum(process.alive for process in self._children)
        return Counts(len(specs), active, supervisors, len(specs) - supervisors)

    def _report(self, spec: ChildSpec, context: Context, reason: ExitReason | str) -> None:
        self.runtime.report(ChildTerminated(self.me.label, context, spec.id, str(reason), spec.restart.value))
