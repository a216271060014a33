"""How the run of a task talks to the actors around it: persistently, and undisturbed where something is written down.

Guarantees: an actor that is being restarted is waited for, a full disk too; a run that is stopped finishes what it is writing. Where a
journal is damaged a run ends as it stands: nothing is written until somebody mends it, and a start settles what is open.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

import msgspec
import structlog

from supervisors import CallExit, ExitWith, Request, Runtime, Shutdown
from symbiont.actors import names
from symbiont.actors.ledger import Refused
from symbiont.actors.run_steps import Begin, Complete, Fail, Postpone, Stopped
from symbiont.config.schema import Config
from symbiont.domain.price import PriceTable
from symbiont.domain.task import Task, Try
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock, Randomness, Worker

RESTART_PATIENCE_S: Final = 60.0
REFUSAL_PAUSE_S: Final = 1.0

R = TypeVar("R")

_log = structlog.get_logger("symbiont.life")


class World(msgspec.Struct, frozen=True):
    """Everything a run needs of its surroundings. `classifies`: the names of workers that can classify."""

    runtime: Runtime
    workers: Mapping[str, Worker]
    classifies: frozenset[str]
    tiers: TierTable
    prices: PriceTable
    config: Config
    clock: Clock
    randomness: Randomness


class LostLease(Exception):
    """The task has another run by now, or none: whatever this one has to say about it does not count."""


class RunTalk:
    """What every part of a run shares. `task` is the queue's latest word on it."""

    def __init__(self, task: Task, world: World) -> None:
        self.task = task
        self.world = world
        self._is_stopping = False
        self._untold: list[Try] = []

    async def _tell(self, message: "Complete | Fail | Postpone | Stopped") -> None:
        self.task = await self._undisturbed(self._advance(message))

    async def _undisturbed(self, step: Coroutine[Any, Any, R], *, stop_it: bool = False) -> R:
        """Writing down goes on while the run is being stopped: cut off there, an answer already paid for would be lost.

        A model call is told to stop (`stop_it`), and heard out. Whatever it says, the run ends before its next call. A second
        request to stop is final.
        """
        inner = asyncio.ensure_future(step)
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is not None:
                current.uncancel()
            self._is_stopping = True
            if stop_it:
                inner.cancel()
            return await inner

    async def _advance(self, message: "Begin | Complete | Fail | Postpone | Stopped") -> Task:
        """Whatever the queue is told next, the calls since then go along: they are the task's story."""
        told = msgspec.structs.replace(message, tries=tuple(self._untold))
        answer = await self._ask(names.QUEUE, told)
        if isinstance(answer, Task):
            self._untold.clear()
            return answer
        raise LostLease(self.task.id)

    async def _ask(self, name: str, request: Request[R]) -> R:
        """Ask until there is an answer: an actor that is being restarted is waited for, a full disk too. A damaged journal ends the run.

        All these requests are safe to repeat: the ledger knows a call it has, the queue a number that has passed.
        """
        while True:
            try:
                answer = await self.world.runtime.named(name).call(request, timeout_s=None)
            except CallExit:
                if not await self.world.runtime.await_name(name, RESTART_PATIENCE_S):
                    raise
                continue
            if not isinstance(answer, Refused):
                return answer
            _log.error("storage_refused", task=self.task.id, actor=name, reason=answer.reason)
            if answer.code == "DATA_CORRUPT":
                raise ExitWith(Shutdown("storage damaged"))
            await pause(self.world.runtime, REFUSAL_PAUSE_S)


async def pause(runtime: Runtime, delay_s: float) -> None:
    """Sleep on the clock of the runtime, so that virtual time covers it."""
    future: asyncio.Future[None] = runtime.loop.create_future()
    timer = runtime.call_later(delay_s, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        timer.cancel()
