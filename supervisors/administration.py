"""Asking supervisors: the requests of `admin` as functions (OTP `supervisor:start_child/2` and so on; the same answers).

They wait without limit, as OTP's do. Guarantee beyond OTP: a child that asks its own supervisor while that one awaits it, from
`init` or from `terminate`, is told so by `CallExit` instead of waiting for ever. `child_spec` makes specifications of classes.
"""

from functools import partial
from typing import Any, Final, Literal, TypeVar

from supervisors.actor import Actor
from supervisors.actor_process import ActorProcess
from supervisors.admin import (
    Answer,
    ChildInfo,
    CountChildren,
    Counts,
    DeleteChild,
    Deleted,
    DynamicResult,
    GetChildspec,
    RestartChild,
    Restarted,
    StartChild,
    StartDynamic,
    StartResult,
    TerminateChild,
    Terminated,
    WhichChild,
    WhichChildren,
)
from supervisors.dynamic_keeper import DynamicKeeper
from supervisors.exits import NOPROC, NORMAL, TIMEOUT, CallExit, Custom, ExitReason
from supervisors.keeper import Keeper
from supervisors.process import Process
from supervisors.ref import Address, Request
from supervisors.signals import State, current_process
from supervisors.spawning import actor
from supervisors.spec import ChildSpec, ChildType

__all__ = [
    "child_spec",
    "count_children",
    "delete_child",
    "get_childspec",
    "restart_child",
    "start_child",
    "start_dynamic",
    "stop",
    "terminate_child",
    "which_child",
    "which_children",
]

R = TypeVar("R")

AWAITED: Final = Custom("the supervisor awaits this very child")


async def start_child(supervisor: Address, spec: ChildSpec) -> StartResult:
    return await _ask(supervisor, StartChild(spec))


async def start_dynamic(supervisor: Address, spec: ChildSpec) -> DynamicResult:
    return await _ask(supervisor, StartDynamic(spec))


async def terminate_child(supervisor: Address, child: str | Process) -> Terminated:
    return await _ask(supervisor, TerminateChild(child))


async def restart_child(supervisor: Address, child: str) -> Restarted:
    return await _ask(supervisor, RestartChild(child))


async def delete_child(supervisor: Address, child: str) -> Deleted:
    return await _ask(supervisor, DeleteChild(child))


async def which_children(supervisor: Address) -> tuple[ChildInfo, ...]:
    return await _ask(supervisor, WhichChildren())


async def which_child(supervisor: Address, child: str | Process) -> ChildInfo | Literal[Answer.NOT_FOUND]:
    return await _ask(supervisor, WhichChild(child))


async def count_children(supervisor: Address) -> Counts:
    return await _ask(supervisor, CountChildren())


async def get_childspec(supervisor: Address, child: str | Process) -> ChildSpec | Literal[Answer.NOT_FOUND]:
    return await _ask(supervisor, GetChildspec(child))


async def stop(supervisor: Address, reason: ExitReason = NORMAL, timeout_s: float | None = None) -> None:
    """Stop a supervisor in order and wait for it (OTP 29 `supervisor:stop/3`); it goes on stopping when the caller's time is up.

    Raises `CallExit`: `NoProc`, `Timeout`, or the reason it ended for instead of `reason`.
    """
    process = supervisor.target()
    if not isinstance(process, Process):
        raise CallExit(NOPROC, supervisor.label, reason)
    _refuse_deadlock(process, reason)
    process.request_stop(reason)
    ended = await process.ended(timeout_s)
    if ended != reason:
        raise CallExit(TIMEOUT if ended is None else ended, process.label, reason)


def child_spec(what: type[Actor], *args: object, name: str | None = None, **fields: Any) -> ChildSpec:
    """The specification of an actor class (Elixir `child_spec/1`), with fields of `ChildSpec` given otherwise (`child_spec/2`).

    The id is the name, else that of the class; supervisors are of type supervisor. A class may have its own defaults in a
    class attribute `child_defaults`, a mapping of fields.
    """
    is_supervisor = issubclass(what, (Keeper, DynamicKeeper))
    defaults: dict[str, Any] = {
        "id": name or what.__name__,
        "start": actor(partial(what, *args), name=name),
        "type": ChildType.SUPERVISOR if is_supervisor else ChildType.WORKER,
        **getattr(what, "child_defaults", {}),
    }
    return ChildSpec(**{**defaults, **fields})


async def _ask(supervisor: Address, request: Request[R]) -> R:
    process = supervisor.target()
    if isinstance(process, Process):
        _refuse_deadlock(process, request)
    return await supervisor.call(request, timeout_s=None)


def _refuse_deadlock(supervisor: Process, request: object) -> None:
    caller = current_process()
    if caller is None or caller.parent is not supervisor:
        return
    keeper = supervisor.instance if isinstance(supervisor, ActorProcess) else None
    is_awaited = isinstance(keeper, (Keeper, DynamicKeeper)) and keeper.awaits is caller
    if is_awaited or caller.state is State.STARTING:
        raise CallExit(AWAITED, supervisor.label, request)
