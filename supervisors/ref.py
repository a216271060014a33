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
from collections.abc import Coroutine
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, final

from supervisors.deadlines import Deadline
from supervisors.exits import NOPROC, NORMAL, TIMEOUT, CallExit, ExitReason

if TYPE_CHECKING:
    from supervisors.process import Process

__all__ = ["CALL_TIMEOUT_S", "UNANSWERED", "Address", "From", "Request"]

CALL_TIMEOUT_S: Final = 5.0

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Request(Generic[R_co]):
    """Marks a message that is answered with an `R_co`."""

    __slots__ = ()


class _Answer(Enum):
    UNANSWERED = "unanswered"
    ABANDONED = "abandoned"


UNANSWERED: Final[object] = _Answer.UNANSWERED
_ABANDONED: Final[object] = _Answer.ABANDONED


@final
class From:
    """One call on its way, and where its answer goes (OTP's `From`: the caller and the alias that takes the reply).

    Handed to `handle_call`, kept for a deferred reply, used from anywhere, any number of times: only the first reply counts; a
    caller that gave up or died makes it a no-op. `caller` is the calling process, None for code outside of any.
    Once somebody waits, it owns the future that is settled with the answer, or with `CallExit` when the server dies.
    """

    __slots__ = ("answer", "caller", "deadline", "future", "request", "server")

    # No `__init__`: `ActorProcess.call` sets the fields in place, which saves a fifth of what a call costs. All others: `new`.
    server: "Process"
    request: object
    caller: "Process | None"
    answer: object
    future: "asyncio.Future[Any] | None"
    deadline: Deadline | None  # only while somebody waits

    @classmethod
    def new(cls, server: "Process", request: object, caller: "Process | None") -> "From":
        from_ = cls()
        from_.server, from_.request, from_.caller = server, request, caller
        from_.answer, from_.future = UNANSWERED, None
        return from_

    def reply(self, value: object) -> None:
        if self.answer is UNANSWERED:
            self.answer = value
            if self.future is not None and not self.future.done():
                self.future.set_result(value)

    # For the process that is called

    def wait(self, timeout_s: float | None) -> "asyncio.Future[Any]":
        """The future of the answer; from now on death and time count. Whoever asks for it calls `let_go` when it is over."""
        server = self.server
        runtime = server.runtime
        self.future = future = runtime.loop.create_future()
        if self.answer is not UNANSWERED:
            future.set_result(self.answer)
        self.deadline = None if timeout_s is None else runtime.deadlines.add(self, timeout_s)
        server.callers[self] = None
        return future

    def let_go(self) -> None:
        """Nobody waits any more: a later reply is dropped."""
        if self.answer is UNANSWERED:
            self.answer = _ABANDONED
        self.server.callers.pop(self, None)
        self.future = (
            None  # future → exception → traceback → frame → call → future would make every crash work for the collector
        )
        if self.deadline is not None:
            self.deadline.discard(self)
            self.deadline = None

    def fail(self, reason: ExitReason) -> None:
        """The server is gone, or too slow."""
        if self.answer is UNANSWERED:
            self.answer = _ABANDONED
            future = self.future
            if future is not None and not future.done():
                future.set_exception(CallExit(reason, self.server.label, self.request))
                future.exception()  # the caller may be gone; asyncio would complain

    def expire(self) -> None:
        self.fail(TIMEOUT)


class Address(ABC):
    """Something messages can be sent to: a process, or a name that a process may hold."""

    __slots__ = ()

    @abstractmethod
    def target(self) -> "Process | None":
        """The living process behind the address, None if there is none."""

    @property
    @abstractmethod
    def label(self) -> str:
        """For people: a name, or what the process runs."""

    @property
    def alive(self) -> bool:
        return self.target() is not None

    def call(self, request: Request[R], timeout_s: float | None = CALL_TIMEOUT_S) -> Coroutine[Any, Any, R]:
        """Send and wait for the answer. `None` waits without limit, yet never longer than the callee lives.

        Raises `CallExit` with the reason, or `MailboxFull`. Being cancelled forgets the call; the callee goes on.
        """
        target = self.target()
        return _nobody(self.label, request) if target is None else target.call(request, timeout_s)

    def cast(self, message: object) -> bool:
        """Send without waiting for anything. False when nobody is there or the mailbox refused; seldom worth looking at."""
        target = self.target()
        return target is not None and target.cast(message)

    def send(self, message: object) -> bool:
        """Send a plain message, which arrives in `handle_info`."""
        target = self.target()
        return target is not None and target.send(message)

    def exit(self, reason: ExitReason) -> None:
        """Send an exit signal (OTP `exit/2`): `Killed` cannot be trapped; `Normal` is ignored by who does not trap."""
        target = self.target()
        if target is not None:
            target.exit(reason)

    async def stop(self, reason: ExitReason = NORMAL, timeout_s: float | None = None) -> None:
        """End whoever is there in order, with `reason`, and wait for it (OTP `gen_server:stop/3`); see `Process.stop`.

        Raises `CallExit` with `NoProc` if nobody is there.
        """
        target = self.target()
        if target is None:
            raise CallExit(NOPROC, self.label, reason)
        await target.stop(reason, timeout_s)


async def _nobody(label: str, request: Request[R]) -> R:
    raise CallExit(NOPROC, label, request)
