"""A restart that waits: the child is shown as `restarting`, everything else is served, and it can be called off."""

import pytest

from supervisors import NORMAL, SHUTDOWN, ChildSpec, Custom, DynamicSupervisor, Flags, Restart, Strategy, actor, spawn
from supervisors.admin import StartDynamic, TerminateChild, WhichChildren
from supervisors.spec import Delay
from supervisors.testing import settle
from tests.supervisors.scripted import Scripted, boom

SECOND = Delay(1, longest_s=60)


async def delayed(tree, *names: str, delay: Delay = SECOND, **flags):
    family = tree(**flags)
    await family.start(*(family.child(name, restart_delay=delay if name == "a" else None) for name in names))
    family.forget()
    return family


async def states(family) -> list[tuple[str, bool]]:
    return [(info.id, info.restarting) for info in await family.root.call(WhichChildren())]


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1), (1, 2), (3, 8), (6, 60), (10_000, 60)])
def test_a_delay_doubles_up_to_its_longest(failures, seconds):
    assert Delay(1).after(failures) == seconds


async def test_the_child_is_restarting_meanwhile_and_comes_back_in_time(tree, clock):
    family = await delayed(tree, "a", "b")
    await family.crash("a")
    assert await states(family) == [("b", False), ("a", True)]
    await clock.advance(0.999)
    assert family.story == "-a"
    await clock.advance(0.001)

    assert family.story == "-a +a"
    assert await states(family) == [("b", False), ("a", False)]


async def test_each_failed_attempt_waits_longer_and_costs_a_restart(tree, clock):
    family = await delayed(tree, "a", intensity=3)
    family.refuse("a", 2)
    await family.crash("a")
    moments = []
    while "+a" not in family.diary:
        await clock.advance(0.5)
        if len(moments) < len(family.diary) - 1:
            moments.append(clock.monotonic())

    assert moments == [1, 3, 7]
    assert family.root.instance.restarts() == (3, 3)


async def test_a_long_life_begins_with_a_short_delay_again(tree, clock):
    family = await delayed(tree, "a", intensity=9, period_s=1)
    for seconds in (1, 2, 4):
        await family.crash("a")
        await clock.advance(seconds)
    await clock.advance(60)
    await family.crash("a")
    await clock.advance(1)

    assert family.process("a").incarnation == 5


async def test_termination_calls_a_delayed_restart_off(tree, clock):
    family = await delayed(tree, "a")
    await family.crash("a")
    assert await family.root.call(TerminateChild("a")) == "ok"
    await clock.advance(100)

    assert family.story == "-a"
    assert clock.pending == 0


async def test_a_round_of_a_sibling_starts_the_waiting_child_too(tree, clock):
    family = await delayed(tree, "a", "b", strategy=Strategy.ONE_FOR_ALL)
    await family.crash("a")
    await family.crash("b")
    assert family.story == "-a -b +a +b"
    await clock.advance(100)

    assert family.story == "-a -b +a +b"


async def test_a_supervisor_that_waits_ends_at_once(tree, clock):
    family = await delayed(tree, "a", "b")
    await family.crash("a")
    family.root.request_stop(SHUTDOWN)
    await settle()

    assert family.story == "-a -b"
    assert clock.pending == 0


async def test_a_dynamic_child_waits_as_well_and_counts(runtime, clock):
    root = await spawn(runtime, DynamicSupervisor(flags=Flags(intensity=9), max_children=1))
    spec = ChildSpec("a", actor(Scripted, name="a"), Restart.TRANSIENT, restart_delay=SECOND)
    child = (await root.call(StartDynamic(spec))).process
    child.cast(boom)
    await clock.advance(0.9)
    assert runtime.whereis("a") is None
    assert [info.restarting for info in await root.call(WhichChildren())] == [True]
    await clock.advance(0.1)
    assert runtime.whereis("a").incarnation == 2
    runtime.whereis("a").cast(boom)
    await clock.advance(1.9)
    assert runtime.whereis("a") is None
    await clock.advance(0.1)

    assert runtime.whereis("a").incarnation == 3


async def test_a_dynamic_restart_that_waits_can_be_called_off(runtime, clock):
    root = await spawn(runtime, DynamicSupervisor())
    child = (await root.call(StartDynamic(ChildSpec("a", actor(Scripted, name="a"), restart_delay=SECOND)))).process
    child.die(Custom("crash"))
    await settle()
    assert await root.call(TerminateChild(child)) == "ok"
    await clock.advance(10)

    assert runtime.whereis("a") is None
    assert not root.instance._failures


async def test_an_end_in_order_of_a_transient_child_is_no_restart(tree, clock):
    family = tree()
    await family.start(family.child("a", restart=Restart.TRANSIENT, restart_delay=SECOND))
    await family.crash("a", NORMAL)

    assert await states(family) == [("a", False)]
