"""A supervisor whose children are all alike: a template, to which each start adds its arguments (OTP `simple_one_for_one`).

    template = ChildSpec("session", Apply(start_session, ("db",)))
    await root.call(StartAlike(("ann",)))            # start_session(runtime, root, "db", "ann")

What differs from `DynamicSupervisor`, which fits most uses better: `TerminateChild` of a dead process is `ok`; ids are of no use
(`simple_one_for_one`); there is one specification, whatever the number of children.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, final

from supervisors.admin import (
    AlreadyStarted,
    Answer,
    CountChildren,
    Counts,
    DeleteChild,
    RestartChild,
    StartFailed,
    TerminateChild,
)
from supervisors.dynamic import DynamicSupervisor
from supervisors.errors import BadSpec
from supervisors.flags import Flags
from supervisors.process import Process
from supervisors.ref import From, Request
from supervisors.runtime import Runtime
from supervisors.spec import ChildSpec, ChildType, Started

__all__ = ["Apply", "SimpleOneForOne", "StartAlike"]

SIMPLE_FLAGS: Final = Flags()


@final
@dataclass(frozen=True, slots=True)
class Apply:
    """A start with arguments, OTP's `{M, F, Args}`: `func(runtime, parent, *args)`; extra arguments come before them."""

    func: Callable[..., Any]
    args: tuple[object, ...] = ()

    def __call__(self, runtime: Runtime, parent: Process, /, *extra: object) -> Any:
        return self.func(runtime, parent, *extra, *self.args)

    def with_more(self, args: tuple[object, ...]) -> "Apply":
        return Apply(self.func, self.args + args)


@final
@dataclass(frozen=True, slots=True)
class StartAlike(Request[Started | AlreadyStarted | StartFailed | Answer]):
    """One more child, with these arguments after those of the template."""

    args: tuple[object, ...] = ()


class SimpleOneForOne(DynamicSupervisor):
    """`SimpleOneForOne(template, flags)`; the template's start has to be an `Apply`."""

    def __init__(self, template: ChildSpec, flags: Flags = SIMPLE_FLAGS) -> None:
        super().__init__(flags=flags)
        start = template.start
        if not isinstance(start, Apply):
            raise BadSpec("bad_start_spec", f"expected the start of the template to be an Apply, got: {start!r}")
        self._template = template
        self._apply = start

    def handle_call(self, request: object, from_: From) -> object:
        match request:
            case StartAlike(args):
                return self._add(replace(self._template, start=self._apply.with_more(args)))
            case RestartChild() | DeleteChild():
                return Answer.SIMPLE_ONE_FOR_ONE
            case TerminateChild(Process() as process) if not process.alive and process not in self._retrying:
                return Answer.OK  # its exit, should it still be queued, is dealt with as any other
            case TerminateChild(str()):
                return Answer.SIMPLE_ONE_FOR_ONE
            case CountChildren():
                return self._count_alike()
            case _:
                return super().handle_call(request, from_)

    def _count_alike(self) -> Counts:
        size = len(self._children) + len(self._retrying)
        is_supervisor = self._template.type is ChildType.SUPERVISOR
        return Counts(1, len(self._children), size * is_supervisor, size * (not is_supervisor))
