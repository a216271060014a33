"""Group C: restart type × exit reason."""

import gc
import weakref
from functools import partial
from itertools import product

import pytest

from supervisors import KILLED, NORMAL, SHUTDOWN, ChildSpec, Error, Flags, Restart, Shutdown, Strategy
from supervisors.admin import GetChildspec, RestartChild, StartChild, StartDynamic, TerminateChild
from supervisors.events import Progress
from supervisors.simple import Apply, StartAlike
from supervisors.spec import start_is_forgotten
from supervisors.testing import settle
from tests.conformance.household import (
    CRASH,
    contexts,
    dynamic,
    ends,
    moody,
    processes,
    rows,
    simple,
    start_moody,
    static,
    up,
)

PERMANENT, TRANSIENT, TEMPORARY = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY
ORDERLY = [SHUTDOWN, Shutdown("done")]
ABNORMAL = [CRASH, KILLED, Error(ValueError("x"))]


async def after_the_end_of(tree, restart, reason):
    """What is left of a child, its new incarnation, what the supervisor reported."""
    family = tree()
    await family.start(family.child("a", restart=restart))
    process = family.process("a")
    process.exit(KILLED) if reason == KILLED else process.cast(reason)
    await settle()
    successor = family.runtime.whereis("a")
    return await rows(family.root), successor is not None and successor is not process


async def is_restarted(tree, reports, restart, reason):
    assert await after_the_end_of(tree, restart, reason) == ([("a", "running")], True)
    assert contexts(reports) == ["child_terminated"]


async def is_kept_undefined(tree, reports, restart, reason):
    assert await after_the_end_of(tree, restart, reason) == ([("a", "undefined")], False)
    assert contexts(reports) == []


async def is_deleted(tree, reports, restart, reason):
    assert await after_the_end_of(tree, restart, reason) == ([], False)
    assert contexts(reports) == (["child_terminated"] if reason in ABNORMAL else [])


async def test_c01_a_permanent_child_that_ends_normally_is_restarted(tree, reports):
    await is_restarted(tree, reports, PERMANENT, NORMAL)


async def test_c02_a_transient_child_that_ends_normally_is_kept_undefined_without_a_report(tree, reports):
    await is_kept_undefined(tree, reports, TRANSIENT, NORMAL)


async def test_c03_a_temporary_child_that_ends_normally_is_deleted_without_a_report(tree, reports):
    await is_deleted(tree, reports, TEMPORARY, NORMAL)


@pytest.mark.parametrize("reason", ORDERLY)
async def test_c04_a_permanent_child_that_shuts_down_is_restarted(tree, reports, reason):
    await is_restarted(tree, reports, PERMANENT, reason)


@pytest.mark.parametrize("reason", ORDERLY)
async def test_c05_a_transient_child_that_shuts_down_is_kept_undefined(tree, reports, reason):
    await is_kept_undefined(tree, reports, TRANSIENT, reason)


@pytest.mark.parametrize("reason", ORDERLY)
async def test_c06_a_temporary_child_that_shuts_down_is_deleted(tree, reports, reason):
    await is_deleted(tree, reports, TEMPORARY, reason)


@pytest.mark.parametrize("reason", ABNORMAL)
async def test_c07_a_permanent_child_that_crashes_is_restarted(tree, reports, reason):
    await is_restarted(tree, reports, PERMANENT, reason)


@pytest.mark.parametrize("reason", ABNORMAL)
async def test_c08_a_transient_child_that_crashes_is_restarted(tree, reports, reason):
    await is_restarted(tree, reports, TRANSIENT, reason)


@pytest.mark.parametrize("reason", ABNORMAL)
async def test_c09_a_temporary_child_that_crashes_is_reported_and_deleted(tree, reports, reason):
    await is_deleted(tree, reports, TEMPORARY, reason)


async def test_c10_progress_on_request_is_told_apart_from_that_of_a_restart(runtime, reports):
    root = await static(runtime, Flags(), moody(id="first"))
    await root.call(StartChild(moody(id="second")))
    await root.call(TerminateChild("second"))
    await root.call(RestartChild("second"))
    await ends((await processes(root))[0])

    progress = [(event.on_request, event.child) for event in reports.events if isinstance(event, Progress)]
    assert progress == [
        (False, "first"),
        (True, "second"),
        (True, "second"),
        (False, "second"),
    ]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_c11_a_temporary_sibling_stopped_by_a_round_is_gone(tree, strategy):
    family = tree(strategy)
    await family.start(family.child("a"), family.child("t", restart=TEMPORARY))
    family.forget()
    await family.crash("a")

    assert family.story == "-a -t +a"
    assert await rows(family.root) == [("a", "running")]


class Heavy:
    """An argument whose life can be watched."""


async def test_c12_a_temporary_child_keeps_no_start_arguments(runtime):
    static_root, dynamic_root = await static(runtime, Flags()), await dynamic(runtime)
    heavy = Heavy()
    seen = weakref.ref(heavy)
    spec = ChildSpec("a", Apply(partial(_start_without, heavy), ()), TEMPORARY)
    await static_root.call(StartChild(spec))
    await up(dynamic_root, spec)
    kept = await static_root.call(GetChildspec("a"))
    del heavy, spec
    gc.collect()

    assert seen() is None
    assert kept.start is start_is_forgotten


def _start_without(heavy, runtime, parent):
    """The argument is the supervisor's to keep, not the child's."""
    return start_moody(runtime, parent, [])


async def test_c13_nothing_is_left_of_temporary_children_that_ended(runtime):
    static_root, dynamic_root = await static(runtime, Flags()), await dynamic(runtime)
    for number in range(100):
        await static_root.call(StartChild(moody(id=str(number), restart=TEMPORARY)))
        await dynamic_root.call(StartDynamic(moody(restart=TEMPORARY)))
    for process in [*await processes(static_root), *await processes(dynamic_root)]:
        process.cast(CRASH)
    await settle()

    assert await rows(static_root) == await rows(dynamic_root) == []
    assert not static_root.instance._children._by_process


async def left_of_dynamic(runtime, restart, reason):
    root = await dynamic(runtime)
    child = await up(root, moody(restart=restart))
    await ends(child, reason)
    left = await processes(root)
    assert child not in left
    return len(left)


@pytest.mark.parametrize("reason", [NORMAL, *ORDERLY, *ABNORMAL])
async def test_c14_a_temporary_dynamic_child_is_never_restarted(runtime, reason):
    assert await left_of_dynamic(runtime, TEMPORARY, reason) == 0


@pytest.mark.parametrize("reason", [NORMAL, *ORDERLY, *ABNORMAL])
async def test_c15_a_transient_dynamic_child_is_restarted_unless_it_ended_in_order(runtime, reason):
    assert await left_of_dynamic(runtime, TRANSIENT, reason) == (reason in ABNORMAL)


@pytest.mark.parametrize("reason", [NORMAL, *ORDERLY, *ABNORMAL])
async def test_c16_a_permanent_dynamic_child_is_always_restarted(runtime, reason):
    assert await left_of_dynamic(runtime, PERMANENT, reason) == 1


S9 = list(product(Restart, [NORMAL, SHUTDOWN, Shutdown("x"), CRASH, KILLED]))


@pytest.mark.parametrize(("restart", "reason"), S9)
async def test_c17_the_table_recorded_from_otp(tree, reports, restart, reason):
    is_bad = reason in ABNORMAL
    if restart is PERMANENT or (restart is TRANSIENT and is_bad):
        await is_restarted(tree, reports, restart, reason)
    elif restart is TRANSIENT:
        await is_kept_undefined(tree, reports, restart, reason)
    else:
        await is_deleted(tree, reports, restart, reason)


async def test_c17_the_same_template_restarts_alike(runtime):
    root = await simple(runtime, restart=TRANSIENT)
    first, second = await up(root, StartAlike()), await up(root, StartAlike())
    await ends(first)
    await ends(second, NORMAL)

    assert len(await processes(root)) == 1
