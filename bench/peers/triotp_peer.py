"""triotp on trio. Its mailboxes hold nothing: a cast waits until it is taken, so a flood is a crowd of waiting senders."""

import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from time import perf_counter
from types import ModuleType

import trio
import trio.lowlevel
from harness import busy, main, percentiles, rss_bytes, scaled, seconds_each
from logbook import NullHandler
from triotp import gen_server, mailbox, supervisor

IDLE_ACTORS = 5_000
FLOODERS = 100
server = sys.modules[__name__]

# The callbacks of the server, which to triotp is a module


async def init(argument: object) -> object:
    return {"served": 0, "after": argument}


async def handle_call(_message: object, _caller: object, state: dict) -> object:
    return (gen_server.Reply(payload=1), state)


async def handle_cast(message: object, state: dict) -> object:
    match message:
        case "busy":
            busy()
        case "crash":
            raise ValueError("boom")
        case "stop":
            return (gen_server.Stop(), state)
    return (gen_server.NoReply(), state)


hop = ModuleType("hop")


async def _hop_cast(left: int, after: object) -> object:
    name, done = after
    if left == 0:
        done.set()
    else:
        await gen_server.cast(name, left - 1)
    return (gen_server.NoReply(), after)


async def _hop_init(after: object) -> object:
    return after


hop.init, hop.handle_cast = _hop_init, _hop_cast


def run(work: Callable[[trio.Nursery], Coroutine[None, None, object]]) -> Callable[[], object]:
    async def in_nursery() -> object:
        mailbox._init()  # noqa: SLF001 -- what `triotp.node.run` does, but for its logging and its application
        async with trio.open_nursery() as nursery:
            found = await work(nursery)
            nursery.cancel_scope.cancel()
        return found

    def measured() -> object:
        with NullHandler().applicationbound():
            return trio.run(in_nursery)

    return measured


async def up(nursery: trio.Nursery, name: str, module: ModuleType = server, argument: object = None) -> str:
    nursery.start_soon(gen_server.start, module, argument, name)
    await available(name)
    return name


async def available(name: str) -> None:
    while mailbox._resolve(name) is None:  # noqa: SLF001 -- there is no other way to see that a server is up
        await trio.lowlevel.checkpoint()


async def call(nursery: trio.Nursery) -> float:
    name, count = await up(nursery, "server"), scaled(5_000)
    start = perf_counter()
    for _ in range(count):
        await gen_server.call(name, "ask")
    return seconds_each(start, count)


async def call_100(nursery: trio.Nursery) -> float:
    name, each = await up(nursery, "server"), scaled(50)

    async def client() -> None:
        for _ in range(each):
            await gen_server.call(name, "ask")

    start = perf_counter()
    async with trio.open_nursery() as clients:
        for _ in range(100):
            clients.start_soon(client)
    return seconds_each(start, 100 * each)


async def cast(nursery: trio.Nursery) -> float:
    name, count = await up(nursery, "server"), scaled(20_000)
    start = perf_counter()
    for _ in range(count):
        await gen_server.cast(name, 1)
    await gen_server.call(name, "ask")
    return seconds_each(start, count)


async def ring(nursery: trio.Nursery) -> float:
    hops, done = scaled(20_000), trio.Event()
    for number in range(1_000):
        await up(nursery, str(number), hop, (str((number + 1) % 1_000), done))
    start = perf_counter()
    await gen_server.cast("0", hops)
    await done.wait()
    return seconds_each(start, hops)


async def spawn_stop(nursery: trio.Nursery) -> float:
    count = scaled(1_000)
    start = perf_counter()
    for _ in range(count):
        await up(nursery, "server")
        await gen_server.cast("server", "stop")
        while mailbox._resolve("server") is not None:  # noqa: SLF001
            await trio.lowlevel.checkpoint()
    return seconds_each(start, count)


async def restart(nursery: trio.Nursery) -> Mapping[str, float]:
    child = supervisor.child_spec(id="server", task=gen_server.start, args=[server, None, "server"])
    options = supervisor.options(max_restarts=1_000_000, max_seconds=1)
    nursery.start_soon(supervisor.start, [child], options)
    await available("server")
    found = []
    for _ in range(scaled(300)):
        start = perf_counter()
        await gen_server.cast("server", "crash")
        await _answer()
        found.append(perf_counter() - start)
    return percentiles("restart", found)


async def _answer() -> None:
    while True:
        with suppress(
            mailbox.MailboxDoesNotExist, trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError
        ):
            await gen_server.call("server", "ask", timeout=0.05)
            return
        await trio.lowlevel.checkpoint()


async def flood(nursery: trio.Nursery) -> Mapping[str, float]:
    await up(nursery, "flooded")
    await up(nursery, "answering")
    each, left = scaled(50, 5), [FLOODERS]

    async def flooder() -> None:
        for _ in range(each):
            await gen_server.cast("flooded", "busy")
        left[0] -= 1

    for _ in range(FLOODERS):
        nursery.start_soon(flooder)
    calls, lags = [], []
    nursery.start_soon(_watch_loop, lags)
    while left[0]:
        start = perf_counter()
        await gen_server.call("answering", "ask")
        calls.append(perf_counter() - start)
    return {**percentiles("flood", calls), **percentiles("lag", lags)}


async def _watch_loop(lags: list[float]) -> None:
    while True:
        start = perf_counter()
        await trio.lowlevel.checkpoint()
        lags.append(perf_counter() - start)


async def idle_bytes(nursery: trio.Nursery) -> float:
    before = rss_bytes()
    for number in range(IDLE_ACTORS):
        await gen_server.call(await up(nursery, str(number)), "ask")
    return (rss_bytes() - before) / IDLE_ACTORS


if __name__ == "__main__":
    rows = (call, call_100, cast, ring, spawn_stop, restart, flood, idle_bytes)
    main({row.__name__: run(row) for row in rows})
