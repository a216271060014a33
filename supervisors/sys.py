"""Looking into a living actor, and holding it still (OTP `sys`). Named for it; always import it qualified: `from supervisors import sys`.

Every request goes through the actor's mailbox, in order with everything else, has no bound, and is served while the actor is
suspended, too. Raises `CallExit` as a call does: `NoProc` where there is no actor, `Timeout` after `timeout_s` (default 5 s).
Deviations: the state of an actor is its instance, so `get_state` answers that; `log_to_file` is for the caller to write, with
`install`, for this library writes no files.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast, final

from supervisors.actor import Actor, Status
from supervisors.actor_process import ActorProcess
from supervisors.debug import DONE, LOG_SIZE, DebugEvent, DebugFunction, Debugger, In, NoReply, Out, Statistics
from supervisors.errors import CallbackFailed
from supervisors.events import Traced
from supervisors.exits import NOPROC, CallExit, ExitReason, error_of
from supervisors.inbox import Kind
from supervisors.obituary import formatted
from supervisors.ref import CALL_TIMEOUT_S, Address, From
from supervisors.signals import current_process
from supervisors.texts import brief

if TYPE_CHECKING:
    from supervisors.process import Process

__all__ = [
    "DONE",
    "DebugEvent",
    "In",
    "NoReply",
    "Out",
    "Statistics",
    "StatusReport",
    "change_code",
    "get_log",
    "get_state",
    "get_statistics",
    "get_status",
    "install",
    "log",
    "no_debug",
    "remove",
    "replace_state",
    "resume",
    "statistics",
    "suspend",
    "terminate",
    "trace",
]

T = TypeVar("T")
TRACE: Final = "trace"


@final
@dataclass(frozen=True, slots=True)
class StatusReport:
    """OTP `sys:get_status/1`. `state` and `log` are as `format_status` of the actor shows them."""

    pid: int
    label: str
    module: str
    parent: str
    is_suspended: bool
    debug: tuple[str, ...]
    state: object
    log: tuple[object, ...]


async def _ask(address: Address, work: Callable[[ActorProcess], T], timeout_s: float | None) -> T:
    """Have `work` done by the actor between two messages; an exception of it is the asker's."""
    process = address.target()
    if not isinstance(process, ActorProcess):
        raise CallExit(NOPROC, address.label, work)
    from_ = From.new(cast("Process", process), work, current_process())
    process.refuse_deadlock(from_)

    def answer(actor: ActorProcess) -> None:
        from_.reply(_outcome(work, actor))

    process.post_system((Kind.SYSTEM, answer))
    outcome = await process.answer(from_, timeout_s)
    if isinstance(outcome, _Raised):
        raise outcome.error
    return cast("T", outcome)


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


def _outcome(work: Callable[[ActorProcess], object], actor: ActorProcess) -> object:
    try:
        return work(actor)
    except Exception as error:  # noqa: BLE001 -- whoever asked shall have it; the actor is not to blame
        return _Raised(error)


# State


async def get_state(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> Actor:
    """The instance itself, to be read, not changed."""
    return await _ask(address, lambda actor: actor.instance, timeout_s)


async def replace_state(
    address: Address, change: Callable[[Actor], Actor], *, timeout_s: float | None = CALL_TIMEOUT_S
) -> Actor:
    """Go on with the instance that `change` makes of the present one; answers it.

    Raises `CallbackFailed` if `change` does or if it returns no actor; the state is then as before, unless `change` altered it.
    """

    def replace(actor: ActorProcess) -> Actor:
        try:
            instance = cast("object", change(actor.instance))
        except Exception as error:  # noqa: BLE001 -- whatever `change` does wrong, the actor is not to blame
            raise CallbackFailed("replace_state", error_of(error)) from None
        if not isinstance(instance, Actor):
            raise CallbackFailed("replace_state", f"expected an Actor, got: {type(instance).__name__}")
        instance.me = actor
        actor.instance = instance
        return instance

    return await _ask(address, replace, timeout_s)


async def get_status(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> StatusReport:
    """Who it is and how it is, with as much of its state as it shows."""

    def report(actor: ActorProcess) -> StatusReport:
        extras, instance = actor.extras(), actor.instance
        debugger = extras.debugger or Debugger()
        shown = formatted(instance, Status(instance, None, None, debugger.recent))
        return StatusReport(
            pid=actor.pid,
            label=actor.label,
            module=type(instance).__qualname__,
            parent="" if actor.parent is None else actor.parent.label,
            is_suspended=extras.is_suspended,
            debug=(*debugger.functions, *(["log"] if debugger.ring is not None else [])),
            state=shown.state,
            log=shown.log,
        )

    return await _ask(address, report, timeout_s)


# Holding it still


async def suspend(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Serve nothing but requests of this module, stops and the exit of the parent. Does not interrupt a callback; idempotent."""

    def hold(actor: ActorProcess) -> None:
        actor.extras().is_suspended = True

    await _ask(address, hold, timeout_s)


async def resume(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Go on, with all that has arrived meanwhile, in order. Harmless if it was not suspended."""

    def let_go(actor: ActorProcess) -> None:
        actor.extras().is_suspended = False

    await _ask(address, let_go, timeout_s)


async def change_code(
    address: Address, to: type[Actor], extra: object = None, *, timeout_s: float | None = CALL_TIMEOUT_S
) -> None:
    """Make the instance one of class `to` and let its `code_change(old, extra)` bring the state up to date. Only while suspended.

    Raises `CallbackFailed` if it is not suspended or `code_change` fails; class and attributes are then as before.
    """

    def change(actor: ActorProcess) -> None:
        if not actor.extras().is_suspended:
            raise CallbackFailed("change_code", f"expected {actor.label} to be suspended first")
        instance, old, before = actor.instance, type(actor.instance), dict(vars(actor.instance))
        try:
            instance.__class__ = to
            instance.code_change(old, extra)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the change is undone
            instance.__class__ = old
            vars(instance).clear()
            vars(instance).update(before)
            raise CallbackFailed("code_change", error_of(error)) from None

    await _ask(address, change, timeout_s)


async def terminate(address: Address, reason: ExitReason, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """End with `reason`, through `terminate`, also while suspended. Returns when it has ended."""
    process = address.target()
    if process is None:
        raise CallExit(NOPROC, address.label, reason)
    await process.stop(reason, timeout_s)


# Debug functions


async def _with_debugger(address: Address, use: Callable[[ActorProcess, Debugger], T], timeout_s: float | None) -> T:
    def work(actor: ActorProcess) -> T:
        extras = actor.extras()
        debugger = extras.debugger or Debugger()
        answer = use(actor, debugger)
        extras.debugger = None if debugger.is_idle else debugger
        return answer

    return await _ask(address, work, timeout_s)


async def install(
    address: Address,
    function: DebugFunction,
    state: object = None,
    *,
    id: str = "",  # noqa: A002 -- OTP's word
    timeout_s: float | None = CALL_TIMEOUT_S,
) -> str:
    """Show every event to `function(state, event, label)`, which returns its next state, or `DONE` to be removed.

    One `id` is installed once; a second one under it changes nothing. Answers the id, by default the function's name.
    """
    name = id or getattr(function, "__qualname__", repr(function))

    def add(_actor: ActorProcess, debugger: Debugger) -> str:
        debugger.functions.setdefault(name, (function, state))
        return name

    return await _with_debugger(address, add, timeout_s)


async def remove(address: Address, id_: str, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Harmless if there is none."""

    def drop(_actor: ActorProcess, debugger: Debugger) -> None:
        debugger.functions.pop(id_, None)

    await _with_debugger(address, drop, timeout_s)


async def no_debug(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Switch everything off."""

    def clear(actor: ActorProcess) -> None:
        actor.extras().debugger = None

    await _ask(address, clear, timeout_s)


async def trace(
    address: Address, on: bool = True, *, limit: int | None = None, timeout_s: float | None = CALL_TIMEOUT_S
) -> None:
    """Report every event as `Traced`, the message by its type alone. `limit`: so many, then it switches itself off."""

    def switch(actor: ActorProcess, debugger: Debugger) -> None:
        debugger.functions.pop(TRACE, None)
        if on:
            debugger.functions[TRACE] = (_tracer(actor), limit)

    await _with_debugger(address, switch, timeout_s)


def _tracer(actor: ActorProcess) -> DebugFunction:
    def report(left: object, event: DebugEvent, label: str) -> object:
        actor.runtime.report(Traced(label, type(event).__name__.lower(), _subject(event)))
        if not isinstance(left, int):
            return left
        return left - 1 if left > 1 else DONE

    return report


def _subject(event: DebugEvent) -> str:
    match event:
        case In(kind, message):
            return f"{kind} {type(message).__name__}"
        case Out(reply, to):
            return f"{type(reply).__name__} to {to or 'a caller outside'}"
        case NoReply():
            return ""


async def log(address: Address, size: int = LOG_SIZE, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Keep the last `size` events; 0 = keep none any more."""

    def switch(_actor: ActorProcess, debugger: Debugger) -> None:
        debugger.ring = deque(debugger.ring or (), maxlen=size) if size > 0 else None

    await _with_debugger(address, switch, timeout_s)


async def get_log(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> tuple[str, ...]:
    """What `log` has kept, oldest first, as text."""

    def read(_actor: ActorProcess, debugger: Debugger) -> tuple[str, ...]:
        return tuple(brief(event) for event in debugger.recent)

    return await _with_debugger(address, read, timeout_s)


async def statistics(address: Address, on: bool = True, *, timeout_s: float | None = CALL_TIMEOUT_S) -> None:
    """Count messages, from now; or no more."""

    def switch(actor: ActorProcess, debugger: Debugger) -> None:
        debugger.counting_since_s = actor.runtime.clock.monotonic() if on else None
        debugger.reductions_before, debugger.messages_in, debugger.messages_out = actor.reductions, 0, 0

    await _with_debugger(address, switch, timeout_s)


async def get_statistics(address: Address, *, timeout_s: float | None = CALL_TIMEOUT_S) -> Statistics | None:
    """What has been counted; None while nothing is."""

    def read(actor: ActorProcess, debugger: Debugger) -> Statistics | None:
        if debugger.counting_since_s is None:
            return None
        now_s, reductions = actor.runtime.clock.monotonic(), actor.reductions - debugger.reductions_before
        return Statistics(debugger.counting_since_s, now_s, debugger.messages_in, debugger.messages_out, reductions)

    return await _with_debugger(address, read, timeout_s)
