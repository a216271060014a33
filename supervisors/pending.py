"""Calls whose answers are fetched later, and calls of many (OTP `gen_server:send_request/2`, `multi_call/2`, `abcast/2`).

A `Pending` is a request on its way. `wait` may be repeated after a time-out; `receive` gives the request up with its time-out, and a
later reply is dropped. A `RequestIds` holds many under labels: `next` waits for one of them, `receive` gives all up with its
time-out, `check` only looks. Replies never pass through a mailbox.
Deviation: `multi_call` and `abcast` are local, for there are no nodes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Generic, TypeVar, cast

from supervisors.errors import MailboxFull
from supervisors.exits import NOPROC, TIMEOUT, CallExit
from supervisors.ref import CALL_TIMEOUT_S, Address, Request
from supervisors.runtime import Runtime
from supervisors.scheduler import one_pass

__all__ = ["Pending", "RequestIds", "abcast", "multi_call", "send_request"]

R = TypeVar("R")
L = TypeVar("L")


class Pending(Generic[R]):
    """One request. `label` is the server's, for messages."""

    __slots__ = ("_future", "_request", "_runtime", "label")

    def __init__(self, future: "asyncio.Future[R]", request: Request[R], runtime: Runtime, label: str) -> None:
        self._future = future
        self._request = request
        self._runtime = runtime
        self.label = label

    def check(self) -> bool:
        """Whether the answer, or the server's end, is there: `wait` returns, or raises, at once."""
        return self._future.done()

    async def wait(self, timeout_s: float | None = None) -> R:
        """The answer. Raises `CallExit`; after `Timeout` one may wait again."""
        if not self._future.done() and not await _settled((self._future,), timeout_s, self._runtime):
            raise CallExit(TIMEOUT, self.label, self._request)
        return self._future.result()

    async def receive(self, timeout_s: float | None = None) -> R:
        """The answer. A time-out gives the request up: its reply will be dropped."""
        try:
            return await self.wait(timeout_s)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Want no answer any more: who waits all the same, now or later, is told `Timeout`."""
        if not self._future.done():
            self._future.set_exception(CallExit(TIMEOUT, self.label, self._request))
            self._future.exception()  # whoever never asks for it shall not hear asyncio complain

    @property
    def future(self) -> "asyncio.Future[R]":
        return self._future


def send_request(runtime: Runtime, address: Address, request: Request[R]) -> Pending[R]:
    """Send now, have the answer later. Never raises: what is wrong comes with the answer, as `CallExit` or `MailboxFull`."""
    process = address.target()
    if process is None:
        return Pending(_refused(runtime, CallExit(NOPROC, address.label, request)), request, runtime, address.label)
    try:
        future = cast("asyncio.Future[R]", process.post_call(request, None))
    except (CallExit, MailboxFull) as refusal:
        future = _refused(runtime, refusal)
    return Pending(future, request, runtime, address.label)


def _refused(runtime: Runtime, refusal: Exception) -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = runtime.loop.create_future()
    future.set_exception(refusal)
    future.exception()  # whoever never asks for it shall not hear asyncio complain
    return future


class RequestIds(Generic[R, L]):
    """Requests under way, each under a label (OTP `reqids`)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pending: dict[Pending[R], L] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending[R], label: L) -> None:
        self._pending[pending] = label

    def send(self, address: Address, request: Request[R], label: L) -> None:
        self.add(send_request(self._runtime, address, request), label)

    def check(self, *, delete: bool = True) -> tuple[L, R | CallExit | MailboxFull] | None:
        """An answer that is there, with its label, or None. `delete=False` keeps the answered request: it will come again."""
        answered = next((pending for pending in self._pending if pending.check()), None)
        if answered is None:
            return None
        label = self._pending[answered]
        if delete:
            del self._pending[answered]
        try:
            return label, answered.future.result()
        except (CallExit, MailboxFull) as failed:
            return label, failed

    async def next(
        self, timeout_s: float | None = None, *, until_s: float | None = None, delete: bool = True
    ) -> tuple[L, R | CallExit | MailboxFull] | None:
        """The first answer there is, as `check`; None when no request is left. Raises `TimeoutError`, and all may be waited for again.

        `until_s` is a moment of the runtime's clock (OTP `{abs, T}`): one limit for many waits.
        """
        if not self._pending:
            return None
        if until_s is not None:
            timeout_s = max(0.0, until_s - self._runtime.clock.monotonic())
        futures = tuple(pending.future for pending in self._pending)
        if not any(future.done() for future in futures) and not await _settled(futures, timeout_s, self._runtime):
            raise TimeoutError(f"expected an answer in time, got: none of {len(futures)}")
        return self.check(delete=delete)

    async def receive(
        self, timeout_s: float | None = None, *, until_s: float | None = None, delete: bool = True
    ) -> tuple[L, R | CallExit | MailboxFull] | None:
        """The same, but when the time is up all requests are given up (OTP `receive_response/3`)."""
        try:
            return await self.next(timeout_s, until_s=until_s, delete=delete)
        except TimeoutError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Want none of the answers any more."""
        for pending in self._pending:
            pending.abandon()
        self._pending.clear()


async def multi_call(
    runtime: Runtime, addresses: Iterable[Address], request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S
) -> tuple[dict[Address, R], tuple[Address, ...]]:
    """Ask all at once: who answered in time, with what; and who did not (dead, too slow, refused). No late reply arrives."""
    asked = {address: send_request(runtime, address, request) for address in addresses}
    await _settled(tuple(pending.future for pending in asked.values()), timeout_s, runtime, all_of_them=True)
    replies: dict[Address, R] = {}
    for address, pending in asked.items():
        if not pending.check():
            pending.abandon()
        elif pending.future.exception() is None:
            replies[address] = pending.future.result()
    return replies, tuple(address for address in asked if address not in replies)


def abcast(addresses: Iterable[Address], message: object) -> None:
    """Cast to all. Never fails."""
    for address in addresses:
        address.cast(message)


async def _settled(
    futures: "tuple[asyncio.Future[R], ...]", timeout_s: float | None, runtime: Runtime, *, all_of_them: bool = False
) -> bool:
    """Wait until one (or all) of `futures` is done, on the runtime's clock; False if the time was up first.

    No time at all is one pass of the loop: who can answer at once does.
    """
    if timeout_s is not None and timeout_s <= 0:
        await one_pass()
        return (all if all_of_them else any)(future.done() for future in futures)
    return await _settled_in_time(futures, timeout_s, runtime, all_of_them=all_of_them)


async def _settled_in_time(
    futures: "tuple[asyncio.Future[R], ...]", timeout_s: float | None, runtime: Runtime, *, all_of_them: bool
) -> bool:
    left = {future for future in futures if not future.done()}
    settled: asyncio.Future[bool] = runtime.loop.create_future()

    def settle(value: bool) -> None:
        if not settled.done():
            settled.set_result(value)

    def one_done(done: "asyncio.Future[R]") -> None:
        left.discard(done)
        if not left or not all_of_them:
            settle(value=True)

    for future in tuple(left):
        future.add_done_callback(one_done)
    timer = None if timeout_s is None else runtime.call_later(timeout_s, lambda: settle(value=False))
    try:
        return not left or await settled
    finally:
        if timer is not None:
            timer.cancel()
        for future in futures:
            future.remove_done_callback(one_done)
