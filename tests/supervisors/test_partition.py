"""Partitions beyond the cases of group Q: the hash, resizing under way, starts that fail."""

import asyncio
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import CallExit, ChildSpec, Custom, Flags, Restart, Supervisor, actor, spawn
from supervisors.admin import TerminateChild
from supervisors.agent import Agent
from supervisors.partition import Partitions, PartitionSupervisor, partition_of
from supervisors.testing import settle
from tests.supervisors.family import Child, Plan

keys = st.recursive(st.integers() | st.text() | st.binary(), lambda inner: st.tuples(inner) | st.tuples(inner, inner))


@given(keys, st.integers(1, 64))
def test_every_key_has_a_place_and_always_the_same(key, partitions):
    place = partition_of(key, partitions)

    assert 0 <= place < partitions
    assert partition_of(key, partitions) == place


def test_texts_are_spread_evenly():
    places = [partition_of(f"user:{n}", 8) for n in range(8_000)]

    assert all(900 < places.count(place) < 1_100 for place in range(8))


def test_keys_that_look_alike_are_told_apart():
    alike = ["1", b"1", ("1",), (1,), ("1", ""), ("", "1"), (("1",),)]

    assert len({partition_of(key, 1_000_000) for key in alike}) == len(alike)


async def family(runtime, plan, diary) -> Partitions:
    def child(index: int) -> ChildSpec:
        return ChildSpec("child", actor(partial(Child, diary, str(index), plan)), Restart.TRANSIENT)

    flags = Flags(intensity=3, period_s=60.0)
    await spawn(runtime, Supervisor(flags, [PartitionSupervisor.spec("parts", child, partitions=3)]), name="root")
    return Partitions(runtime.named("parts"))


async def test_a_partition_that_does_not_come_up_again_is_told_and_takes_no_keys(runtime):
    plan, diary = Plan(), []
    partitions = await family(runtime, plan, diary)
    await partitions.resize(1)
    plan.refusals["2"] = 1
    with pytest.raises(CallExit):
        await partitions.resize(3)

    assert (partitions.partitions, partitions.via(2).target()) == (2, partitions.via(0).target())
    assert await partitions.resize(3) == 2


async def test_resizing_twice_at_once_happens_one_after_the_other(runtime):
    diary: list[str] = []
    partitions = await family(runtime, Plan(), diary)
    before = await asyncio.gather(partitions.resize(1), partitions.resize(3), partitions.resize(2))

    assert before == [3, 1, 3]
    assert diary == ["+0", "+1", "+2", "-2", "-1", "+1", "+2", "-2"]


async def test_resizing_to_the_same_number_does_nothing(runtime):
    diary: list[str] = []
    partitions = await family(runtime, Plan(), diary)

    assert await partitions.resize(3) == 3
    assert diary == ["+0", "+1", "+2"]


async def test_a_partition_that_ended_for_good_leaves_its_keys_with_nobody(runtime):
    partitions = await family(runtime, Plan(), [])
    partitions.via(1).exit(Custom("x"))
    await settle()
    assert partitions.via(1).alive
    await runtime.named("parts").call(TerminateChild("1"))

    assert not partitions.via(1).alive
    assert partitions.via(0).alive


async def test_an_address_outlives_the_whole_partition_supervisor(runtime):
    spec = PartitionSupervisor.spec("parts", lambda index: Agent.spec("a", lambda: index), partitions=2)
    await spawn(runtime, Supervisor(Flags(), [spec]), name="root")
    key = Partitions(runtime.named("parts")).via(1)
    runtime.whereis("parts").die(Custom("x"))
    await settle()

    assert await Agent[int](key).get(lambda n: n) == 1
