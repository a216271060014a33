"""pykka: a thread an actor. It has no supervisor: the crash row starts the successor by hand when the old one is seen dead."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pykka
from harness import FLOOD, busy, main, percentiles, rss_bytes, scaled, seconds_each

logging.disable(logging.CRITICAL)
IDLE_ACTORS = 5_000
"""Each is a thread: 100,000 do not start."""


class Server(pykka.ThreadingActor):
    served = 0

    def on_receive(self, message: object) -> object:
        match message:
            case "busy":
                busy()
                self.served += 1
            case "crash":
                raise ValueError("boom")
            case "served":
                return self.served
        return 1


class Hop(pykka.ThreadingActor):
    def __init__(self) -> None:
        super().__init__()
        self.next = self.done = None

    def on_receive(self, message: object) -> None:
        if isinstance(message, tuple):
            self.next, self.done = message  # the ring is closed by `ask`, so that it is complete before the token goes
        elif message == 0:
            self.done.set(1)
        else:
            self.next.tell(message - 1)


def call() -> float:
    ref, count = Server.start(), scaled(10_000)
    start = perf_counter()
    for _ in range(count):
        ref.ask(1)
    return _stopped(seconds_each(start, count))


def _stopped(value: float) -> float:
    pykka.ActorRegistry.stop_all()
    return value


def call_100() -> float:
    ref, each = Server.start(), scaled(100, 10)

    def client(_number: int) -> None:
        for _ in range(each):
            ref.ask(1)

    with ThreadPoolExecutor(100) as pool:
        start = perf_counter()
        list(pool.map(client, range(100)))
        return _stopped(seconds_each(start, 100 * each))


def cast() -> float:
    ref, bursts = Server.start(), scaled(20, 5)
    start = perf_counter()
    for _ in range(bursts):
        for _ in range(1_000):
            ref.tell(1)
        ref.ask(1)
    return _stopped(seconds_each(start, 1_000 * bursts))


def ring() -> float:
    refs, hops = [Hop.start() for _ in range(1_000)], scaled(20_000)
    done = pykka.ThreadingFuture()
    for ref, after in zip(refs, [*refs[1:], refs[0]], strict=True):
        ref.ask((after, done))
    start = perf_counter()
    refs[0].tell(hops)
    done.get()
    return _stopped(seconds_each(start, hops))


def spawn_stop() -> float:
    count = scaled(2_000)
    start = perf_counter()
    for _ in range(count):
        Server.start().stop()
    return seconds_each(start, count)


def restart() -> Mapping[str, float]:
    found = []
    ref = Server.start()
    for _ in range(scaled(1_000)):
        start = perf_counter()
        ref.tell("crash")
        while ref.is_alive():
            time.sleep(0)
        ref = Server.start()
        ref.ask(1)
        found.append(perf_counter() - start)
    pykka.ActorRegistry.stop_all()
    return percentiles("restart", found)


def flood() -> Mapping[str, float]:
    flooded, answering, count = Server.start(), Server.start(), scaled(FLOOD)
    for _ in range(count):
        flooded.tell("busy")
    found: list[float] = []
    watching = ThreadPoolExecutor(1).submit(flooded.ask, "served")
    while not watching.done():
        start = perf_counter()
        answering.ask(1)
        found.append(perf_counter() - start)
    pykka.ActorRegistry.stop_all()
    return percentiles("flood", found)


def idle_bytes() -> float:
    before = rss_bytes()
    refs = [Server.start() for _ in range(IDLE_ACTORS)]
    for ref in refs:
        ref.ask(1)
    return _stopped((rss_bytes() - before) / IDLE_ACTORS)


if __name__ == "__main__":
    main(
        {
            "call": call,
            "call_100": call_100,
            "cast": cast,
            "ring": ring,
            "spawn_stop": spawn_stop,
            "restart": restart,
            "flood": flood,
            "idle_bytes": idle_bytes,
        }
    )
