"""A runtime on virtual time, its reports recorded, for each test of the library."""

import pytest

from supervisors.runtime import Runtime
from supervisors.testing import Recorder, VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def reports() -> Recorder:
    return Recorder()


@pytest.fixture
async def runtime(clock: VirtualClock, reports: Recorder) -> Runtime:
    return Runtime(clock=clock, reporter=reports)
