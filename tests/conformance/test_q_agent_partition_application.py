"""Group Q: Agent, PartitionSupervisor (cases of Elixir's suites), and the end of a program."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    BadSpec,
    CallExit,
    ChildSpec,
    ChildType,
    DynamicSupervisor,
    Error,
    Restart,
    Shutdown,
    Supervisor,
    actor,
    spawn,
)
from supervisors.agent import Agent
from supervisors.dynamic import ListChildren, StartDynamic
from supervisors.exits import NOPROC
from supervisors.flags import AutoShutdown, Flags
from supervisors.partition import Partitions, PartitionSupervisor, UnknownPartitions, partition_of
from supervisors.registry import Registry
from supervisors.testing import settle
from tests.supervisors.family import Child, Plan
from tests.supervisors.scripted import Ask, Scripted, boom, started

ROOT = Path(__file__).parents[2]


async def under_root(runtime, *children, **flags):
    return await spawn(runtime, Supervisor(Flags(**flags), children), name="root")


def me(n):
    return n


# Agent


async def test_q01_an_agent_is_supervised_and_its_value_ends_with_its_life(runtime):
    await under_root(runtime, Agent.spec("counter", lambda: 0, name="counter"))
    counter = Agent[int](runtime.named("counter"))
    await counter.update(lambda n: n + 1)
    with pytest.raises(CallExit) as crash:
        await counter.get(boom)
    await settle()

    assert isinstance(crash.value.reason, Error)
    assert await counter.get(me) == 0


def test_q02_the_child_specification_has_the_defaults_of_otp():
    spec = Agent.spec("counter", lambda: 0)

    assert (spec.id, spec.restart, spec.patience_s, spec.type) == ("counter", Restart.PERMANENT, 5.0, ChildType.WORKER)


def test_q03_restart_and_shutdown_can_be_chosen():
    spec = Agent.spec("id", lambda: 0, restart=Restart.TEMPORARY, shutdown_s=float("inf"))

    assert (spec.id, spec.restart, spec.patience_s) == ("id", Restart.TEMPORARY, float("inf"))


async def test_q04_an_agent_without_a_name_from_start_to_stop(runtime):
    agent = await Agent[dict[str, str]].start(runtime, dict)
    await agent.update(lambda d: d | {"hello": "world"})
    assert await agent.get(lambda d: d.get("hello"), 3.0) == "world"
    assert await agent.get_and_update(lambda d: (d["hello"], {}), 3.0) == "world"
    assert await agent.get(me) == {}
    await agent.stop()

    assert (agent.address.alive, agent.address.exit_reason) == (False, NORMAL)


async def test_q04_an_agent_started_with_a_link_ends_with_who_started_it(runtime):
    async def start(_self, _from):
        return await Agent.start_link(runtime, lambda: 0)

    owner = await started(runtime, Scripted())
    agent = await owner.call(Ask(start))
    assert agent.address in owner._links
    owner.exit(KILLED)

    assert agent.address.exit_reason == KILLED


async def test_q05_an_agent_under_a_name_from_start_to_stop(runtime):
    started_agent = await Agent.start(runtime, dict, name="agent")
    agent = Agent[dict[str, str]](runtime.named("agent"))
    assert agent.cast(lambda d: d | {"hello": "world"})
    assert await agent.get(lambda d: d["hello"]) == "world"
    await agent.stop(Shutdown("done"))

    assert (runtime.whereis("agent"), started_agent.address.exit_reason) == (None, Shutdown("done"))
    assert not agent.cast(me)
    with pytest.raises(CallExit) as gone:
        await agent.stop()
    assert gone.value.reason == NOPROC


# PartitionSupervisor


def numbered(index: int) -> ChildSpec:
    return Agent.spec("agent", lambda: index)


async def buckets(runtime, child=numbered, **more) -> Partitions:
    await under_root(runtime, PartitionSupervisor.spec("buckets", child, **more))
    return Partitions(runtime.named("buckets"))


async def reached(partitions, keys):
    return [await Agent[int](partitions.via(key)).get(me) for key in keys]


def test_q06_the_id_is_the_name():
    assert PartitionSupervisor.spec("buckets", numbered).id == "buckets"


def test_q07_the_id_can_be_chosen_and_the_child_is_a_supervisor():
    spec = PartitionSupervisor.spec("buckets", numbered, id="b", restart=Restart.TRANSIENT)

    assert spec.id == "b"
    assert (spec.type, spec.restart, spec.patience_s) == (ChildType.SUPERVISOR, Restart.TRANSIENT, float("inf"))


async def test_q08_children_started_by_key_are_spread_over_a_partition_for_each_processor(runtime):
    dynamic = ChildSpec("dynamic", actor(DynamicSupervisor), type=ChildType.SUPERVISOR)
    partitions = await buckets(runtime, dynamic)
    assert partitions.partitions == os.cpu_count()
    keys = [f"key {n}" for n in range(100)]
    for key in keys:
        await partitions.via(key).call(StartDynamic(Agent.spec(key, partial(str, key))))

    found = [
        await Agent[str](child.process).get(me)
        for row in await partitions.which_children()
        for child in await row.process.call(ListChildren())
    ]
    assert sorted(found) == sorted(keys)


class Keyed(PartitionSupervisor):
    async def init(self):
        Registry(self.runtime, "registry").register("buckets", None)
        return await super().init()


async def test_q09_a_partition_supervisor_may_be_found_by_a_key_of_a_registry(runtime):
    await under_root(runtime, Registry.spec("registry"))
    await spawn(runtime, Keyed(numbered, partitions=2))
    partitions = Partitions(Registry(runtime, "registry").via("buckets"))

    assert partitions.partitions == 2
    assert await reached(partitions, [0, 1, 2]) == [0, 1, 0]


async def test_q10_each_partition_is_made_for_its_number_and_integers_go_round(runtime):
    partitions = await buckets(runtime, partitions=3)

    assert await reached(partitions, [0, 1, 2, 3, -1]) == [0, 1, 2, 0, 1]


def test_q11_a_name_is_needed():
    with pytest.raises(BadSpec, match="to have a name"):
        PartitionSupervisor.spec("", numbered)


def refused(child) -> str:
    with pytest.raises(BadSpec, match="expected a ChildSpec or a function of the partition, got: ") as bad:
        PartitionSupervisor.spec("buckets", child)
    return bad.value.code


def test_q12_a_child_is_needed():
    assert refused(None) == "invalid_child_spec"


@pytest.mark.parametrize("child", [123, lambda index: 123])
def test_q14_what_makes_the_children_is_a_specification_or_a_function_that_returns_one(child):
    assert refused(child) == "invalid_child_spec"


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2"])
def test_q13_partitions_are_a_positive_integer(number):
    with pytest.raises(BadSpec, match="positive integer, got: ") as bad:
        PartitionSupervisor.spec("buckets", numbered, partitions=number)

    assert bad.value.code == "invalid_partitions"


def test_q15_a_partition_that_ends_must_not_end_the_others():
    with pytest.raises(BadSpec, match=r"expected auto_shutdown .* to be never, got: any_significant"):
        PartitionSupervisor.spec("buckets", numbered, flags=Flags(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))


async def test_a_key_leads_to_the_successor_when_its_partition_has_crashed(runtime):
    partitions = await buckets(runtime, partitions=2)
    key = partitions.via(1)
    old = key.target()
    old.exit(KILLED)
    assert not key.alive
    await settle()

    assert key.target() is not old
    assert await Agent[int](key).get(me) == 1


async def test_nobody_is_behind_the_keys_of_an_unknown_name(runtime):
    with pytest.raises(CallExit) as nobody:
        await Partitions(runtime.named("nowhere")).via(0).call(Ask(None))

    assert nobody.value.reason == NOPROC


async def test_q16_a_stop_is_over_when_all_partitions_have_ended(runtime):
    process = await spawn(runtime, PartitionSupervisor(numbered, partitions=2), name="buckets")
    partitions = Partitions(runtime.named("buckets"))
    children = [row.process for row in await partitions.which_children()]
    await Agent(runtime.named("buckets")).stop(SHUTDOWN)

    assert (runtime.whereis("buckets"), process.exit_reason) == (None, SHUTDOWN)
    assert [child.exit_reason for child in children] == [SHUTDOWN, SHUTDOWN]


async def test_q17_partitions_are_stopped_in_reverse(runtime):
    diary: list[str] = []

    def child(index: int) -> ChildSpec:
        return ChildSpec("child", actor(partial(Child, diary, str(index), Plan())))

    process = await spawn(runtime, PartitionSupervisor(child, partitions=3))
    process.request_stop(SHUTDOWN)
    await process.ended()

    assert diary == ["+0", "+1", "+2", "-2", "-1", "-0"]


async def test_q18_partitions_of_an_unknown_name_name_it(runtime):
    nowhere = Partitions(runtime.named("nowhere"))
    with pytest.raises(UnknownPartitions, match="unknown name nowhere"):
        _ = nowhere.partitions
    with pytest.raises(UnknownPartitions):
        await nowhere.count_children()


async def test_q19_after_shrinking_keys_lead_to_the_partitions_left(runtime):
    partitions = await buckets(runtime, partitions=4)
    ended = [partitions.via(n).target() for n in (2, 3)]
    assert await partitions.resize(2) == 4

    assert partitions.partitions == 2
    assert await reached(partitions, range(4)) == [0, 1, 0, 1]
    assert [process.exit_reason for process in ended] == [SHUTDOWN, SHUTDOWN]


async def test_q20_after_growing_back_keys_lead_to_all_partitions_again(runtime):
    partitions = await buckets(runtime, partitions=4)
    await partitions.resize(1)
    await Agent[int](partitions.via(0)).update(lambda _: 7)
    assert await partitions.resize(4) == 1

    assert await reached(partitions, range(4)) == [7, 1, 2, 3]
    counts = await partitions.count_children()
    assert (counts.specs, counts.active) == (4, 4)


@pytest.mark.parametrize(("number", "words"), [(3, "at most 2"), (0, "positive integer")])
async def test_q21_a_number_out_of_range_changes_nothing(runtime, number, words):
    partitions = await buckets(runtime, partitions=2)
    with pytest.raises(BadSpec, match=words):
        await partitions.resize(number)

    assert await reached(partitions, range(3)) == [0, 1, 0]


async def test_q22_all_partitions_are_listed_by_number(runtime):
    partitions = await buckets(runtime, partitions=3)
    rows = sorted(await partitions.which_children(), key=lambda row: row.id)

    assert [(row.id, row.process) for row in rows] == [(str(n), partitions.via(n).target()) for n in range(3)]
    assert {(row.type, row.restart) for row in rows} == {(ChildType.WORKER, Restart.PERMANENT)}


@pytest.mark.parametrize("kind", list(ChildType))
async def test_q23_workers_and_supervisors_are_counted(runtime, kind):
    child = numbered(0) if kind is ChildType.WORKER else ChildSpec("d", actor(DynamicSupervisor), type=kind)
    counts = await (await buckets(runtime, child, partitions=3)).count_children()
    supervisors = 3 if kind is ChildType.SUPERVISOR else 0

    assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (3, 3, supervisors, 3 - supervisors)


def test_a_key_belongs_to_the_same_partition_in_every_run():
    keys = ["a", "é", b"a", ("a", 1), ("a1",), 17, -17, ()]

    assert [partition_of(key, 1_000) for key in keys] == [852, 810, 980, 417, 602, 17, 17, 752]


def test_keys_without_a_stable_hash_are_refused():
    with pytest.raises(TypeError, match="expected a key of int, str, bytes or tuples of them, got: object"):
        partition_of(object(), 3)


# The end of a program: real processes, real signals


class Program:
    """`tests/conformance/programs/shop.py` as a process of its own; it says where it is on its output."""

    def __init__(self, *args: str) -> None:
        path = ROOT / "tests/conformance/programs/shop.py"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            ["env", "--ignore-signal=INT", sys.executable, path, *args]
            if "ignores_sigint" in args
            else [sys.executable, path, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def until(self, word: str) -> list[str]:
        said: list[str] = []
        assert self.process.stdout is not None
        while not said or said[-1] != word:
            line = self.process.stdout.readline()
            assert line, f"ended before it said {word}, after {said}"
            said.append(line.strip())
        return said

    def rest(self) -> tuple[list[str], int]:
        output, _ = self.process.communicate(timeout=30)
        return output.split(), self.process.returncode


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@pytest.fixture
def program(request):
    running: list[Program] = []

    def start(*args: str) -> Program:
        running.append(Program(*args))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()


@LOOPS
def test_q24_the_program_ends_in_order(program, loop):
    shop = program(loop, "orderly")
    assert shop.until("up") == ["+a", "+b", "up"]
    shop.process.send_signal(signal.SIGTERM)

    assert shop.rest() == (["prep_stop", "-b", "-a", "stop"], 0)


@LOOPS
def test_q24_a_permanent_application_that_gives_up_ends_the_program_non_zero(program, loop):
    assert program(loop, "gives_up").rest() == (["+a", "+b", "up", "-a", "stop"], 70)


@LOOPS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_q25_the_first_signal_begins_the_ordered_end_and_a_second_one_leaves_at_once(program, loop, number):
    shop = program(loop, "slow_end")
    shop.until("up")
    shop.process.send_signal(number)
    shop.until("prep_stop")
    shop.process.send_signal(number)

    assert shop.rest() == ([f"leaving:{128 + number}"], 128 + number)


@LOOPS
def test_q25_a_signal_that_was_ignored_from_the_start_stays_ignored(program, loop):
    shop = program(loop, "ignores_sigint")
    shop.until("up")
    shop.process.send_signal(signal.SIGINT)
    shop.process.send_signal(signal.SIGTERM)

    assert shop.rest() == (["prep_stop", "-b", "-a", "stop"], 0)


@LOOPS
def test_q25_a_signal_that_does_not_interrupt_the_wait_of_the_loop_counts_all_the_same(program, loop):
    assert program(loop, "signalled_in_a_thread").rest() == (["+a", "+b", "up", "prep_stop", "-b", "-a", "stop"], 0)


@LOOPS
def test_q25_the_deadline_ends_a_program_whose_task_swallows_every_cancellation(program, loop):
    shop = program(loop, "zombie")
    shop.until("up")
    shop.process.send_signal(signal.SIGTERM)

    assert shop.rest() == (["prep_stop", "-b", "-a", "stop", "leaving:124"], 124)


@LOOPS
def test_q25_the_deadline_ends_a_program_that_blocks_its_loop(program, loop):
    shop = program(loop, "blocked")
    shop.until("blocking")
    shop.process.send_signal(signal.SIGTERM)

    assert shop.rest() == (["leaving:124"], 124)


@LOOPS
def test_q25_a_second_signal_ends_a_program_that_blocks_its_loop(program, loop):
    shop = program(loop, "blocked_long")
    shop.until("blocking")
    shop.process.send_signal(signal.SIGTERM)
    shop.process.send_signal(signal.SIGINT)
    _, code = shop.rest()

    assert code in {128 + signal.SIGINT, 128 + signal.SIGTERM}


@LOOPS
def test_q25_a_tree_that_has_to_be_killed_shows_in_the_exit_code(program, loop):
    shop = program(loop, "stuck_child")
    shop.until("up")
    shop.process.send_signal(signal.SIGTERM)

    assert shop.rest() == (["prep_stop", "stop"], 75)
