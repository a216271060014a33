"""The snapshot of the process table: figures and names, and nothing of what processes hold."""

from supervisors import ChildSpec, Flags, Supervisor, Tasks, TaskSupervisor, actor, spawn
from supervisors.introspect import snapshot
from supervisors.testing import restarted, settle
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
