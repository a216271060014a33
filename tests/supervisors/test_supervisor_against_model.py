"""A real supervisor on virtual time against the pure model, under random events that arrive together.

Events of one batch are posted before the supervisor gets a turn: simultaneous deaths in any order, administration that meets
restarts under way, starts that fail or are ignored. Afterwards order of starts and stops, answers, states and budget must agree.
"""

import asyncio
import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from supervisors import (
    NORMAL,
    SHUTDOWN,
    CallExit,
    ChildSpec,
    Custom,
    Flags,
    Process,
    Restart,
    Runtime,
    Shutdown,
    Strategy,
)
from supervisors.admin import AlreadyStarted, Answer, Counts, SpecRefused, StartFailed
from supervisors.exits import is_abnormal
from supervisors.flags import AutoShutdown
from supervisors.spec import Started
from supervisors.supervisor import CountChildren, DeleteChild, RestartChild, StartChild, TerminateChild, WhichChildren
from supervisors.testing import Recorder, VirtualClock, settle
from tests.supervisors.family import Tree
from tests.supervisors.supervisor_model import Asked, Model, Row

IDS = "abcdef"
Kind = tuple[Restart, bool]  # and whether it is significant
REASONS = [NORMAL, SHUTDOWN, Shutdown("done"), Custom("crash")]

ids = st.sampled_from(IDS)
kinds = st.tuples(st.sampled_from(Restart), st.booleans()).map(
    lambda kind: (kind[0], kind[1] and kind[0] is not Restart.PERMANENT)
)
events = st.one_of(
    st.tuples(st.just("dies"), ids, st.sampled_from(REASONS)),
    st.tuples(st.just("dies"), ids, st.just(Custom("crash"))),
    st.tuples(st.sampled_from(["refuse", "skip"]), ids, st.integers(1, 3)),
    st.tuples(st.sampled_from(["terminate", "restart", "delete"]), ids, st.none()),
    st.tuples(st.just("start"), ids, kinds),
    st.tuples(st.sampled_from(["which", "count"]), st.just(""), st.none()),
)


class SupervisorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def teardown(self) -> None:
        self.runner.close()

    @initialize(
        strategy=st.sampled_from(Strategy),
        intensity=st.integers(0, 5),
        auto_shutdown=st.sampled_from(AutoShutdown),
        children=st.lists(kinds, min_size=0, max_size=4),
    )
    def start(self, strategy: Strategy, intensity: int, auto_shutdown: AutoShutdown, children: list[Kind]) -> None:
        self.model = Model(strategy, intensity, 10.0, auto_shutdown)
        if auto_shutdown is AutoShutdown.NEVER:
            children = [(restart, False) for restart, _ in children]
        for child_id, (restart, significant) in zip(IDS, children, strict=False):
            row = Row(child_id, restart, significant=significant)
            self.model.rows.append(row)
            self.model._start(row)
        self.runner.run(self._start(Flags(strategy, intensity, 10.0, auto_shutdown), children))

    async def _start(self, flags: Flags, children: list[Kind]) -> None:
        self.clock = VirtualClock()
        self.runtime = Runtime(clock=self.clock, reporter=Recorder())
        self.tree = Tree(self.runtime, flags)
        await self.tree.start(*(self._child(id_, kind) for id_, kind in zip(IDS, children, strict=False)))
        self.root: Process = self.tree.root

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 10.5]))
    def time_passes(self, seconds: float) -> None:
        self.runner.run(self.clock.advance(seconds))

    @rule(batch=st.lists(events, min_size=1, max_size=5))
    def happen(self, batch: list[tuple[str, str, object]]) -> None:
        if self.model.is_alive:
            self.runner.run(self._happen(batch))

    async def _happen(self, batch: list[tuple[str, str, object]]) -> None:
        calls = [call for event in batch if (call := self._post(*event)) is not None]
        self.model.run(self.clock.monotonic())
        while self.root.queued or self.root.running_task() or not all(call.done() for call in calls):
            await settle()
        await settle()
        assert [_plain(call) for call in calls] == self.model.answers
        self.model.answers.clear()

    def _post(self, verb: str, child_id: str, detail: object) -> "asyncio.Future[object] | None":
        if verb in {"refuse", "skip"}:
            self._plan(verb, child_id, detail)
        elif verb == "dies":
            if self.model.dies(child_id, is_abnormal=is_abnormal(detail)):
                self.tree.process(child_id).die(detail)
        else:
            kind = detail if isinstance(detail, tuple) else (Restart.PERMANENT, False)
            self.model.mailbox.append(Asked(verb, child_id, *kind))
            return self.root.post_call(self._request(verb, child_id, kind), None)
        return None

    def _child(self, child_id: str, kind: Kind) -> ChildSpec:
        return self.tree.child(child_id, restart=kind[0], significant=kind[1])

    def _plan(self, verb: str, child_id: str, times: object) -> None:
        ours, theirs = self.tree.plan, self.model
        pair = (ours.refusals, theirs.refusals) if verb == "refuse" else (ours.absences, theirs.absences)
        for counter in pair:
            counter[child_id] = times

    def _request(self, verb: str, child_id: str, kind: Kind) -> object:
        match verb:
            case "start":
                return StartChild(self._child(child_id, kind))
            case "terminate":
                return TerminateChild(child_id)
            case "restart":
                return RestartChild(child_id)
            case "delete":
                return DeleteChild(child_id)
            case "which":
                return WhichChildren()
            case _:
                return CountChildren()

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "root"):
            return
        assert self.tree.diary == self.model.trace
        assert self.root.alive is self.model.is_alive
        if not self.model.is_alive:
            assert self.root.exit_reason == SHUTDOWN
            assert self.runtime.processes == {}
            return
        supervisor = self.root.instance
        states = [(child.spec.id, _state(child.info())) for child in supervisor._children]
        assert states == [(row.id, row.status) for row in self.model.rows]
        assert sorted(supervisor._window.restarts) == sorted(self.model.restarts)


def _state(info) -> str:
    return "restarting" if info.restarting else "running" if info.process else "undefined"


def _plain(call: "asyncio.Future[object]") -> object:
    """An answer in the words of the model."""
    answer: object = "exit"
    with suppress(CallExit):
        answer = call.result()
    match answer:
        case Started():
            return "started"
        case AlreadyStarted():
            return "already_started"
        case StartFailed(Custom(term)):
            return term
        case SpecRefused(code):
            return code
        case Answer():
            return str(answer)
        case tuple():
            return [(info.id, _state(info)) for info in answer]
        case Counts():
            return (answer.specs, answer.active)
        case _:
            return answer


@pytest.mark.parametrize(
    "examples",
    [
        60,
        pytest.param(
            10_000, marks=[pytest.mark.slow, pytest.mark.skipif("SLOW_TESTS" not in os.environ, reason="takes minutes")]
        ),
    ],
)
@pytest.mark.timeout(3_600)
def test_a_supervisor_does_what_the_model_of_otp_does(examples):
    thorough = settings(
        max_examples=examples,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    run_state_machine_as_test(SupervisorMachine, settings=thorough)
