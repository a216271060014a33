"""The beginning of an actor's life: a handshake that returns when `init` is through.

When a start fails, the process is dead, its name is free and its exit has been consumed before the starter learns of it (OTP
`proc_lib:start_link`, since OTP 26). The link to the parent goes first and the name with the death. A start that takes too long is
over when the code of `init` is: nothing of it may overlap with another attempt.
"""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final

from supervisors.actor import IGNORE
from supervisors.errors import NotStarted
from supervisors.exits import SHUTDOWN, TIMEOUT
from supervisors.signals import RUNNING, State

if TYPE_CHECKING:
    from supervisors.callbacks import CallbackProcess

__all__ = ["Starting"]


class _Mark(Enum):
    PENDING = "pending"


_PENDING: Final = _Mark.PENDING


class Starting:
    """What became of `init`: None when up, `IGNORE`, or the reason why not."""

    __slots__ = ("_future", "_outcome")

    def __init__(self) -> None:
        self._outcome: object = _PENDING
        self._future: asyncio.Future[None] | None = None

    def resolve(self, outcome: object) -> None:
        """The first outcome counts."""
        if self._outcome is _PENDING:
            self._outcome = outcome
            if self._future is not None and not self._future.done():
                self._future.set_result(None)  # the starter runs in a later pass of the loop

    async def ended(self, process: "CallbackProcess", within_s: float | None) -> bool:
        """True when up, False for `IGNORE`; raises `NotStarted`."""
        if self._outcome is _PENDING:
            await self._wait(process, within_s)
        if self._outcome is None or self._outcome is IGNORE:
            return self._outcome is None
        raise NotStarted(process.label, self._outcome)

    async def _wait(self, process: "CallbackProcess", within_s: float | None) -> None:
        self._future = process.runtime.loop.create_future()
        timer = None if within_s is None else process.runtime.call_later(within_s, lambda: _give_up(process))
        try:
            await self._future
        except asyncio.CancelledError:
            _abandon(process)
            raise
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()


def _give_up(process: "CallbackProcess") -> None:
    if process.state is State.STARTING:
        process.kill(TIMEOUT)


def _abandon(process: "CallbackProcess") -> None:
    """Whoever started this was cancelled and will never know of it."""
    if process.state is RUNNING:
        if process.parent is not None:
            process.unlink(process.parent, flush=True)
        process.request_stop(SHUTDOWN)
    else:
        process.interrupt(SHUTDOWN)
