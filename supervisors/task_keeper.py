"""The process behind a stream of tasks: watches those that run, and ends them when the stream ends, or its owner.

Guarantees: a task it has taken over is over, or will be within its patience, once the stream is closed, whoever closed it; owner and
keeper are then unlinked, and no exit or down message of theirs is left in a mailbox. A task that is too late is killed even while
nobody takes results. Knows nothing of inputs: that is the business of `task_source` and `task_stream`.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Final, Literal, final

from supervisors.clock import Timer
from supervisors.errors import BadSpec
from supervisors.exits import KILLED, NORMAL, SHUTDOWN, TIMEOUT, ExitReason
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.signals import Down, Exit, State
from supervisors.spec import WORKER_SHUTDOWN_S, BrutalKill
from supervisors.task_handle import Exited, Ok, outcome_of
from supervisors.task_process import Mailless, TaskProcess

__all__ = ["OnTimeout", "Options", "Slot", "StreamKeeper"]

OnTimeout = Literal["exit", "kill_task"]

DEFAULT_CONCURRENCY: Final = 8
"""Elixir takes the number of schedulers; here the tasks share one, and what they wait for is elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a stream runs. Wrong values raise `BadSpec`, before anything is started."""

    max_concurrency: int = DEFAULT_CONCURRENCY
    ordered: bool = True
    timeout_s: float = 5.0  # of each task, from its start; inf: none
    on_timeout: OnTimeout = "exit"
    zip_input_on_exit: bool = False
    shutdown_s: float | BrutalKill = WORKER_SHUTDOWN_S

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise BadSpec(
                "invalid_max_concurrency", f"expected max_concurrency to be >= 1, got: {self.max_concurrency}"
            )
        if not self.timeout_s >= 0:
            raise BadSpec("invalid_timeout", f"expected timeout_s to be >= 0, got: {self.timeout_s}")
        if self.on_timeout not in {"exit", "kill_task"}:
            raise BadSpec("invalid_on_timeout", f"expected on_timeout to be exit or kill_task, got: {self.on_timeout}")
        if not isinstance(self.shutdown_s, BrutalKill) and not self.shutdown_s >= 0:
            raise BadSpec("invalid_shutdown", f"expected shutdown_s to be >= 0, got: {self.shutdown_s}")


@final
class Slot:
    """One input and what becomes of it."""

    __slots__ = ("input", "is_late", "outcome", "timer")

    def __init__(self, input_: object) -> None:
        self.input = input_
        self.is_late = False
        self.outcome: Ok[Any] | Exited | None = None
        self.timer: Timer | None = None


class StreamKeeper(Mailless):
    """`owner` is whoever takes the results; its end is the end of the stream, whatever the reason."""

    __slots__ = ("_grace", "_is_closing", "_options", "_owner", "_results", "_waiter", "overdue", "running")

    def __init__(self, runtime: Runtime, owner: Process | None, options: Options, label: str) -> None:
        super().__init__(runtime, label=label, parent=owner)
        self.trap_exit = True
        self._owner = owner
        self._options = options
        self._results: deque[Slot] = deque()  # in the order of starts, or of ends
        self._waiter: asyncio.Future[None] | None = None
        self._grace: Timer | None = None
        self._is_closing = False
        self.running: dict[Process, Slot] = {}
        self.overdue: TaskProcess | None = None  # the task that was too late, where that ends the stream
        self.state = State.RUNNING

    # For the stream

    @property
    def has_room(self) -> bool:
        return len(self.running) < self._options.max_concurrency

    def adopt(self, slot: Slot, process: TaskProcess) -> None:
        """Take over a task that has just been started."""
        if self.state is State.DEAD:  # the stream was closed while its supervisor was starting the task
            self._unlink_from_owner(process)
            process.exit(SHUTDOWN)
            return
        self.running[process] = slot
        self.monitor(process)
        if self._is_closing:
            self._ask_to_end(process)
            return
        if self._options.ordered:
            self._results.append(slot)
        if self._options.timeout_s != inf:
            slot.timer = self.runtime.call_later(self._options.timeout_s, partial(self._late, slot, process))

    def take(self) -> Ok[Any] | Exited | None:
        """The result whose turn it is, None if it is not there yet."""
        if self._results and self._results[0].outcome is not None:
            return self._results.popleft().outcome
        return None

    async def changed(self) -> None:
        """Wait until there may be something to take, or to do."""
        self._waiter = self.runtime.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Signals

    def post_signal(self, message: object) -> None:
        match message:
            case Down(process=process, reason=reason):
                self._ended(process, reason)
            case Exit():
                self.close()
            case _:
                pass

    def interrupt(self, reason: ExitReason) -> None:
        self.close()
        self.die(reason)

    def running_task(self) -> "asyncio.Task[Any] | None":
        return None

    def _ended(self, process: Process, reason: ExitReason) -> None:
        slot = self.running.pop(process, None)
        if slot is None or not isinstance(process, TaskProcess):
            return
        if slot.timer is not None:
            slot.timer.cancel()
        self._unlink_from_owner(process)
        outcome = Exited(TIMEOUT) if slot.is_late else outcome_of(process, reason)
        if isinstance(outcome, Exited) and self._options.zip_input_on_exit:
            outcome = Exited(outcome.reason, slot.input)
        slot.outcome = outcome
        if not self._options.ordered:
            self._results.append(slot)
        self.wake()
        if self._is_closing and not self.running:
            self.die(NORMAL)

    def _late(self, slot: Slot, process: TaskProcess) -> None:
        if self._options.on_timeout == "exit":
            self.overdue = process
            self.wake()
            return
        slot.is_late = True
        self._unlink_from_owner(process)
        process.receive_exit(self, KILLED, linked=False)

    def _unlink_from_owner(self, process: Process) -> None:
        if self._owner is not None:
            self._owner.unlink(process, flush=True)

    # The end

    def close(self) -> None:
        """End what runs, then this process. Idempotent; `ended` tells when it is through."""
        if self._is_closing:
            return
        self._is_closing = True
        self._results.clear()
        self._unlink_from_owner(self)
        for process in tuple(self.running):
            self._ask_to_end(process)
        patience = self._options.shutdown_s
        if not self.running:
            self.die(NORMAL)
        elif not isinstance(patience, BrutalKill) and patience < inf:
            self._grace = self.runtime.call_later(patience, self._lose_patience)

    def _ask_to_end(self, process: Process) -> None:
        timer = self.running[process].timer
        if timer is not None:
            timer.cancel()
        self._unlink_from_owner(process)
        is_brutal = isinstance(self._options.shutdown_s, BrutalKill)
        process.receive_exit(self, KILLED if is_brutal else SHUTDOWN, linked=False)

    def _lose_patience(self) -> None:
        for process in tuple(self.running):
            process.receive_exit(self, KILLED, linked=False)

    def die(self, reason: ExitReason) -> None:
        if self._grace is not None:
            self._grace.cancel()
        super().die(reason)
        self.wake()
