"""thespian on its default system base, which runs every actor in the caller's thread, one message after another.

So nothing is concurrent here: no clients at a time, no flood beside a call. A parent that hears `ChildActorExited` starts anew;
an exception in a handler is not a crash to it (the message is tried again and returned), so there is no row for restarts.
"""

import logging
from time import perf_counter

from harness import main, rss_bytes, scaled, seconds_each
from thespian.actors import Actor, ActorExitRequest, ActorSystem

logging.disable(logging.CRITICAL)
IDLE_ACTORS = 10_000


class Server(Actor):
    def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802 -- thespian's name
        if message == "ask":
            self.send(sender, 1)


class Hop(Actor):
    after = starter = None

    def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802
        if isinstance(message, tuple):
            self.after = message[0]
            self.send(sender, 1)
        elif isinstance(message, int):
            self._pass_on(message, sender)

    def _pass_on(self, left: int, sender: object) -> None:
        self.send(self.after, left - 1) if left else None


def call() -> float:
    system = ActorSystem()
    ref, count = system.createActor(Server), scaled(20_000)
    start = perf_counter()
    for _ in range(count):
        system.ask(ref, "ask", 5)
    return seconds_each(start, count)


def cast() -> float:
    system = ActorSystem()
    ref, count = system.createActor(Server), scaled(50_000)
    start = perf_counter()
    for _ in range(count):
        system.tell(ref, 1)
    system.ask(ref, "ask", 5)
    return seconds_each(start, count)


def ring() -> float:
    """`tell` returns when the token has made its hops: that is how the simple base works."""
    system = ActorSystem()
    refs, hops = [system.createActor(Hop) for _ in range(1_000)], scaled(50_000)
    for ref, after in zip(refs, [*refs[1:], refs[0]], strict=True):
        system.ask(ref, (after,), 5)
    start = perf_counter()
    system.tell(refs[0], hops)
    return seconds_each(start, hops)


def spawn_stop() -> float:
    system, count = ActorSystem(), scaled(5_000)
    start = perf_counter()
    for _ in range(count):
        system.tell(system.createActor(Server), ActorExitRequest())
    return seconds_each(start, count)


def idle_bytes() -> float:
    system, before = ActorSystem(), rss_bytes()
    refs = [system.createActor(Server) for _ in range(IDLE_ACTORS)]
    for ref in refs:
        system.ask(ref, "ask", 5)
    return (rss_bytes() - before) / IDLE_ACTORS


if __name__ == "__main__":
    main({"call": call, "cast": cast, "ring": ring, "spawn_stop": spawn_stop, "idle_bytes": idle_bytes})
