"""otpylib on uvloop. Its `call` finds servers by name only, so each has one. A `call` to a server that crashes hangs until its time is up, so the crash row calls the successor only."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter

import uvloop
from asyncio_flood import watch_flood
from harness import FLOOD, busy, main, percentiles, rss_bytes, scaled, seconds_each
from otpylib import gen_server, process, supervisor
from otpylib.gen_server.data import NoReply, Reply, Stop
from otpylib.module import GEN_SERVER, SUPERVISOR, OTPModule
from otpylib.runtime import set_runtime
from otpylib.runtime.backends.asyncio_backend.backend import AsyncIOBackend

IDLE_ACTORS = 2_000


class Server(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    served = 0
    """How often it was busy, for the flood: a call beside another would lose its answer, for both share one mailbox."""

    async def init(self, _args: object) -> object:
        return 0

    async def handle_call(self, request: object, _from: object, state: int) -> object:
        return (Reply(payload=state), state)

    async def handle_cast(self, message: object, state: int) -> object:
        match message:
            case "busy":
                busy()
                Server.served += 1
            case "crash":
                raise ValueError("boom")
            case "stop":
                return (Stop(), state)
        return (NoReply(), state)

    async def handle_info(self, _message: object, state: int) -> object:
        return (NoReply(), state)

    async def terminate(self, _reason: object, _state: object) -> None:
        pass


class Hop(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    """Its state: (the next, what is set at the end)."""

    async def init(self, args: object) -> object:
        return args

    async def handle_call(self, request: object, _from: object, state: object) -> object:
        return (Reply(payload=1), request)

    async def handle_cast(self, left: int, state: object) -> object:
        after, done = state
        if left == 0:
            done.set()
        else:
            await gen_server.cast(after, left - 1)
        return (NoReply(), state)

    async def handle_info(self, _message: object, state: object) -> object:
        return (NoReply(), state)

    async def terminate(self, _reason: object, _state: object) -> None:
        pass


class Root(metaclass=OTPModule, behavior=SUPERVISOR, version="1.0.0"):
    async def init(self, _args: object) -> object:
        child = supervisor.child_spec(id="server", module=Server, args=None, name="server")
        return ([child], supervisor.options(max_restarts=1_000_000, max_seconds=1))

    async def terminate(self, _reason: object, _state: object) -> None:
        pass


async def in_process(work: Callable[[], Coroutine[None, None, object]]) -> object:
    """otpylib wants its servers started from within a process of its own."""
    backend = AsyncIOBackend()
    await backend.initialize()
    set_runtime(backend)
    result = asyncio.get_running_loop().create_future()

    async def body() -> None:
        try:
            result.set_result(await work())
        except Exception as error:  # noqa: BLE001 -- handed on
            result.set_exception(error)

    await process.spawn(body, mailbox=True)
    found = await result
    await backend.shutdown()
    return found


def run(work: Callable[[], Coroutine[None, None, object]]) -> Callable[[], object]:
    def measured() -> object:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(in_process(work))

    return measured


async def named(name: str, module: type = Server) -> str:
    await gen_server.start(module, name=name)
    return name


async def call() -> float:
    pid, count = await named("server"), scaled(10_000)
    start = perf_counter()
    for _ in range(count):
        await gen_server.call(pid, "ask")
    return seconds_each(start, count)


async def call_100() -> float:
    pid, each = await named("server"), scaled(100)
    left = [100]
    done = asyncio.Event()

    async def client() -> None:
        for _ in range(each):
            await gen_server.call(pid, "ask")
        left[0] -= 1
        if not left[0]:
            done.set()

    start = perf_counter()
    for _ in range(100):
        await process.spawn(client, mailbox=True)
    await done.wait()
    return seconds_each(start, 100 * each)


async def cast() -> float:
    pid, bursts = await named("server"), scaled(20, 5)
    start = perf_counter()
    for _ in range(bursts):
        for _ in range(1_000):
            await gen_server.cast(pid, 1)
        await gen_server.call(pid, "ask")
    return seconds_each(start, 1_000 * bursts)


async def ring() -> float:
    pids, hops, done = [await named(f"hop {number}", Hop) for number in range(1_000)], scaled(20_000), asyncio.Event()
    for pid, after in zip(pids, [*pids[1:], pids[0]], strict=True):
        await gen_server.call(pid, (after, done))
    start = perf_counter()
    await gen_server.cast(pids[0], hops)
    await done.wait()
    return seconds_each(start, hops)


async def spawn_stop() -> float:
    count = scaled(2_000)
    start = perf_counter()
    for _ in range(count):
        pid = await gen_server.start(Server)
        await gen_server.cast(pid, "stop")
        while process.is_alive(pid):
            await asyncio.sleep(0)
    return seconds_each(start, count)


async def restart() -> Mapping[str, float]:
    await supervisor.start_link(Root)
    found = []
    for _ in range(scaled(300)):
        old, start = process.whereis("server"), perf_counter()
        await gen_server.cast(old, "crash")
        while process.whereis("server") in {old, None}:
            await asyncio.sleep(0)
        await gen_server.call("server", "ask", timeout=5.0)
        found.append(perf_counter() - start)
    return percentiles("restart", found)


async def flood() -> Mapping[str, float]:
    flooded, answering = await named("flooded"), await named("answering")
    count = scaled(FLOOD)
    for _ in range(count):
        await gen_server.cast(flooded, "busy")
    return await watch_flood(lambda: gen_server.call(answering, "ask"), lambda: Server.served >= count)


async def idle_bytes() -> float:
    before = rss_bytes()
    pids = [await named(str(number)) for number in range(IDLE_ACTORS)]
    for pid in pids:
        await gen_server.call(pid, "ask")
    return (rss_bytes() - before) / IDLE_ACTORS


if __name__ == "__main__":
    rows = (call, call_100, cast, ring, spawn_stop, restart, flood, idle_bytes)
    main({row.__name__: run(row) for row in rows})
