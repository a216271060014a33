"""The same scripts played on real Erlang/OTP and on ours: the traces agree event by event.

A trace holds every start, failed start and `terminate` in the order they happened, the reports of supervisors, the answers
to requests, and after each step who died of what and which children there are. One run of `erl` plays all scenarios.
OTP 25 leaves the exit of a failed start in the mailbox of the starter, where a supervisor ignores it: no event shows it.
"""

import pytest

from tests.conformance.erlang import ours, theirs
from tests.conformance.erlang.scenarios import SCENARIOS
from tests.conformance.erlang.script import Scenario

pytestmark = pytest.mark.skipif(bool(theirs.why_not()), reason=theirs.why_not() or "there is a real Erlang")


@pytest.fixture(scope="session")
def erlang(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return theirs.play(SCENARIOS, tmp_path_factory.mktemp("erlang"))


BYSTANDERS = ("down ", "exit ", "heard ", "result ")


def comparable(trace: list[str]) -> list[list[str]]:
    """By step: what supervisors and children did, then what bystanders heard of it.

    Whether a caller or the supervisor hears first of a death is up to the scheduler; each keeps an order of its own.
    """
    steps: list[tuple[list[str], list[str]]] = [([], [])]
    for line in trace:
        if line == "step":
            steps.append(([], []))
        else:
            steps[-1][line.startswith(BYSTANDERS)].append(line)
    return [[*done, *heard] for done, heard in steps]


def marked(scenario: Scenario):
    marks = [pytest.mark.xfail(reason=scenario.differs, strict=scenario.strict)] if scenario.differs else []
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [marked(scenario) for scenario in SCENARIOS])
async def test_r16_a_scenario_leaves_the_trace_it_leaves_in_erlang(scenario: Scenario, erlang: dict[str, list[str]]):
    assert comparable(await ours.play(scenario)) == comparable(erlang[scenario.name])


def test_r16_every_scenario_has_a_name_of_its_own():
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
