"""Addresses of processes, and what one may do with them: call, cast, send, exit.

A message that is answered derives from `Request[R]`; `call` then returns an `R`, checked by the type checker:

    class Balance(msgspec.Struct, Request[int], frozen=True): ...
    balance = await account.call(Balance())        # int

A call is a monitor (OTP `gen:call/4`): it fails at once, with the reason, when the callee is not there, dies, or is the
caller itself; its time-out is 5 s unless told otherwise. A late reply is dropped, never delivered to anybody.
`cast` and `send` never fail and never wait; whoever needs to know that a message arrived, calls.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from supervisors.exits import NOPROC, CallExit, ExitReason

__all__ = ["CALL_TIMEOUT_S", "Address", "From", "Request"]

CALL_TIMEOUT_S: Final = 5.0

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Request(Generic[R_co]):
    """Marks a message that is answered with an `R_co`."""

    __slots__ = ()


class From:
    """Where an answer goes: handed to `handle_call`, kept for a deferred reply, used from anywhere, any number of times.

    Only the first reply counts; a caller that gave up or died makes it a no-op. `caller` is the calling process, None for
    code outside of any (OTP's `From` holds the pid for the same purpose: to monitor who is being served).
    """

    __slots__ = ("_forget", "_future", "caller")

    def __init__(
        self,
        future: "asyncio.Future[Any]",
        forget: "Callable[[asyncio.Future[Any]], None]",
        caller: "Address | None" = None,
    ) -> None:
        self._future = future
        self._forget = forget
        self.caller = caller

    def reply(self, value: object) -> None:
        future = self._future
        self._forget(future)
        if not future.done():
            future.set_result(value)


class Target(Protocol):
    """The receiving side of a living process."""

    def post_call(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]": ...

    def forget_call(self, future: "asyncio.Future[Any]") -> None: ...

    def post_cast(self, message: object) -> bool: ...

    def post_info(self, message: object) -> bool: ...

    def signal_exit(self, reason: ExitReason) -> None: ...


class Address(ABC):
    """Something messages can be sent to: a process, or a name that a process may hold."""

    __slots__ = ()

    @abstractmethod
    def target(self) -> Target | None:
        """The living process behind the address, None if there is none."""

    @property
    @abstractmethod
    def label(self) -> str:
        """For people: a name, or what the process runs."""

    @property
    def alive(self) -> bool:
        return self.target() is not None

    async def call(self, request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S) -> R:
        """Send and wait for the answer. `None` waits without limit, yet never longer than the callee lives.

        Raises `CallExit` with the reason, or `MailboxFull`. Being cancelled forgets the call; the callee goes on.
        """
        target = self.target()
        if target is None:
            raise CallExit(NOPROC, self.label, request)
        future = target.post_call(request, timeout_s)
        try:
            answer: R = await future
        finally:
            target.forget_call(future)
            del future  # the future may hold an exception whose traceback holds this frame
        return answer

    def cast(self, message: object) -> bool:
        """Send without waiting for anything. False when nobody is there or the mailbox refused; seldom worth looking at."""
        target = self.target()
        return target is not None and target.post_cast(message)

    def send(self, message: object) -> bool:
        """Send a plain message, which arrives in `handle_info`."""
        target = self.target()
        return target is not None and target.post_info(message)

    def exit(self, reason: ExitReason) -> None:
        """Send an exit signal (OTP `exit/2`): `Killed` cannot be trapped; `Normal` is ignored by who does not trap."""
        target = self.target()
        if target is not None:
            target.signal_exit(reason)
