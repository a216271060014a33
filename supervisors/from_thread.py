"""Talking to actors from a thread that is not the loop's.

Guarantees: what one thread sends through these arrives in the order it was sent, casts and calls alike; nothing of a process is
touched outside the loop's thread; a call blocks the calling thread alone, and never longer than its time-out (plus `GRACE_S` when the
loop does not come round at all, or is gone).
"""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextvars import Context
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from supervisors.exits import NOPROC, TIMEOUT, CallExit
from supervisors.ref import CALL_TIMEOUT_S, Address, Request
from supervisors.runtime import Runtime

if TYPE_CHECKING:
    import asyncio

__all__ = ["call_from_thread", "cast_from_thread", "send_from_thread"]

R = TypeVar("R")
GRACE_S: Final = 1.0


def cast_from_thread(runtime: Runtime, address: Address, message: object) -> bool:
    """`address.cast(message)` in the thread of the loop, soon. False if the loop is closed."""
    return _soon(runtime, partial(address.cast, message))


def send_from_thread(runtime: Runtime, address: Address, message: object) -> bool:
    """`address.send(message)`, likewise."""
    return _soon(runtime, partial(address.send, message))


def call_from_thread(
    runtime: Runtime, address: Address, request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S
) -> R:
    """`address.call(request)`, waiting for the answer. Raises what that does, and `RuntimeError` in the thread of the loop itself.

    `timeout_s` is measured by the clock of the runtime, and once more by that of the thread.
    """
    if runtime.thread == get_ident():
        raise RuntimeError(
            "expected another thread than that of the loop, which would wait for itself: use `await call`"
        )
    answer: Future[Any] = Future()
    call = _Call(address, request, timeout_s, answer)
    if not _soon(runtime, call.begin):
        raise CallExit(NOPROC, address.label, request)
    try:
        return cast("R", answer.result(None if timeout_s is None else timeout_s + GRACE_S))
    except TimeoutError:
        _soon(runtime, call.give_up)
        raise CallExit(TIMEOUT, address.label, request) from None


def _soon(runtime: Runtime, callback: Callable[[], object]) -> bool:
    """In an empty context: who calls is no process, whatever the thread was started by."""
    try:
        runtime.loop.call_soon_threadsafe(callback, context=Context())
    except RuntimeError:  # the loop is closed
        return False
    return True


class _Call:
    """Lives in the loop's thread; only the concurrent future is seen by both."""

    def __init__(self, address: Address, request: object, timeout_s: float | None, answer: "Future[Any]") -> None:
        self._address = address
        self._request = request
        self._timeout_s = timeout_s
        self._answer = answer
        self._pending: asyncio.Future[Any] | None = None

    def begin(self) -> None:
        """Post it at once: what the thread sends next must not overtake it."""
        target = self._address.target()
        try:
            if target is None:
                raise CallExit(NOPROC, self._address.label, self._request)  # noqa: TRY301 -- one way out for all refusals
            self._pending = target.post_call(self._request, self._timeout_s)
        except Exception as refusal:  # noqa: BLE001 -- it is the caller's
            self._answer.set_exception(refusal)
        else:
            self._pending.add_done_callback(self._settle)

    def give_up(self) -> None:
        if self._pending is not None:
            self._pending.cancel()

    def _settle(self, pending: "asyncio.Future[Any]") -> None:
        if pending.cancelled():
            self._answer.set_exception(CancelledError())
        elif (error := pending.exception()) is not None:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(pending.result())
