"""What the tasks of group P do, and who has it done."""

import asyncio

import pytest

from supervisors import Actor, CallExit, ExitWith
from supervisors.task import Ok


async def done():
    return "done"


async def boom():
    raise ValueError("boom")


async def forever():
    await asyncio.Event().wait()


async def leave(reason):
    """`exit(Reason)`."""
    raise ExitWith(reason)


async def deaf():
    """Traps exits, in Elixir's words: takes no notice of the first request to end."""
    try:
        await forever()
    except asyncio.CancelledError:
        await forever()


async def nap(runtime, seconds, value=None):
    """Sleep on the runtime's clock, then return `value`."""
    woken = runtime.loop.create_future()
    timer = runtime.call_later(seconds, lambda: woken.done() or woken.set_result(None))
    try:
        await woken
    finally:
        timer.cancel()
    return value


async def exit_of(awaitable):
    """The reason an await fails for."""
    with pytest.raises(CallExit) as caught:
        await awaitable
    return caught.value.reason


async def collect(stream):
    return [outcome async for outcome in stream]


def oks(*values):
    return [Ok(value) for value in values]


class Boss(Actor):
    """Runs the coroutine functions it is called with; notes what else it is told."""

    trap_exit = True

    def init(self):
        self.inbox = []

    async def handle_call(self, request, from_):
        return await request()

    def handle_info(self, message):
        self.inbox.append(message)


class Mortal(Boss):
    """One that ends with what it is linked to."""

    trap_exit = False
