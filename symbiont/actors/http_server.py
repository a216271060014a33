"""The door of the API inside the tree: admits requests, runs each as a supervised task, bounds how many there are.

Connections and listening sockets live above the tree, so a restart of this actor (or of any before it) refuses nobody: while it
is away, the edge answers 503. Requests under way are tasks of their own and outlive it.
Does not speak HTTP: that is `symbiont.http`.
"""

from typing import Any, Final

import msgspec

from supervisors import Actor, Continue, Down, From, MaxChildren, Process, Request, Tasks
from supervisors.task import Job, TaskProcess
from symbiont.actors import names

REQUEST_LABEL: Final = "request"


class Busy(msgspec.Struct, frozen=True):
    """As many requests as allowed are under way."""

    max_in_flight: int


class Admit(msgspec.Struct, Request[TaskProcess | Busy], frozen=True):
    """Run this request. The one message that carries code: the body of a request is made outside and must run inside."""

    body: Job[object]


class InFlight(msgspec.Struct, Request[int], frozen=True):
    pass


class HTTPServer(Actor):
    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._requests: set[Process] = set()

    def init(self) -> Continue:
        return Continue("adopt")

    async def handle_continue(self, term: Any) -> None:
        """Requests that outlived an earlier life of this actor count."""
        for child in await self._tasks.children():
            if child.id == REQUEST_LABEL and child.process is not None:
                self._count(child.process)

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Admit(body):
                return Busy(self._max_in_flight) if len(self._requests) >= self._max_in_flight else self._start(body)
            case InFlight():
                return len(self._requests)
            case _:
                return super().handle_call(request, from_)

    def handle_info(self, message: Any) -> object:
        if not isinstance(message, Down):
            return super().handle_info(message)
        self._requests.discard(message.process)
        return None

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.named(names.TASKS))

    async def _start(self, body: Job[object]) -> TaskProcess | Busy:
        try:
            process = await self._tasks.start_child(body, label=REQUEST_LABEL)
        except MaxChildren as full:
            return Busy(full.max_children)
        self._count(process)
        return process

    def _count(self, process: Process) -> None:
        self._requests.add(process)
        self.monitor(process)
