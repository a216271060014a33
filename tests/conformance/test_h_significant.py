"""Group H: significant children and the end of a supervisor that they bring about."""

from functools import partial
from itertools import product

import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    AutoShutdown,
    ChildSpec,
    ChildType,
    Flags,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
    actor,
)
from supervisors.admin import TerminateChild
from supervisors.testing import settle
from tests.conformance.household import CRASH, rows

NEVER, ANY, ALL = AutoShutdown
TEMPORARY, TRANSIENT = Restart.TEMPORARY, Restart.TRANSIENT
REASONS = [NORMAL, SHUTDOWN, Shutdown("done"), CRASH, KILLED]


async def family_of(tree, auto_shutdown, *kinds, strategy=Strategy.ONE_FOR_ONE):
    """Children a, b, … of these kinds: restart type, whether significant."""
    family = tree(strategy, auto_shutdown=auto_shutdown)
    specs = [family.child(name, restart=kind, significant=is_) for name, (kind, is_) in zip("abc", kinds, strict=False)]
    await family.start(*specs)
    family.forget()
    return family


async def end(family, name: str, reason: object) -> None:
    process = family.process(name)
    process.exit(KILLED) if reason == KILLED else process.cast(reason)
    await settle()


@pytest.mark.parametrize(("auto_shutdown", "reason"), list(product(AutoShutdown, REASONS)))
async def test_h01_a_temporary_child_that_is_not_significant_never_triggers(tree, auto_shutdown, reason):
    family = await family_of(tree, auto_shutdown, (TEMPORARY, False), (Restart.PERMANENT, False))
    await end(family, "a", reason)

    assert await rows(family.root) == [("b", "running")]


@pytest.mark.parametrize(("auto_shutdown", "reason"), list(product(AutoShutdown, REASONS)))
async def test_h02_nor_does_a_transient_one(tree, auto_shutdown, reason):
    family = await family_of(tree, auto_shutdown, (TRANSIENT, False), (Restart.PERMANENT, False))
    await end(family, "a", reason)

    state = "running" if reason in {CRASH, KILLED} else "undefined"
    assert await rows(family.root) == [("b", "running"), ("a", state)]


@pytest.mark.parametrize("reason", REASONS)
async def test_h03_a_significant_temporary_child_triggers_however_it_ends(tree, reason):
    family = await family_of(tree, ANY, (TEMPORARY, True), (TEMPORARY, True), (Restart.PERMANENT, False))
    await end(family, "b", reason)

    assert family.story.split()[-2:] == ["-c", "-a"]
    assert family.root.exit_reason == SHUTDOWN


@pytest.mark.parametrize("reason", REASONS)
async def test_h03_with_all_it_takes_the_last_one(tree, reason):
    family = await family_of(tree, ALL, (TEMPORARY, True), (TEMPORARY, True), (Restart.PERMANENT, False))
    await end(family, "a", reason)
    assert family.root.alive
    await end(family, "b", reason)

    assert family.root.exit_reason == SHUTDOWN


@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
@pytest.mark.parametrize("kind", [TEMPORARY, TRANSIENT])
async def test_h03_to_terminate_one_by_hand_does_not_trigger(tree, auto_shutdown, kind):
    family = await family_of(tree, auto_shutdown, (kind, True))
    await family.root.call(TerminateChild("a"))

    assert family.root.alive


@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
@pytest.mark.parametrize("reason", REASONS)
async def test_h04_a_significant_transient_child_triggers_unless_it_is_restarted(tree, auto_shutdown, reason):
    family = await family_of(tree, auto_shutdown, (TRANSIENT, True), (Restart.PERMANENT, False))
    await end(family, "a", reason)

    assert family.root.alive is (reason in {CRASH, KILLED})
    assert family.root.alive or family.root.exit_reason == SHUTDOWN


async def test_h04_one_that_is_being_restarted_counts_as_there(tree):
    family = await family_of(tree, ALL, (TRANSIENT, True), (TRANSIENT, True))
    family.root.instance._window.intensity = 1_000_000
    family.refuse("a")
    family.process("a").die(CRASH)
    while "!a" not in family.diary:
        await rows(family.root)
    family.process("b").die(NORMAL)

    assert await rows(family.root) == [("b", "undefined"), ("a", "restarting")]
    await family.root.stop(SHUTDOWN)


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
async def test_h05_what_a_round_stops_does_not_trigger(tree, strategy, auto_shutdown):
    kinds = (Restart.PERMANENT, False), (TEMPORARY, True), (TRANSIENT, True)
    family = await family_of(tree, auto_shutdown, *kinds, strategy=strategy)
    await family.crash("a")

    assert family.story == "-a -c -b +a +c"
    assert family.root.alive


@pytest.mark.parametrize("auto_shutdown", [ANY, ALL])
async def test_h06_the_end_of_an_inner_supervisor_may_trigger_that_of_the_outer(tree, auto_shutdown):
    family = tree(auto_shutdown=auto_shutdown)
    leaf = family.child("leaf", restart=TRANSIENT, significant=True)
    inner = partial(Supervisor, Flags(auto_shutdown=ANY), [leaf])
    spec = ChildSpec("inner", actor(inner), TRANSIENT, type=ChildType.SUPERVISOR, significant=True)
    await family.start(family.child("a"), spec)
    await family.crash("leaf", NORMAL)

    assert family.story == "+a +leaf -leaf -a"
    assert family.root.exit_reason == SHUTDOWN


async def test_h07_the_rest_is_stopped_in_reverse(tree, reports):
    family = await family_of(tree, ANY, (Restart.PERMANENT, False), (Restart.PERMANENT, False), (TRANSIENT, True))
    reports.events.clear()
    await family.crash("c", NORMAL)

    assert family.story == "-c -b -a"
    assert family.root.exit_reason == SHUTDOWN
    assert reports.events == []
