"""What each promise of ours costs: the same call or cast with one thing switched on, in seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter

from harness import main, scaled, seconds_each
from ours import ASK, Async, Plain, quiet, run, up

from supervisors import From, Overflow, Process, Runtime, sys

__all__: list[str] = []

Each = Callable[[Process], Awaitable[object]]


class Caller(Plain):
    """Calls from inside of a process: the caller is known, so that a cycle would be found."""

    def __init__(self, other: Process, count: int) -> None:
        self.other, self.count = other, count

    async def handle_call(self, request: object, from_: From) -> float:
        start = perf_counter()
        for _ in range(self.count):
            await self.other.call(ASK)
        return seconds_each(start, self.count)


class Dropping(Plain):
    mailbox_capacity = 100
    mailbox_overflow = Overflow.DROP_OLDEST


async def repeated(
    each: Each, count: int, prepare: Each | None = None, make: Callable[[], Plain | Async] = Plain
) -> float:
    process = await up(Runtime(reporter=quiet), make())
    if prepare is not None:
        await prepare(process)
    start = perf_counter()
    for _ in range(count):
        await each(process)
    return seconds_each(start, count)


def calls(prepare: Each | None = None, **more: object) -> float:
    return run(repeated(lambda process: process.call(ASK, **more), scaled(50_000), prepare))


async def behind_a_cast(process: Process) -> None:
    """The mailbox is not empty, so that the call goes through it and through the loop."""
    process.cast(1)
    await process.call(ASK)


async def monitored(process: Process) -> None:
    await process.call(ASK)
    process.demonitor(process.monitor(process))


async def from_within(count: int) -> float:
    runtime = Runtime(reporter=quiet)
    caller = await up(runtime, Caller(await up(runtime, Plain()), count))
    return await caller.call(ASK, None)


async def burst(make: Callable[[], Plain], count: int, size: int = 1_000) -> float:
    process = await up(Runtime(reporter=quiet), make())
    start = perf_counter()
    for _ in range(count // size):
        for _ in range(size):
            process.cast(1)
        await asyncio.sleep(0)
    return seconds_each(start, count)


class Bare:
    """The least between a crash and the answer of a successor: no mailbox, link, report, name or limit of restarts."""

    def __init__(self) -> None:
        self.server: Plain | None = Plain()
        self.waiting: list[asyncio.Future[None]] = []

    def call(self, message: str) -> "asyncio.Future[str]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        loop.call_soon(self._serve, message, answer)
        return answer

    def _serve(self, message: str, answer: "asyncio.Future[str]") -> None:
        try:
            answer.set_result(self._handle(message))
        except ValueError as error:
            answer.set_exception(error)
            self.server = None
            asyncio.get_running_loop().call_soon(self._restart)

    def _handle(self, message: str) -> str:
        if message == "crash":
            raise ValueError(message)
        return message

    def _restart(self) -> None:
        self.server = Plain()
        for each in self.waiting:
            each.set_result(None)
        self.waiting.clear()

    async def restarted(self) -> None:
        if self.server is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(waiter)
            await waiter


async def bare_restarts(count: int) -> float:
    bare = Bare()
    start = perf_counter()
    for _ in range(count):
        with suppress(ValueError):
            await bare.call("crash")
        await bare.restarted()
        await bare.call("answer")
    return seconds_each(start, count)


if __name__ == "__main__":
    main(
        {
            "cost_call": calls,
            "cost_no_timeout": lambda: calls(timeout_s=None),
            "cost_from_within": lambda: run(from_within(scaled(50_000))),
            "cost_through_loop": lambda: run(repeated(behind_a_cast, scaled(20_000))),
            "cost_monitor": lambda: run(repeated(monitored, scaled(20_000))),
            "cost_log": lambda: calls(sys.log),
            "cost_statistics": lambda: calls(lambda process: sys.statistics(process, True)),
            "cost_trace": lambda: calls(sys.trace),
            "cost_cast": lambda: run(burst(Plain, scaled(200_000, 1_000))),
            "cost_cast_full": lambda: run(burst(Dropping, scaled(200_000, 1_000))),
            "cost_bare_restart": lambda: run(bare_restarts(scaled(20_000))),
        }
    )
