"""Signals between processes: what arrives, in which order, and exactly how often."""

import asyncio

import pytest

from supervisors import KILLED, NORMAL, Actor, Custom, Down, Exit, Runtime, spawn
from supervisors.exits import NOPROC
from supervisors.testing import settle


class Watcher(Actor):
    trap_exit = True

    def __init__(self) -> None:
        self.seen: list[object] = []

    def handle_info(self, message):
        self.seen.append(message)


class Idle(Actor):
    pass


@pytest.fixture
async def watcher(runtime: Runtime):
    actor = Watcher()
    return await spawn(runtime, actor), actor.seen


@pytest.fixture
async def idle(runtime: Runtime):
    return await spawn(runtime, Idle(), name="idle")


async def test_each_monitor_brings_exactly_one_down(watcher, idle):
    process, seen = watcher
    monitors = [process.monitor(idle), process.monitor(idle)]
    idle.exit(Custom("x"))
    await settle()

    assert seen == [Down(monitor, idle, Custom("x")) for monitor in monitors]


async def test_a_monitor_on_the_dead_answers_noproc_at_once(watcher, idle):
    process, seen = watcher
    idle.exit(KILLED)
    monitor = process.monitor(idle)
    await settle()

    assert seen == [Down(monitor, idle, NOPROC)]


async def test_demonitor_leaves_nothing_behind(watcher, idle):
    process, seen = watcher
    monitor = process.monitor(idle)
    idle.exit(KILLED)
    process.demonitor(monitor)
    await settle()

    assert seen == []


async def test_a_link_brings_the_exit_to_who_traps(watcher, idle):
    process, seen = watcher
    process.link(idle)
    idle.exit(KILLED)
    await settle()

    assert seen == [Exit(idle, KILLED)]


async def test_an_abnormal_death_takes_linked_processes_along_unless_they_trap(runtime):
    first, second = await spawn(runtime, Idle()), await spawn(runtime, Idle())
    first.link(second)
    first.exit(Custom("x"))

    assert second.exit_reason == Custom("x")


async def test_a_normal_death_leaves_linked_processes_alone(runtime):
    first, second = await spawn(runtime, Idle()), await spawn(runtime, Idle())
    first.link(second)
    first.die(NORMAL)

    assert second.alive


async def test_unlink_forgets_an_exit_that_has_arrived(watcher, idle):
    process, seen = watcher
    process.link(idle)
    idle.exit(KILLED)
    process.unlink(idle, flush=True)
    await settle()

    assert seen == []


async def test_the_name_is_free_before_anybody_hears_of_the_death(runtime, idle):
    held: list[object] = []
    idle.on_death(lambda _reason: held.append(runtime.whereis("idle")))
    idle.exit(KILLED)

    assert held == [None]


async def test_waiting_for_an_end_gives_up_in_time_and_leaves_nothing(idle, clock):
    waiting = asyncio.create_task(idle.ended(3))
    await clock.advance(3)

    assert await waiting is None
    assert idle.alive


async def test_await_name_wakes_when_the_name_is_taken(runtime):
    waiting = asyncio.create_task(runtime.await_name("late", 10))
    await settle()
    await spawn(runtime, Idle(), name="late")

    assert await waiting


async def test_await_name_gives_up_in_time(runtime, clock):
    waiting = asyncio.create_task(runtime.await_name("never", 10))
    await clock.advance(10)

    assert not await waiting
