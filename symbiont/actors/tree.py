"""The supervision tree on one screen.

    Symbiont            rest_for_one
    ├── TaskSupervisor  model calls and request bodies run here; it survives what happens below
    ├── Ledger          if it dies, everybody who writes to it starts afresh
    ├── Queue
    ├── Dispatcher
    ├── Schedules       submits tasks at their moments; settles what a kill has left before the heartbeat has anything pruned
    ├── Heartbeat
    ├── Webhooks        follows the queue; nobody but HTTPServer waits for it
    └── HTTPServer      starts last, stops first

A restart takes along what was started after the one that died, in order. Giving up ends the process with a non-zero code, and
the service manager starts it again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from supervisors import Actor, ChildSpec, ChildType, Flags, Strategy, Supervisor, TaskSupervisor, actor
from symbiont.actors import names
from symbiont.actors.dispatcher import Dispatcher
from symbiont.actors.heartbeat import Heartbeat
from symbiont.actors.http_server import HTTPServer
from symbiont.actors.ledger import Ledger
from symbiont.actors.queue import Queue
from symbiont.actors.schedules import Schedules
from symbiont.actors.webhooks import Webhooks

JOURNAL_CLOSE_S: Final = 10.0
"""What an actor with a journal gets to write what is under way."""


@dataclass(frozen=True)
class Makers:
    """How each actor is made, a fresh one for every life."""

    ledger: Callable[[], Ledger]
    queue: Callable[[], Queue]
    dispatcher: Callable[[], Dispatcher]
    heartbeat: Callable[[], Heartbeat]
    schedules: Callable[[], Schedules]
    webhooks: Callable[[], Webhooks]
    http_server: Callable[[], HTTPServer]


def tree(make: Makers, *, max_tasks: int, max_restarts: int, within_s: float) -> Supervisor:
    """The whole of Symbiont, to be spawned under the name `symbiont`."""

    def child(name: str, make_one: Callable[[], Actor], shutdown_s: float = 5.0) -> ChildSpec:
        return ChildSpec(name, actor(make_one, name=name), shutdown_s=shutdown_s)

    tasks = ChildSpec(
        names.TASKS,
        actor(lambda: TaskSupervisor(max_children=max_tasks), name=names.TASKS),
        type=ChildType.SUPERVISOR,
        shutdown_s=inf,
    )
    return Supervisor(
        Flags(Strategy.REST_FOR_ONE, intensity=max_restarts, period_s=within_s),
        [
            tasks,
            child(names.LEDGER, make.ledger, JOURNAL_CLOSE_S),
            child(names.QUEUE, make.queue, JOURNAL_CLOSE_S),
            child(names.DISPATCHER, make.dispatcher, JOURNAL_CLOSE_S),
            child(names.SCHEDULES, make.schedules, JOURNAL_CLOSE_S),
            child(names.HEARTBEAT, make.heartbeat, JOURNAL_CLOSE_S),
            child(names.WEBHOOKS, make.webhooks, JOURNAL_CLOSE_S),
            child(names.HTTP_SERVER, make.http_server),
        ],
    )
