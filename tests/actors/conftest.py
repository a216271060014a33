"""`start` starts a whole tree over twins; all that a test started are taken down after it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.actors.system import System

Start = Callable[..., Awaitable[System]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    systems: list[System] = []

    async def start_one(**options: object) -> System:
        system = await System.start(**options)
        systems.append(system)
        return system

    yield start_one
    for system in systems:
        await system.stop()


@pytest.fixture
async def system(start: Start) -> System:
    return await start()
