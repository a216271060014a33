"""mode-streaming on uvloop: services without mailboxes, so only lives and restarts can be compared.

Its supervisor sleeps up to five seconds when it misses a wake-up, which is then what a restart takes; a few restarts only.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter

import mode
import uvloop
from harness import main, percentiles, rss_bytes, scaled, seconds_each

logging.disable(logging.CRITICAL)
IDLE_ACTORS = 10_000
RESTARTS = 4


class Idle(mode.Service):
    starts = 0

    async def on_start(self) -> None:
        self.starts += 1


async def spawn_stop() -> float:
    count = scaled(2_000)
    start = perf_counter()
    for _ in range(count):
        service = Idle()
        await service.start()
        await service.stop()
    return seconds_each(start, count)


async def restart() -> Mapping[str, float]:
    service = Idle()
    root = mode.OneForOneSupervisor(max_restarts=1_000_000, over=1.0)
    root.add(service)
    await root.start()
    found = []
    for _ in range(RESTARTS):
        before, start = service.starts, perf_counter()
        await service.crash(ValueError("boom"))
        root.wakeup()
        while service.starts == before:
            await asyncio.sleep(0)
        found.append(perf_counter() - start)
    await root.stop()
    return percentiles("restart", found)


async def idle_bytes() -> float:
    before = rss_bytes()
    services = [Idle() for _ in range(IDLE_ACTORS)]
    for service in services:
        await service.start()
    found = (rss_bytes() - before) / IDLE_ACTORS
    for service in services:
        await service.stop()
    return found


def run(work: Callable[[], Coroutine[None, None, object]]) -> Callable[[], object]:
    def measured() -> object:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(asyncio.wait_for(work(), 25))

    return measured


if __name__ == "__main__":
    main({row.__name__: run(row) for row in (spawn_stop, restart, idle_bytes)})
