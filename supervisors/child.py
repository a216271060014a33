"""The beginning and the end of one child, or of many at once, for every kind of supervisor."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import Any, Final, cast

from supervisors.admin import AlreadyStarted, Answer, StartFailed
from supervisors.clock import Timer
from supervisors.errors import NameTaken, NotStarted
from supervisors.exits import (
    KILLED,
    SHUTDOWN,
    Custom,
    Error,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    Timeout,
    error_of,
)
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.spec import BRUTAL_KILL, BrutalKill, ChildSpec, Restart, Started

__all__ = ["NotUp", "Outcome", "answer_of", "bring_up", "is_as_asked", "reason_of", "shut_down", "shut_down_all"]

NotUp = AlreadyStarted | StartFailed
Outcome = Started | NotUp | None
"""Of a start; None = the child is not needed."""

_REASONS: Final = (Normal, Shutdown, Killed, NoProc, Timeout, Error, Custom)


async def bring_up(spec: ChildSpec, runtime: Runtime, by: Process, extra: tuple[object, ...] = ()) -> Outcome:
    """Call a start function; an exception of any kind is a start that failed (OTP `supervisor`: `{error, What}`)."""
    start = cast("Callable[..., Any]", spec.start)
    try:
        started = start(runtime, by, *extra)
        if hasattr(started, "__await__"):
            started = await started
    except NameTaken as error:
        holder = runtime.whereis(error.name)
        return StartFailed(reason_of(error)) if holder is None else AlreadyStarted(holder)
    except NotStarted as error:
        return StartFailed(reason_of(error))
    except Exception as error:  # noqa: BLE001 -- a start function is not ours, and its bugs are not the supervisor's
        return StartFailed(error_of(error))
    return _checked(started)


def _checked(started: object) -> Outcome:
    """What a start function returned is what it says, or a failure: it is not ours."""
    if isinstance(started, Process):
        return Started(started)
    if started is None or isinstance(started, Started):
        return started
    return StartFailed(Custom(("bad_return_value", type(started).__name__)))


def reason_of(problem: NotUp | NotStarted) -> ExitReason:
    """Why a start failed, as the reason of an exit."""
    if isinstance(problem, AlreadyStarted):
        return Custom(problem)
    reason = problem.reason
    return reason if isinstance(reason, _REASONS) else Custom(reason)


async def shut_down(process: Process, by: Process, spec: ChildSpec) -> ExitReason | None:
    """End `process` and wait until it has ended (OTP `supervisor:shutdown/1`). Always completes.

    Asks with `Shutdown` and kills when its patience is over. Returns the reason if it did not end the way it was asked to.
    The exit that a link has brought meanwhile is the caller's to forget.
    """
    patience = spec.patience_s
    reason = process.exit_reason
    if reason is None and not isinstance(patience, BrutalKill):
        process.receive_exit(by, SHUTDOWN, linked=False)
        reason = process.exit_reason
        if reason is None and patience > 0:
            reason = await process.ended(patience)
    if reason is None:
        process.receive_exit(by, KILLED, linked=False)
        reason = process.exit_reason or await process.ended()
    return None if reason is None or is_as_asked(reason, spec) else reason


def is_as_asked(reason: ExitReason, spec: ChildSpec) -> bool:
    """Whether it is no fault of a child to end so when it is told to."""
    if spec.restart is not Restart.PERMANENT and isinstance(reason, (Normal, Shutdown)):
        return True
    return isinstance(reason, Killed) if spec.patience_s is BRUTAL_KILL else reason == SHUTDOWN


async def shut_down_all(children: Mapping[Process, ChildSpec], by: Process) -> Iterable[tuple[ChildSpec, ExitReason]]:
    """End all of them at the same time, each with its patience; returns those who did not end the way they were asked to.

    One timer for each distinct patience, whatever the number of children (Elixir `DynamicSupervisor`).
    """
    if children:
        await _Ending(children, by).done()
    reasons = ((spec, process.exit_reason) for process, spec in children.items())
    return [(spec, reason) for spec, reason in reasons if reason is not None and not is_as_asked(reason, spec)]


class _Ending:
    """Many children on their way out."""

    def __init__(self, children: Mapping[Process, ChildSpec], by: Process) -> None:
        self._by = by
        self._children = children
        self._left = set(children)
        self._over: asyncio.Future[None] = by.runtime.loop.create_future()

    async def done(self) -> None:
        for process in self._children:
            process.on_death(partial(self._ended, process))
        for process, spec in self._children.items():
            process.receive_exit(self._by, KILLED if spec.patience_s is BRUTAL_KILL else SHUTDOWN, linked=False)
        timers = self._timers()
        try:
            await self._over
        finally:
            for timer in timers:
                timer.cancel()

    def _timers(self) -> list[Timer]:
        by_patience: dict[float, list[Process]] = {}
        for process, spec in self._children.items():
            patience = spec.patience_s
            if process in self._left and not isinstance(patience, BrutalKill) and patience < inf:
                by_patience.setdefault(patience, []).append(process)
        self._kill(by_patience.pop(0, []))
        call_later = self._by.runtime.call_later
        return [call_later(patience, partial(self._kill, group)) for patience, group in by_patience.items()]

    def _kill(self, group: Iterable[Process]) -> None:
        for process in group:
            process.receive_exit(self._by, KILLED, linked=False)

    def _ended(self, process: Process, _: ExitReason) -> None:
        self._left.discard(process)
        if not self._left and not self._over.done():
            self._over.set_result(None)


def answer_of(outcome: Outcome) -> "Started | NotUp | Answer":
    return Answer.IGNORED if outcome is None else outcome
