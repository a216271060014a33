"""The snapshot of the process table: figures and names, and nothing of what processes hold."""

import asyncio
from dataclasses import dataclass

from supervisors import ChildSpec, Custom, Flags, Supervisor, Tasks, TaskSupervisor, actor, spawn, sys
from supervisors.introspect import Budget, Wait, overview, snapshot
from supervisors.runtime import MOST_LAST_EXITS
from supervisors.testing import kill_and_await_restart, restarted, settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started


async def test_every_living_process_is_in_the_snapshot_with_its_place_in_the_tree(runtime, clock):
    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]), name="root")
    await clock.advance(7)
    root, leaf = snapshot(runtime)

    assert (root.label, root.parent, root.state) == ("root", None, "running")
    assert (leaf.label, leaf.parent, leaf.uptime_s, leaf.incarnation) == ("leaf", root.pid, 7, 1)


async def test_mailboxes_show_their_figures_and_not_their_contents(runtime):
    process = await started(runtime, Scripted())
    await process.call(Ask("secret"))
    process.cast("secret")
    process.cast("secret")
    (row,) = snapshot(runtime)

    assert (row.queued, row.peak, row.reductions, row.capacity) == (2, 2, 1, 10_000)
    assert "secret" not in str(row)


async def test_tasks_have_no_mailbox_and_are_listed_all_the_same(runtime):
    await spawn(runtime, TaskSupervisor(), name="tasks")
    await Tasks(runtime.named("tasks")).start_child(forever, label="work")

    assert [(row.label, row.capacity) for row in snapshot(runtime)][1] == ("work", 0)


async def test_a_successor_counts_its_lives(runtime):
    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]))
    old = runtime.whereis("leaf")
    old.cast(boom)
    await settle()

    assert (await restarted(runtime, old)).incarnation == 2


def shape(nodes) -> list[object]:
    return [(node.info.label, shape(node.children)) if node.children else node.info.label for node in nodes]


async def test_the_tree_is_nested_as_it_was_started(runtime):
    def leaf(name):
        return ChildSpec(name, actor(Scripted, name=name))

    def branch(name, *leaves):
        return ChildSpec(name, actor(lambda: Supervisor(Flags(), [*leaves]), name=name))

    await spawn(runtime, Supervisor(Flags(), [branch("left", leaf("a"), leaf("b")), leaf("c")]), name="root")
    await started(runtime, Scripted(), name="alone")

    assert shape(overview(runtime).roots) == [("root", [("left", ["a", "b"]), "c"]), "alone"]


async def test_whose_parent_has_ended_is_a_root(runtime):
    parent = await started(runtime, Scripted(), name="parent")
    child = await spawn(runtime, Scripted(), name="child", parent=parent)
    child.unlink(parent)
    parent.exit(Custom("gone"))

    assert shape(overview(runtime).roots) == ["child"]


async def test_what_a_callback_works_on_is_shown_by_type_and_since_when(runtime, clock):
    process = await started(runtime, Scripted(), name="busy")
    call = asyncio.create_task(process.call(Ask(forever), timeout_s=None))
    await clock.advance(3)
    (row,) = snapshot(runtime)

    assert (row.working_on, row.working_s, row.runs) == ("handle_call Ask", 3, "Scripted")
    process.exit(Custom("enough"))
    assert (await asyncio.gather(call, return_exceptions=True))[0].reason == Custom("enough")


async def test_an_idle_actor_works_on_nothing(runtime):
    process = await started(runtime, Scripted())
    await process.call(Ask(1))

    assert [(row.working_on, row.working_s) for row in snapshot(runtime)] == [("", 0)]


async def test_a_suspended_actor_is_shown_as_suspended(runtime):
    process = await started(runtime, Scripted())
    await sys.suspend(process)
    assert [row.state for row in snapshot(runtime)] == ["suspended"]
    await sys.resume(process)
    assert [row.state for row in snapshot(runtime)] == ["running"]


async def test_the_time_the_loop_has_spent_on_an_actor_is_counted(clock, runtime):
    ticks = iter(range(1_000_000))
    runtime.scheduler.now = lambda: float(next(ticks))
    process = await started(runtime, Scripted())
    process.cast("x")
    await settle()

    assert [row.busy_s > 0 for row in snapshot(runtime)] == [True]


async def test_a_supervisor_says_how_much_of_its_budget_is_used(runtime):
    class Counting(Scripted):
        def restarts(self):
            return 2, 5

    await started(runtime, Counting())
    await started(runtime, Scripted())

    assert [row.restarts for row in snapshot(runtime)] == [Budget(2, 5), None]


async def test_a_real_supervisor_says_so_too(runtime, clock):
    leaf = ChildSpec("leaf", actor(Scripted, name="leaf"))
    await spawn(runtime, Supervisor(Flags(intensity=3, period_s=60), [leaf]), name="root")
    await kill_and_await_restart(runtime, "leaf")
    assert snapshot(runtime)[0].restarts == Budget(1, 3)
    await clock.advance(61)
    assert snapshot(runtime)[0].restarts == Budget(0, 3)


async def test_how_the_last_life_of_a_name_ended_is_known(runtime, clock):
    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]), name="root")
    runtime.whereis("leaf").cast(boom)
    await clock.advance(4)
    root, leaf = snapshot(runtime)

    assert root.last_exit is None
    assert (leaf.last_exit.reason, leaf.last_exit.incarnation, leaf.last_exit.ago_s) == ("ValueError: boom", 1, 4)
    assert overview(runtime).last_exits == {"leaf": leaf.last_exit}


async def test_only_so_many_last_exits_are_remembered_the_latest(runtime):
    for number in range(MOST_LAST_EXITS + 2):
        process = await started(runtime, Scripted(), name=f"n{number % (MOST_LAST_EXITS + 1)}")
        process.exit(Custom(number))

    assert len(runtime.last_exits) == MOST_LAST_EXITS
    assert next(iter(runtime.last_exits)) == "n2"
    assert list(runtime.last_exits)[-1] == "n0"


async def test_who_waits_for_whose_answer_is_an_edge(runtime):
    server = await started(runtime, Scripted(), name="server")

    async def ask(self, _from):
        return await server.call(Ask(forever), timeout_s=None)

    client = await started(runtime, Scripted(), name="client")
    call = asyncio.create_task(client.call(Ask(ask), timeout_s=None))
    await settle()

    assert overview(runtime).waits == (Wait(client.pid, server.pid, "Ask"),)
    assert overview(runtime).deadlocks == ()
    server.exit(Custom("enough"))
    await asyncio.gather(call, return_exceptions=True)
    assert overview(runtime).waits == ()


async def test_a_ring_of_waits_is_marked_and_who_merely_waits_for_it_is_not(runtime):
    class Keeper(Scripted):
        awaits = None

    async def ask(self, _from):
        return await keeper.call(Ask(1), timeout_s=None)

    keeper = await started(runtime, Keeper(), name="keeper")
    child = await started(runtime, Scripted(), name="child")
    other = await started(runtime, Scripted(), name="other")
    keeper.cast(forever)
    await settle()
    calls = [asyncio.create_task(each.call(Ask(ask), timeout_s=None)) for each in (child, other)]
    keeper.instance.awaits = child
    await settle()
    seen = overview(runtime)

    assert seen.deadlocks == (
        Wait(keeper.pid, child.pid, "", is_deadlock=True),
        Wait(child.pid, keeper.pid, "Ask", is_deadlock=True),
    )
    assert Wait(other.pid, keeper.pid, "Ask") in seen.waits
    for process in (keeper, child, other):
        process.exit(Custom("enough"))
    await asyncio.gather(*calls, return_exceptions=True)


async def test_zombies_are_shown(runtime):
    release = asyncio.Event()

    async def stubborn(_self):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    process = await started(runtime, Scripted(), name="stubborn")
    process.cast(stubborn)
    await settle()
    process.kill(Custom("enough"))
    await settle()
    seen = overview(runtime)

    assert [(row.label, row.state) for row in seen.zombies] == [("stubborn", "zombie")]
    assert seen.processes == ()
    release.set()
    await settle()
    assert overview(runtime).zombies == ()


async def test_the_lag_of_the_loop_is_what_a_watchdog_says(runtime):
    @dataclass
    class Lag:
        samples: int = 3
        p50_s: float = 0.001
        p99_s: float = 0.01
        max_s: float = 0.02

    class Watchdog:
        def lag(self):
            return Lag()

    assert overview(runtime).lag is None
    assert overview(runtime, watchdog=Watchdog()).lag == Lag()


async def test_nothing_that_is_held_or_said_is_in_an_overview(runtime):
    process = await started(runtime, Scripted(["hunter2"]), name="holder")
    process.cast("hunter2")
    call = asyncio.create_task(process.call(Ask(forever), timeout_s=None))
    await settle()
    process.cast("hunter2")

    assert "hunter2" not in repr(overview(runtime))
    process.exit(Custom("enough"))
    await asyncio.gather(call, return_exceptions=True)
