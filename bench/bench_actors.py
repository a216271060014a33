"""What an actor costs: calls, casts, hops, lives, restarts and memory, on asyncio's own loop and on uvloop.

    python bench/bench_actors.py [ROUNDS]

Every figure is the median of the rounds (five unless told otherwise); each round measures all rows, so that a machine that
changes its mood changes it for all. Memory is measured in a fresh process, because a heap that was grown before hides what
is taken from it. Absolute figures belong to the machine; only what is compared within one run carries over to another.
"""

import asyncio
import gc
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter

import uvloop

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

IDLE_ACTORS = 100_000
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


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


def quiet(_event: object) -> None:
    """A report costs what its reader makes of it; here nobody reads."""


async def up(runtime: Runtime, instance: Actor, name: str | None = None) -> Process:
    process = await spawn(runtime, instance, name=name)
    assert process is not None
    return process


# What is measured: each returns seconds for one operation


async def call(make: Callable[[], Actor], clients: int, count: int) -> float:
    process = await up(Runtime(reporter=quiet), make())

    async def client() -> None:
        for _ in range(count // clients):
            await process.call(ASK)

    start = perf_counter()
    await asyncio.gather(*[client() for _ in range(clients)])
    return (perf_counter() - start) / count


async def cast(count: int, burst: int = 1_000) -> float:
    """In bursts that the mailbox holds, each followed by a call that waits until it is worked off."""
    process = await up(Runtime(reporter=quiet), Plain())
    start = perf_counter()
    for _ in range(count // burst):
        for _ in range(burst):
            process.cast(1)
        await process.call(ASK)
    return (perf_counter() - start) / count


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
    return (perf_counter() - start) / hops


async def spawn_and_stop(make: Callable[[], Actor], count: int) -> float:
    runtime = Runtime(reporter=quiet)
    start = perf_counter()
    for _ in range(count):
        process = await up(runtime, make())
        await process.stop(SHUTDOWN)
    return (perf_counter() - start) / count


async def crash_to_answer(count: int) -> list[float]:
    """From the message that crashes a supervised actor to the first answer of its successor."""
    runtime = Runtime(reporter=quiet)
    spec = ChildSpec("fragile", actor(Fragile, name="fragile"))
    await up(runtime, Supervisor(Flags(intensity=count, period_s=1e-6), [spec]))
    address, found = runtime.named("fragile"), []
    for _ in range(count):
        start = perf_counter()
        address.cast("crash")
        await _answer(runtime, "fragile")
        found.append(perf_counter() - start)
    return found


async def _answer(runtime: Runtime, name: str) -> None:
    while True:
        try:
            await runtime.named(name).call(ASK)
        except CallExit:
            await runtime.await_name(name, 5.0)
        else:
            return


# Rounds and the table

MICRO = 1e6


def microseconds(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> dict[str, float]:
    """One round on one loop."""

    def run(work: Awaitable[float]) -> float:
        gc.collect()
        with asyncio.Runner(loop_factory=make_loop) as runner:
            return runner.run(work) * MICRO

    with asyncio.Runner(loop_factory=make_loop) as runner:
        restarts = runner.run(crash_to_answer(2_000))
    return {
        "call, plain def": run(call(Plain, 1, 30_000)),
        "call, async def": run(call(Async, 1, 20_000)),
        "call, 100 clients": run(call(Plain, 100, 50_000)),
        "call, 100 clients, async def": run(call(Async, 100, 30_000)),
        "cast": run(cast(100_000)),
        "hop in a ring of 1,000": run(ring(1_000, 100_000)),
        "spawn + stop": run(spawn_and_stop(Plain, 10_000)),
        "crash → answering, p50": median(restarts) * MICRO,
        "crash → answering, p99": quantiles(restarts, n=100)[98] * MICRO,
    }


async def _idle_bytes(make: Callable[[], Actor], touch: bool) -> float:
    runtime = Runtime(reporter=quiet)
    gc.collect()
    gc.disable()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processes = [await up(runtime, make()) for _ in range(IDLE_ACTORS)]
    if touch:
        for process in processes:
            await process.call(ASK)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / IDLE_ACTORS


def idle_bytes(kind: str) -> float:
    """Of an actor that waits for its first message (`Plain`), or that has a parked worker (`Async`)."""
    answer = subprocess.run([sys.executable, __file__, "--idle", kind], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def main(rounds: int) -> None:
    columns: dict[str, dict[str, float]] = {}
    for name, make_loop in LOOPS.items():
        measured = [microseconds(make_loop) for _ in range(rounds)]
        columns[name] = {row: median(each[row] for each in measured) for row in measured[0]}
    sys.stdout.write(f"{'µs, median of ' + str(rounds):<32}" + "".join(f"{name:>12}" for name in columns) + "\n")
    for row in columns["asyncio"]:
        sys.stdout.write(f"{row:<32}" + "".join(f"{column[row]:>12.2f}" for column in columns.values()) + "\n")
    for kind in ("Plain", "Async"):
        figure = median(idle_bytes(kind) for _ in range(min(rounds, 3)))
        sys.stdout.write(f"bytes per idle actor, {kind.lower():<10}{figure:>12,.0f}   (of {IDLE_ACTORS:,})\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--idle"]:
        makers: dict[str, Callable[[], Actor]] = {"Plain": Plain, "Async": Async}
        wanted = sys.argv[2]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as idle_runner:
            sys.stdout.write(str(idle_runner.run(_idle_bytes(makers[wanted], touch=wanted == "Async"))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
