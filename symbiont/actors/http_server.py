"""The door of the API inside the tree: admits requests, runs each as a supervised task, bounds how many there are.

Requests that wait for a task have a bound of their own, so that the quick ones always find room.
Connections and listening sockets live above the tree, so a restart of this actor (or of any before it) refuses nobody: while it
is away, the edge answers 503. Requests under way are tasks of their own and outlive it.
Does not speak HTTP: that is `symbiont.http`.
"""

from math import ceil
from typing import Any, Final

import msgspec

from supervisors import Actor, Continue, Down, From, MaxChildren, Process, Request, Tasks
from supervisors.task import Job, TaskProcess
from symbiont.actors import names

REQUEST_LABEL: Final = "request"
WAITING_LABEL: Final = "waiting request"

QUICK_SHARE: Final = 0.25
"""Of the room for requests, what those that wait for a task can never take, so that others are always answered."""


class Busy(msgspec.Struct, frozen=True):
    """As many requests as allowed are under way."""

    max_in_flight: int


class Admit(msgspec.Struct, Request[TaskProcess | Busy], frozen=True):
    """Run this request. The one message that carries code: the body of a request is made outside and must run inside.

    `waits`: it may take as long as a task does.
    """

    body: Job[object]
    waits: bool = False


class InFlight(msgspec.Struct, Request[int], frozen=True):
    pass


class HTTPServer(Actor):
    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_waiting = max(1, max_in_flight - ceil(max_in_flight * QUICK_SHARE))
        self._requests: set[Process] = set()
        self._waiting: set[Process] = set()

    def init(self) -> Continue:
        return Continue("adopt")

    async def handle_continue(self, term: Any) -> None:
        """Requests that outlived an earlier life of this actor count."""
        for child in await self._tasks.children():
            if child.id in {REQUEST_LABEL, WAITING_LABEL} and child.process is not None:
                self._count(child.process, waits=child.id == WAITING_LABEL)

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Admit():
                return self._busy(request) or self._start(request)
            case InFlight():
                return len(self._requests)
            case _:
                return super().handle_call(request, from_)

    def handle_info(self, message: Any) -> object:
        if not isinstance(message, Down):
            return super().handle_info(message)
        self._requests.discard(message.process)
        self._waiting.discard(message.process)
        return None

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.named(names.TASKS))

    def _busy(self, admit: Admit) -> Busy | None:
        if len(self._requests) >= self._max_in_flight:
            return Busy(self._max_in_flight)
        return Busy(self._max_waiting) if admit.waits and len(self._waiting) >= self._max_waiting else None

    async def _start(self, admit: Admit) -> TaskProcess | Busy:
        try:
            label = WAITING_LABEL if admit.waits else REQUEST_LABEL
            process = await self._tasks.start_child(admit.body, label=label)
        except MaxChildren as full:
            return Busy(full.max_children)
        self._count(process, waits=admit.waits)
        return process

    def _count(self, process: Process, *, waits: bool) -> None:
        self._requests.add(process)
        if waits:
            self._waiting.add(process)
        self.monitor(process)
