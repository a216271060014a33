"""A static supervisor: starts its children in order, keeps them, stops them in reverse (OTP `supervisor`).

It is an actor like any other: exits of children, retries and administration all pass through its own mailbox, one at a
time. While it awaits the `init` of a child or the end of one, it serves nothing else, as in OTP; slow beginnings belong into
`handle_continue`. Which children take part is decided in `strategy`, whether it may restart once more in `intensity`.

Guarantees: `start` returns when all children are up, or not at all with everything rolled back; a child is restarted only
after the old one has *ended*; one death costs one restart of the budget, however many siblings are cycled; a failed restart is
tried again through the mailbox, at the cost of another; giving up stops the rest in reverse and exits with `Shutdown`.
Deviation: an unexpected call or cast is reported and dropped, where OTP's supervisor crashes. Extension: the `restart_delay` of
a child, during which it is `restarting` and everything else is served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from supervisors.actor import Actor, Stop
from supervisors.admin import (
    AlreadyStarted,
    Answer,
    ChildInfo,
    CountChildren,
    Counts,
    DeleteChild,
    FailedToStart,
    GetChildspec,
    RestartChild,
    SpecRefused,
    StartChild,
    TerminateChild,
    WhichChild,
    WhichChildren,
)
from supervisors.child import answer_of, bring_up, reason_of
from supervisors.children import Child, Children, TryAgain, busy_with
from supervisors.errors import BadSpec
from supervisors.events import Context, Unexpected
from supervisors.exits import Custom, Shutdown
from supervisors.intensity import Window
from supervisors.keeper import Keeper
from supervisors.process import Exit
from supervisors.ref import From
from supervisors.spec import ChildSpec, Flags, Started, check_child, check_childspecs
from supervisors.validation import check_fields, is_a

__all__ = [
    "ChildInfo",
    "CountChildren",
    "Counts",
    "DeleteChild",
    "GetChildspec",
    "Plan",
    "RestartChild",
    "StartChild",
    "Supervisor",
    "TerminateChild",
    "WhichChild",
    "WhichChildren",
]

_GAVE_UP = "reached_max_restart_intensity"


_PLAN: Final = (("flags", "invalid_type", is_a(Flags), "Flags"),)


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """What a supervisor is to do. Raises `BadSpec` if the children could not be those of one supervisor."""

    flags: Flags
    children: Sequence[ChildSpec]

    def __post_init__(self) -> None:
        check_fields(self, _PLAN)
        check_childspecs(self.children, self.flags.auto_shutdown)


class Supervisor(Keeper):
    """`Supervisor(flags, children)`; start it with `spawn`, or under another one with `actor(partial(Supervisor, …))`.

    A subclass may override `plan` instead, to decide in its own process, and anew for every life.
    """

    def __init__(self, flags: Flags | None = None, children: Sequence[ChildSpec] = ()) -> None:
        self._given = Plan(Flags() if flags is None else flags, children)

    def plan(self) -> object:
        """Its `Plan`, or `IGNORE` (OTP `Module:init/1`)."""
        return self._given

    async def init(self) -> object:
        plan = self.plan()
        if not isinstance(plan, Plan):
            return plan if plan is not None else Stop(Custom(("bad_return_value", "NoneType")))
        self._children = Children()
        self._window = Window(plan.flags.intensity, plan.flags.period_s)
        self._follow(plan)
        return await self._start_all()

    def _follow(self, plan: Plan) -> None:
        self._flags = plan.flags
        self._window.intensity, self._window.period_s = plan.flags.intensity, plan.flags.period_s
        self._children.merge(tuple(plan.children))

    async def _start_all(self) -> Stop | None:
        for child in self._children:
            problem = await self._start(child)
            if problem is not None:
                reason = reason_of(problem)
                self._report(child, Context.START_ERROR, reason)
                await self._stop_all()
                return Stop(Shutdown(FailedToStart(child.spec.id, reason)))
        return None

    def code_change(self, old: type[Actor], extra: object) -> None:
        """Follow the `plan` of the new class; nothing is started or stopped, known children go on (OTP `code_change/3`)."""
        plan = self.plan()
        if isinstance(plan, Plan):
            self._follow(plan)

    # Messages: what is done at once returns its result, what has to wait a coroutine

    def handle_call(self, request: object, from_: From) -> object:
        match request:
            case StartChild(spec):
                return self._add(spec)
            case TerminateChild(child_id):
                return self._terminate_child(child_id)
            case RestartChild(child_id):
                return self._restart_child(child_id)
            case DeleteChild(child_id):
                return self._delete(child_id)
            case _:
                return self._tell(request)

    def _tell(self, request: object) -> object:
        match request:
            case WhichChildren():
                return tuple(child.info() for child in reversed(self._children))
            case WhichChild(child_id):
                child = self._children.get(child_id)
                return Answer.NOT_FOUND if child is None else child.info()
            case GetChildspec(child_id):
                child = self._children.get(child_id)
                return Answer.NOT_FOUND if child is None else child.spec.complete()
            case CountChildren():
                specs, active, supervisors = self._children.count()
                return Counts(specs, active, supervisors, specs - supervisors)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(request).__name__))
                return Answer.UNKNOWN_CALL

    def handle_cast(self, message: object) -> None:
        self.runtime.report(Unexpected(self.me.label, type(message).__name__))

    def handle_info(self, message: object) -> object:
        match message:
            case Exit(sender, reason):
                child = self._children.of(sender)
                return None if child is None else self._ended(child, reason)
            case TryAgain():
                child = self._children.get(message.id)
                return None if child is None or child.retry is not message else self._try_again(child, message)
            case _:
                self.runtime.report(Unexpected(self.me.label, type(message).__name__))
                return None

    # Administration

    def _add(self, spec: ChildSpec) -> object:
        try:
            check_child(spec, self._flags.auto_shutdown)
        except BadSpec as error:
            return SpecRefused(error.code, str(error))
        known = self._children.get(spec.id)
        if known is None:
            return self._start_new(Child(spec))
        return Answer.ALREADY_PRESENT if known.process is None else AlreadyStarted(known.process)

    async def _start_new(self, child: Child) -> object:
        """It counts among the children only when it is up: a start that fails leaves nothing, and is its caller's business."""
        outcome = await bring_up(child.spec, self.runtime, self.me)
        if outcome is None or isinstance(outcome, Started):
            self._children.add(child)
            self._take_in(child, outcome, on_request=True)
        return answer_of(outcome)

    def _terminate_child(self, child_id: object) -> object:
        child = self._children.get(child_id)
        return Answer.NOT_FOUND if child is None else self._terminated(child)

    async def _terminated(self, child: Child) -> Answer:
        await self._stop_for_round(child)
        return Answer.OK

    def _restart_child(self, child_id: object) -> object:
        child = self._children.get(child_id)
        return Answer.NOT_FOUND if child is None else busy_with(child) or self._started_again(child)

    async def _started_again(self, child: Child) -> object:
        outcome = await bring_up(child.spec, self.runtime, self.me)
        self._take_in(child, outcome, on_request=True)
        return answer_of(outcome)

    def _delete(self, child_id: object) -> Answer:
        child = self._children.get(child_id)
        if child is None:
            return Answer.NOT_FOUND
        busy = busy_with(child)
        if busy is None:
            self._children.drop(child)
        return busy or Answer.OK
