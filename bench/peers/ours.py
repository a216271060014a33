"""Ours, on uvloop or asyncio's own loop: `python ours.py [--scale N] ROW …`, the loop by the name of BENCH_LOOP."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import uvloop
from asyncio_flood import watch_flood
from harness import FLOOD, busy, main, percentiles, rss_bytes, scaled, seconds_each

from supervisors import (
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    Flags,
    From,
    Process,
    Request,
    Runtime,
    Supervisor,
    actor,
    spawn,
)

__all__ = ["ASK", "LOOPS", "Async", "Plain", "quiet", "run", "up"]

T = TypeVar("T")

LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
IDLE_ACTORS = 100_000
RESTARTS_EACH = 100
"""Then a fresh supervisor, lest its restart window grows beyond what anybody uses."""


@dataclass(frozen=True, slots=True)
class Ask(Request[int]):
    pass


ASK = Ask()


class Plain(Actor):
    def handle_call(self, request: Ask, from_: From) -> int:
        return 1

    def handle_cast(self, message: object) -> None:
        pass


class Async(Actor):
    async def handle_call(self, request: Ask, from_: From) -> int:
        return 1


class Fragile(Plain):
    def handle_cast(self, message: object) -> None:
        raise ValueError("boom")


class Hop(Actor):
    """Hands a token on until it has made its hops."""

    def __init__(self) -> None:
        self.next: Process | None = None
        self.done: asyncio.Future[None] | None = None

    def handle_cast(self, left: int) -> None:
        if left == 0 and self.done is not None:
            self.done.set_result(None)
        elif self.next is not None:
            self.next.cast(left - 1)


class Flooded(Actor):
    served = 0

    def handle_cast(self, message: object) -> None:
        busy()
        self.served += 1


def quiet(_event: object) -> None:
    """A report costs what its reader makes of it; here nobody reads."""


async def up(runtime: Runtime, instance: Actor, name: str | None = None) -> Process:
    process = await spawn(runtime, instance, name=name)
    assert process is not None
    return process


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=LOOPS[os.environ.get("BENCH_LOOP", "uvloop")]) as runner:
        return runner.run(work)


async def call(make: Callable[[], Actor], clients: int, count: int) -> float:
    process = await up(Runtime(reporter=quiet), make())

    async def client() -> None:
        for _ in range(count // clients):
            await process.call(ASK)

    work: Awaitable[object] = client() if clients == 1 else asyncio.gather(*[client() for _ in range(clients)])
    start = perf_counter()
    await work
    return seconds_each(start, count)


async def cast(count: int, burst: int = 1_000) -> float:
    """In bursts that the mailbox holds, each followed by a call that waits until it is worked off."""
    process = await up(Runtime(reporter=quiet), Plain())
    start = perf_counter()
    for _ in range(count // burst):
        for _ in range(burst):
            process.cast(1)
        await process.call(ASK)
    return seconds_each(start, count // burst * burst)


async def ring(size: int, hops: int) -> float:
    runtime = Runtime(reporter=quiet)
    members = [Hop() for _ in range(size)]
    processes = [await up(runtime, member) for member in members]
    done = runtime.loop.create_future()
    for index, member in enumerate(members):
        member.next, member.done = processes[(index + 1) % size], done
    start = perf_counter()
    processes[0].cast(hops)
    await done
    return seconds_each(start, hops)


async def spawn_and_stop(count: int) -> float:
    runtime = Runtime(reporter=quiet)
    start = perf_counter()
    for _ in range(count):
        process = await up(runtime, Plain())
        await process.stop(SHUTDOWN)
    return seconds_each(start, count)


async def idle_bytes(make: Callable[[], Actor]) -> float:
    """Of an actor that has answered one call and waits for the next."""
    runtime = Runtime(reporter=quiet)
    gc.disable()
    before = rss_bytes()
    processes = [await up(runtime, make()) for _ in range(IDLE_ACTORS)]
    for process in processes:
        await process.call(ASK)
    return (rss_bytes() - before) / IDLE_ACTORS


async def restart(count: int) -> Mapping[str, float]:
    """From the message that crashes a supervised actor to the first answer of its successor."""
    found: list[float] = []
    for _ in range(max(1, count // RESTARTS_EACH)):
        await _restarts(found)
    return percentiles("restart", found)


async def _restarts(found: list[float]) -> None:
    runtime = Runtime(reporter=quiet)
    spec = ChildSpec("fragile", actor(Fragile, name="fragile"))
    root = await up(runtime, Supervisor(Flags(intensity=1_000, period_s=1.0), [spec]))
    address = runtime.named("fragile")
    for _ in range(RESTARTS_EACH):
        start = perf_counter()
        address.cast("crash")
        await _answer(runtime)
        found.append(perf_counter() - start)
    await root.stop(SHUTDOWN)


async def _answer(runtime: Runtime) -> None:
    while True:
        try:
            await runtime.named("fragile").call(ASK)
        except CallExit:
            await runtime.await_name("fragile", 5.0)
        else:
            return


async def flood() -> Mapping[str, float]:
    runtime = Runtime(reporter=quiet)
    flooded, answering = Flooded(), await up(runtime, Plain())
    process = await up(runtime, flooded)
    count = scaled(FLOOD)
    for _ in range(count):
        process.cast(None)
    return await watch_flood(lambda: answering.call(ASK), lambda: flooded.served >= count)


if __name__ == "__main__":
    main(
        {
            "call": lambda: run(call(Plain, 1, scaled(200_000))),
            "call_async": lambda: run(call(Async, 1, scaled(50_000))),
            "call_100": lambda: run(call(Plain, 100, scaled(100_000, 100))),
            "cast": lambda: run(cast(scaled(300_000, 1_000))),
            "ring": lambda: run(ring(1_000, scaled(200_000))),
            "spawn_stop": lambda: run(spawn_and_stop(scaled(20_000))),
            "restart": lambda: run(restart(scaled(3_000))),
            "flood": lambda: run(flood()),
            "idle_bytes": lambda: run(idle_bytes(Plain)),
            "idle_bytes_async": lambda: run(idle_bytes(Async)),
        }
    )
