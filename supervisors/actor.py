"""Actors: a class with callbacks, one message at a time (OTP `gen_server`).

    class Counter(Actor):
        def init(self) -> None:                 # may be async; a fresh instance for every life
            self.n = 0
        def handle_call(self, request: Get, from_: From) -> object:
            return self.n                        # the reply

A callback may be a plain `def`, which runs in the runtime's own turn and costs no task switch, or an `async def` (or return
its coroutine), which runs in a worker task of the actor; either way the next message waits until it is through.
What a callback returns says what happens next; see `NO_REPLY`, `Reply`, `Continue`, `After`, `Stop`, `HIBERNATE`, `IGNORE`, `Fail`.

An exception in a callback always ends the actor: `terminate` runs, reports go out, its supervisor decides.
Deviations from OTP, both for Python's sake: the state is the instance and not an argument; a class that overrides
`terminate` traps exits unless `trap_exit` says otherwise, because people expect a clean-up hook to run. `throw` as a return value
is not ported. `hibernate` is a hint.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, Literal, final

from supervisors.alarm import Alarm
from supervisors.events import Unexpected
from supervisors.exits import ExitReason, error_of
from supervisors.inbox import DEFAULT_CAPACITY, Overflow
from supervisors.process import Monitor, Process
from supervisors.ref import Address, From
from supervisors.runtime import Runtime

__all__ = ["HIBERNATE", "IGNORE", "NO_REPLY", "Action", "Actor", "After", "Continue", "Fail", "Reply", "Status", "Stop"]


class _Signal(Enum):
    NO_REPLY = "no_reply"
    IGNORE = "ignore"
    HIBERNATE = "hibernate"


NO_REPLY: Final[Literal[_Signal.NO_REPLY]] = _Signal.NO_REPLY
"""From `handle_call`: the reply comes later, through `from_.reply(value)`."""

IGNORE: Final[Literal[_Signal.IGNORE]] = _Signal.IGNORE
"""From `init`: this actor is not needed; its supervisor goes on without it."""


HIBERNATE: Final[Literal[_Signal.HIBERNATE]] = _Signal.HIBERNATE
"""From any callback but `terminate`: nothing is expected for long. The actor lets go of its worker task; a hint, as in OTP."""


@final
@dataclass(frozen=True, slots=True)
class Continue:
    """From any callback but `terminate`: `handle_continue(term)` runs next, before any queued message."""

    term: object


@final
@dataclass(frozen=True, slots=True)
class After:
    """From any callback but `terminate`: `handle_info(message)` after `delay_s` without another message (OTP `{timeout, T, Msg}`).

    0 = next, before anything queued; `inf` = never. System requests do not disturb it.
    """

    delay_s: float
    message: object


@final
@dataclass(frozen=True, slots=True)
class Stop:
    """From a callback: run `terminate(reason)`, then end. In `handle_call`, `reply` is sent after `terminate` ran, as in OTP."""

    reason: ExitReason
    reply: object = NO_REPLY


Action = Continue | After | Stop | Literal[_Signal.HIBERNATE] | None
"""What is to happen after a callback; None = wait for the next message."""


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """From `handle_call`: reply with `value`, then do `then`. A bare value replies without further ado."""

    value: object
    then: Action = None


@final
@dataclass(frozen=True, slots=True)
class Fail:
    """From `init`: the start fails with `reason`, without a crash report (OTP 26 `{error, Reason}`)."""

    reason: ExitReason


@final
@dataclass(frozen=True, slots=True)
class Status:
    """What `Actor.format_status` may show or hide: in `sys.get_status` and in reports of a crash."""

    state: object
    message: object = None
    reason: ExitReason | None = None
    log: tuple[object, ...] = ()


class Actor:
    """Base class. `__init__` takes what the actor is given; nothing happens before `init`.

    `self.me` is the actor's own process, `self.runtime` its runtime. Messages of a call arrive in `handle_call`, casts in
    `handle_cast`, everything else (plain messages, timers, `Exit`, `Down`) in `handle_info`.
    """

    trap_exit: ClassVar[bool | None] = None
    """True: exits of linked processes arrive as `Exit` messages. None: only if `terminate` is overridden."""

    mailbox_capacity: ClassVar[int] = DEFAULT_CAPACITY
    """So many messages may wait. Exits, alarms and system requests have no bound."""

    mailbox_overflow: ClassVar[Overflow] = Overflow.REJECT
    """What becomes of one more."""

    hibernate_after_s: ClassVar[float | None] = None
    """After so long without a message, twice as long at most, it is as if a callback had returned `HIBERNATE`. None: never."""

    __slots__ = ("__weakref__", "me")

    me: Process

    @property
    def runtime(self) -> Runtime:
        return self.me.runtime

    # The parameters of the callbacks are Any so that a subclass may name just the messages it understands.

    def init(self) -> object:
        """Set the state up. May return None, `Continue`, `After`, `IGNORE`, or fail the start by `Stop(reason)` or `Fail(reason)`."""
        return None

    def handle_call(self, request: Any, from_: From) -> object:
        raise TypeError(f"{type(self).__name__} does not answer calls, got: {type(request).__name__}")

    def handle_cast(self, message: Any) -> object:
        raise TypeError(f"{type(self).__name__} takes no casts, got: {type(message).__name__}")

    def handle_info(self, message: Any) -> object:
        """By default a message nobody expected is reported and dropped."""
        self.runtime.report(Unexpected(self.me.label, type(message).__name__))
        return None

    def handle_continue(self, term: Any) -> object:
        raise TypeError(f"{type(self).__name__} has no handle_continue, got: {type(term).__name__}")

    def terminate(self, reason: ExitReason) -> object:
        """Clean up. Runs on `Stop`, on an exception, and (when trapping) on the exit of the parent; never on a kill."""
        return None

    def code_change(self, old: type["Actor"], extra: object) -> object:
        """The class of this instance has just been changed from `old`: bring the state up to date (OTP `code_change/3`).

        An exception undoes the change.
        """
        return None

    def format_status(self, status: Status) -> Status:
        """What others may see of the actor in `sys.get_status` and in crash reports (OTP `format_status/1`).

        By default no more than the types of the state and of the last message. If it fails, nothing is shown.
        """
        message = None if status.message is None else type(status.message).__name__
        return Status(
            type(status.state).__name__, message, status.reason, tuple(type(each).__name__ for each in status.log)
        )

    # What an actor does to the world

    def named(self, name: str) -> Address:
        """The address of whoever holds `name`; keep names, not processes."""
        return self.runtime.named(name)

    def send_after(self, delay_s: float, message: object) -> Alarm:
        """`message` arrives in `handle_info` after `delay_s`, unless cancelled; the timer ends with this life.

        What an actor arranges for itself is not subject to the bound of its mailbox.
        """
        return self.me.send_after(delay_s, message)

    def monitor(self, process: Process) -> Monitor:
        return self.me.monitor(process)

    def pipe(self, future: "asyncio.Future[Any]", wrap: "Callable[[asyncio.Future[Any]], object]") -> None:
        """When `future` is done, `wrap(future)` arrives in `handle_info`: how to wait without holding up the mailbox.

        An exception in `wrap` ends the actor like one in a callback.
        """
        me = self.me

        def deliver(done: "asyncio.Future[Any]") -> None:
            try:
                message = wrap(done)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- wrap may ask a cancelled future for its result
                me.request_stop(error_of(error))
            else:
                me.post_signal(message)

        future.add_done_callback(deliver)
