"""A lock for every key of a registry, handed from one process to the next (Elixir `Registry.lock/3`).

Guarantees: one holder at a time for each key, in order of arrival; a holder that raises, is cancelled or dies lets the next one in;
one that ends while it waits is passed over; a free lock takes no memory. Lock keys have nothing to do with registered keys.
Deviation: who asks for a lock it holds already gets `LockHeld` at once, where Elixir waits for itself for ever.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Final

from supervisors.errors import SupervisorsError
from supervisors.exits import NOPROC, CallExit
from supervisors.process import Process
from supervisors.registry_table import watch

__all__ = ["LockHeld", "Locks"]


class LockHeld(SupervisorsError):
    """The process waits for a lock it holds itself: a deadlock, found before it begins."""

    def __init__(self, key: Hashable) -> None:
        super().__init__(f"expected lock {key!r} to be asked for once by a process, got: asked for again by its holder")


class _Turn:
    """One who holds the lock, or waits for it. `owner` is None for code outside of any process."""

    __slots__ = ("admitted", "owner")

    def __init__(self, owner: Process | None, loop: asyncio.AbstractEventLoop) -> None:
        self.owner: Final = owner
        self.admitted: asyncio.Future[None] = loop.create_future()

    @property
    def is_void(self) -> bool:
        return self.admitted.done() or (self.owner is not None and not self.owner.alive)


class Locks:
    """The locks of one registry that are held."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._queues: dict[Hashable, deque[_Turn]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    async def take(self, key: Hashable, owner: Process | None, loop: asyncio.AbstractEventLoop) -> "_Turn":
        """Wait for the lock. What it returns is to be given back by `release`."""
        queue = self._queues.setdefault(key, deque())
        if queue and owner is not None and queue[0].owner is owner:
            raise LockHeld(key)
        turn = _Turn(owner, loop)
        queue.append(turn)
        if owner is not None:
            watch(owner, self)
        if queue[0] is turn:
            turn.admitted.set_result(None)
        try:
            await turn.admitted
        except BaseException:
            self.release(key, turn)
            raise
        return turn

    def release(self, key: Hashable, turn: "_Turn") -> None:
        """Give the lock back, or leave the queue; harmless if that has happened already."""
        queue = self._queues.get(key)
        if queue is None or turn not in queue:
            return
        was_first = queue[0] is turn
        queue.remove(turn)
        if was_first:
            self._admit_next(key, queue)

    def reap(self, owner: Process) -> None:
        """What a process holds, or waits for, when it ends."""
        for key, queue in list(self._queues.items()):
            for turn in [turn for turn in queue if turn.owner is owner]:
                self.release(key, turn)

    def _admit_next(self, key: Hashable, queue: deque[_Turn]) -> None:
        while queue and queue[0].is_void:
            queue.popleft()
        if queue:
            queue[0].admitted.set_result(None)
        else:
            del self._queues[key]

    def close(self) -> None:
        """The registry has ended: who holds a lock goes on, who waits is told."""
        queues, self._queues = self._queues, {}
        for key, queue in queues.items():
            for turn in queue:
                if not turn.admitted.done():
                    turn.admitted.set_exception(CallExit(NOPROC, self._label, key))
                    turn.admitted.exception()
