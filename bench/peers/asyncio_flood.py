"""One actor is flooded, another is called meanwhile, and the event loop is watched: for every peer that runs on asyncio."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from harness import percentiles

__all__ = ["watch_flood"]

MOST_CALLS = 50_000


async def watch_flood(call: Callable[[], Awaitable[object]], is_over: Callable[[], bool]) -> Mapping[str, float]:
    """Call until the flood is over; `flood_p99` of the calls, `lag_p99` of the passes of the loop."""
    lags: list[float] = []
    watching = asyncio.ensure_future(_watch_loop(lags))
    calls: list[float] = []
    while not is_over() and len(calls) < MOST_CALLS:
        start = perf_counter()
        await call()
        calls.append(perf_counter() - start)
    while not is_over():
        await asyncio.sleep(0)
    watching.cancel()
    return {**percentiles("flood", calls), **percentiles("lag", lags or [0.0])}


async def _watch_loop(lags: list[float]) -> None:
    """How long a callback that is due waits: what a timer or a socket sees."""
    while True:
        start = perf_counter()
        await asyncio.sleep(0)
        lags.append(perf_counter() - start)
