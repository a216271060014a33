"""A supervisor for children that come and go: any number, started on demand, each for itself (Elixir `DynamicSupervisor`).

Only one_for_one. Ids are for people: a child is known by its process. At the end all children are stopped in parallel, each
with its own patience. Guarantees: never more than `max_children` at a time (those being restarted count); a child whose
restart is `temporary` leaves nothing behind when it ends, and nothing of its arguments once it is up. A failed restart is
tried again through the mailbox, as by a static supervisor; meanwhile the child is known by the process it was, and
`TerminateChild` of that one calls the restart off. A restart that finds the child is not needed drops it.
Deviations: an unexpected call is answered and reported instead of a crash; `WhichChildren` shows labels where Elixir has no ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from supervisors.admin import (
    Answer,
    ChildInfo,
    CountChildren,
    Counts,
    DynamicResult,
    GetChildspec,
    SpecRefused,
    StartDynamic,
    TerminateChild,
    TooManyChildren,
    WhichChild,
    WhichChildren,
)
from supervisors.child import answer_of, bring_up, shut_down
from supervisors.dynamic_keeper import DynamicKeeper, Retry
from supervisors.errors import BadSpec
from supervisors.events import Context, Unexpected
from supervisors.flags import AutoShutdown, Flags, Strategy
from supervisors.process import Exit, Process
from supervisors.ref import From
from supervisors.spec import ChildSpec, ChildType, Started, check_child
from supervisors.validation import Check, check_fields, is_a

__all__ = [
    "CountDynamic",
    "DynamicResult",
    "DynamicSupervisor",
    "ListChildren",
    "StartDynamic",
    "StopChild",
    "TooManyChildren",
]

DYNAMIC_FLAGS: Final = Flags(intensity=3)
"""Elixir's defaults: three restarts within five seconds."""

StopChild = TerminateChild
ListChildren = WhichChildren
CountDynamic = CountChildren


@dataclass(frozen=True, slots=True)
class _Options:
    max_children: object
    flags: object
    extra_arguments: object

    @property
    def strategy(self) -> object:
        return getattr(self.flags, "strategy", None)

    @property
    def auto_shutdown(self) -> object:
        return getattr(self.flags, "auto_shutdown", None)


_OPTIONS: Final[tuple[Check, ...]] = (
    (
        "max_children",
        "invalid_max_children",
        lambda it: it is None or (type(it) is int and it >= 0),
        "None or a number >= 0",
    ),
    ("flags", "invalid_type", is_a(Flags), "Flags"),
    ("strategy", "invalid_strategy", lambda it: it is Strategy.ONE_FOR_ONE, "one_for_one"),
    ("auto_shutdown", "bad_combination", lambda it: it is AutoShutdown.NEVER, "never"),
    ("extra_arguments", "invalid_extra_arguments", is_a(tuple), "a tuple"),
)


class DynamicSupervisor(DynamicKeeper):
    """`max_children` None = no bound. `flags` give the restart budget; the strategy is always one_for_one.

    `extra_arguments` are handed to every start function after runtime and parent, at every start (Elixir prepends them, too).
    """

    def __init__(
        self,
        *,
        max_children: int | None = None,
        flags: Flags = DYNAMIC_FLAGS,
        extra_arguments: tuple[object, ...] = (),
    ) -> None:
        check_fields(_Options(max_children, flags, extra_arguments), _OPTIONS)
        super().__init__(flags, extra_arguments)
        self._max_children = max_children

    # Messages: what is done at once returns its result, what has to wait a coroutine

    def handle_call(self, request: object, from_: From) -> object:
        match request:
            case StartDynamic(spec):
                return self._refused(spec) or self._full() or self._add(spec)
            case TerminateChild(process):
                return self._terminate_child(process)
            case WhichChildren():
                return self._infos()
            case WhichChild(process):
                return self._info_of(process)
            case CountChildren():
                return self._count()
            case GetChildspec(process):
                known = self._spec_of(process)
                return Answer.NOT_FOUND if known is None else known.complete()
            case _:
                self.runtime.report(Unexpected(self.me.label, type(request).__name__))
                return Answer.UNKNOWN_CALL

    def handle_cast(self, message: object) -> object:
        self.runtime.report(Unexpected(self.me.label, type(message).__name__))
        return None

    def handle_info(self, message: object) -> object:
        match message:
            case Exit(sender, reason):
                spec = None if sender is None else self._children.pop(sender, None)
                return None if spec is None or sender is None else self._ended(sender, spec, reason)
            case Retry():
                return self._try_again(message)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(message).__name__))
                return None

    # Administration

    def _refused(self, spec: ChildSpec) -> SpecRefused | None:
        try:
            check_child(spec, AutoShutdown.NEVER)
        except BadSpec as error:
            return SpecRefused(error.code, str(error))
        return None

    def _full(self) -> TooManyChildren | None:
        if self._max_children is None or len(self._children) + len(self._retrying) < self._max_children:
            return None
        return TooManyChildren(self._max_children)

    async def _add(self, spec: ChildSpec) -> object:
        outcome = await bring_up(spec, self.runtime, self.me, self._extra)
        if isinstance(outcome, Started):
            self._keep(outcome.process, spec)
        return answer_of(outcome)

    def _terminate_child(self, process: object) -> object:
        if not isinstance(process, Process):
            return Answer.NOT_FOUND
        self._failures.pop(process, None)
        retry = self._retrying.pop(process, None)
        if retry is not None:
            retry.call_off()
            return Answer.OK
        spec = self._children.pop(process, None)
        return Answer.NOT_FOUND if spec is None else self._terminated(process, spec)

    async def _terminated(self, process: Process, spec: ChildSpec) -> Answer:
        self.awaits = process
        problem = await shut_down(process, self.me, spec)
        self.awaits = None
        self.me.unlink(process, flush=True)
        if problem is not None:
            self._report(spec, Context.SHUTDOWN_ERROR, problem)
        return Answer.OK

    # What there is

    def _specs(self) -> Iterator[tuple[Process, ChildSpec]]:
        yield from self._children.items()
        yield from ((retry.old, retry.spec) for retry in self._retrying.values())

    def _spec_of(self, process: object) -> ChildSpec | None:
        if not isinstance(process, Process):
            return None
        retry = self._retrying.get(process)
        return self._children.get(process) if retry is None else retry.spec

    def _info_of(self, process: object) -> object:
        spec = self._spec_of(process)
        return Answer.NOT_FOUND if spec is None or not isinstance(process, Process) else self._row(process, spec)

    def _infos(self) -> tuple[ChildInfo, ...]:
        return tuple(self._row(process, spec) for process, spec in self._specs())

    def _count(self) -> Counts:
        specs = [spec for _, spec in self._specs()]
        supervisors = sum(spec.type is ChildType.SUPERVISOR for spec in specs)
        active = sum(process.alive for process in self._children)
        return Counts(len(specs), active, supervisors, len(specs) - supervisors)

    def _row(self, process: Process, spec: ChildSpec) -> ChildInfo:
        is_up = process in self._children
        running = process if is_up else None
        return ChildInfo(process.label, running, spec.type, spec.restart, not is_up, spec.implementation)
