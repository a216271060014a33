"""xoscar on uvloop: one pool, all actors in this process. It restarts pools, not actors: no row for a crash."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter
from typing import ClassVar

import uvloop
import xoscar
from asyncio_flood import watch_flood
from harness import FLOOD, busy, main, rss_bytes, scaled, seconds_each

IDLE_ACTORS = 10_000
ADDRESS = "127.0.0.1"


class Server(xoscar.Actor):
    def __init__(self) -> None:
        self.count = 0

    def ask(self) -> int:
        return 1

    def nothing(self, _message: object) -> None:
        pass

    def busy(self) -> None:
        busy()
        self.count += 1

    def served(self) -> int:
        return self.count


class Hop(xoscar.Actor):
    done: ClassVar[asyncio.Event]
    """Set when the token has made its hops; not handed over in a message, which would copy it."""

    def __init__(self) -> None:
        self.after = None

    def link(self, after: object) -> None:
        self.after = after

    async def token(self, left: int) -> None:
        if left == 0:
            self.done.set()
        else:
            await self.after.token.tell(left - 1)


async def in_pool(work: Callable[[str], Coroutine[None, None, object]]) -> object:
    pool = await xoscar.create_actor_pool(address=ADDRESS, n_process=0)
    async with pool:
        return await work(pool.external_address)


def run(work: Callable[[str], Coroutine[None, None, object]]) -> object:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(in_pool(work))


async def calls(address: str, clients: int, count: int) -> float:
    ref = await xoscar.create_actor(Server, address=address)

    async def client() -> None:
        for _ in range(count // clients):
            await ref.ask()

    start = perf_counter()
    await asyncio.gather(*[client() for _ in range(clients)])
    return seconds_each(start, count // clients * clients)


async def cast(address: str) -> float:
    ref, bursts = await xoscar.create_actor(Server, address=address), scaled(10, 5)
    start = perf_counter()
    for _ in range(bursts):
        for _ in range(1_000):
            await ref.nothing.tell(1)
        await ref.ask()
    return seconds_each(start, 1_000 * bursts)


async def ring(address: str) -> float:
    refs, hops = [await xoscar.create_actor(Hop, address=address) for _ in range(1_000)], scaled(10_000)
    Hop.done = asyncio.Event()
    for ref, after in zip(refs, [*refs[1:], refs[0]], strict=True):
        await ref.link(after)
    start = perf_counter()
    await refs[0].token.tell(hops)
    await Hop.done.wait()
    return seconds_each(start, hops)


async def spawn_stop(address: str) -> float:
    count = scaled(3_000)
    start = perf_counter()
    for _ in range(count):
        await xoscar.destroy_actor(await xoscar.create_actor(Server, address=address))
    return seconds_each(start, count)


async def flood(address: str) -> Mapping[str, float]:
    flooded = await xoscar.create_actor(Server, address=address)
    answering = await xoscar.create_actor(Server, address=address)
    for _ in range(scaled(FLOOD)):
        await flooded.busy.tell()
    over = asyncio.ensure_future(_served(flooded))
    return await watch_flood(answering.ask, over.done)


async def _served(ref: object) -> int:
    """A call waits behind the flood."""
    return await ref.served()


async def idle_bytes(address: str) -> float:
    before = rss_bytes()
    refs = [await xoscar.create_actor(Server, address=address) for _ in range(IDLE_ACTORS)]
    for ref in refs:
        await ref.ask()
    return (rss_bytes() - before) / IDLE_ACTORS


if __name__ == "__main__":
    main(
        {
            "call": lambda: run(lambda address: calls(address, 1, scaled(10_000))),
            "call_100": lambda: run(lambda address: calls(address, 100, scaled(10_000, 100))),
            "cast": lambda: run(cast),
            "ring": lambda: run(ring),
            "spawn_stop": lambda: run(spawn_stop),
            "flood": lambda: run(flood),
            "idle_bytes": lambda: run(idle_bytes),
        }
    )
