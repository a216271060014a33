"""A runtime on virtual time for each test of the library: its reports recorded, and no complaint of the event loop allowed."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from supervisors.runtime import Runtime
from supervisors.testing import Recorder, VirtualClock, settle
from tests.supervisors.family import Tree


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def reports() -> Recorder:
    return Recorder()


@pytest.fixture
async def runtime(clock: VirtualClock, reports: Recorder) -> AsyncIterator[Runtime]:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    yield Runtime(clock=clock, reporter=reports)
    await settle()
    assert complaints == []


@pytest.fixture
def tree(runtime: Runtime) -> partial[Tree]:
    return partial(Tree, runtime)
