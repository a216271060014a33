"""How supervisors end children, and end themselves: in order, with patience, and always completely."""

import asyncio
from functools import partial
from math import inf

import pytest

from supervisors import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    ChildSpec,
    ChildType,
    Custom,
    Flags,
    NotStarted,
    Restart,
    Shutdown,
    Stop,
    Strategy,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import AlreadyStarted, StartFailed
from supervisors.application import stop_tree
from supervisors.supervisor import RestartChild, StartChild, TerminateChild, WhichChildren
from supervisors.testing import settle
from tests.supervisors.scripted import Scripted, forever


class Ending(Actor):
    """Ends as `script` says when it is asked to."""

    def __init__(self, script) -> None:
        self.script = script

    def terminate(self, reason):
        return self.script()


def ending(script, **more: object) -> ChildSpec:
    return ChildSpec("child", actor(partial(Ending, script), name="child"), **more)


async def root_of(runtime, *children: ChildSpec, flags: Flags | None = None):
    return await spawn(runtime, Supervisor(flags or Flags(), children), name="root")


def problems(reports) -> list[str]:
    return [event.reason for event in reports.events if getattr(event, "context", None) == "shutdown_error"]


async def test_a_brutal_kill_gives_no_notice(runtime, reports):
    diary: list[str] = []
    root = await root_of(runtime, ending(lambda: diary.append("terminate"), shutdown_s=BRUTAL_KILL))
    child = runtime.whereis("child")
    await root.call(TerminateChild("child"))

    assert child.exit_reason == KILLED
    assert diary == []
    assert problems(reports) == []


async def test_patience_without_limit_waits_as_long_as_it_takes(runtime, clock):
    gate = asyncio.Event()
    root = await root_of(runtime, ending(gate.wait, shutdown_s=inf))
    answer = asyncio.create_task(root.call(TerminateChild("child"), timeout_s=None))
    await clock.advance(1_000_000)
    waited = not answer.done()
    gate.set()

    assert await answer == "ok"
    assert waited


@pytest.mark.parametrize(
    ("restart", "reason", "is_problem"),
    [
        (Restart.PERMANENT, SHUTDOWN, False),
        (Restart.PERMANENT, Shutdown("done"), True),
        (Restart.PERMANENT, NORMAL, True),
        (Restart.TRANSIENT, Shutdown("done"), False),
        (Restart.TRANSIENT, NORMAL, False),
        (Restart.TEMPORARY, NORMAL, False),
        (Restart.TRANSIENT, Custom("odd"), True),
    ],
)
async def test_an_end_other_than_the_one_asked_for_is_reported_as_otp_does(
    runtime, reports, restart, reason, is_problem
):
    root = await root_of(runtime, ChildSpec("child", actor(Scripted, name="child"), restart=restart))
    child = runtime.whereis("child")
    stopping = root.post_call(TerminateChild("child"), None)
    child.die(reason)

    assert await stopping == "ok"
    assert bool(problems(reports)) is is_problem
    assert (await root.call(WhichChildren()) == ()) is (restart is Restart.TEMPORARY)


async def test_a_child_that_unlinks_itself_cannot_hang_its_supervisor(runtime):
    root = await root_of(runtime, ending(lambda: None))
    child = runtime.whereis("child")
    child.unlink(root)

    assert await root.call(TerminateChild("child")) == "ok"
    assert not child.alive


async def test_a_tree_with_a_child_that_swallows_every_cancellation_still_stops(runtime, clock):
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    root = await root_of(runtime, ending(stubborn, shutdown_s=2))
    child = runtime.whereis("child")
    stopping = asyncio.create_task(stop_tree(root, SHUTDOWN, within_s=60))
    await clock.advance(2)

    assert await stopping
    assert list(runtime.zombies) == [child.pid]
    assert runtime.processes == {}
    release.set()
    await settle()
    assert runtime.zombies == {}


async def test_a_supervisor_killed_takes_its_children_along_whether_they_trap_or_not(runtime):
    diary: list[str] = []
    trapping = ChildSpec("trapping", actor(partial(Ending, lambda: diary.append("terminate")), name="trapping"))
    plain = ChildSpec("plain", actor(Scripted, name="plain"))
    root = await root_of(runtime, trapping, plain)
    root.exit(KILLED)
    await settle()

    assert runtime.processes == {}
    assert diary == ["terminate"]


async def test_a_supervisor_killed_while_it_starts_a_child_leaves_none(runtime):
    class Slow(Actor):
        init = forever

    start = asyncio.create_task(
        root_of(runtime, ending(lambda: None), ChildSpec("slow", actor(Slow, name="slow"))),
    )
    await settle()
    runtime.whereis("root").exit(KILLED)
    with pytest.raises(NotStarted) as caught:
        await start
    await settle()

    assert caught.value.reason == KILLED
    assert runtime.processes == {}


async def test_a_tree_that_does_not_stop_in_time_is_killed(runtime, clock):
    root = await root_of(runtime, ending(forever, shutdown_s=inf))
    stopping = asyncio.create_task(stop_tree(root, SHUTDOWN, within_s=5))
    await clock.advance(5)

    assert not await stopping
    await settle()
    assert root.exit_reason == KILLED


async def test_an_exit_signal_from_outside_of_any_process_is_nobodys_end(tree):
    family = await tree(intensity=0).start_named("ab")
    await family.root.call(TerminateChild("a"))
    family.root.exit(Custom("who are you"))
    await settle()

    assert family.root.alive
    assert family.story == "-a"


async def test_a_nested_supervisor_stops_its_own_children_before_its_elder_siblings(tree, runtime):
    family = tree()
    inner = ChildSpec(
        "inner",
        actor(partial(Supervisor, Flags(), [family.child("x"), family.child("y")]), name="inner"),
        type=ChildType.SUPERVISOR,
    )
    await family.start(family.child("a"), inner, family.child("b"))
    family.forget()
    await stop_tree(family.root, SHUTDOWN, within_s=10)

    assert family.story == "-b -y -x -a"


async def test_nested_budgets_multiply(tree, runtime):
    """Inner 2, outer 1: (2 + 1) × (1 + 1) lives of the leaf before the top gives up."""
    family = tree(intensity=1)
    leaf = family.child("leaf")
    inner = ChildSpec(
        "inner",
        actor(partial(Supervisor, Flags(intensity=2), [leaf]), name="inner"),
        type=ChildType.SUPERVISOR,
    )
    await family.start(inner)
    while family.root.alive:
        await family.crash("leaf")

    assert family.diary.count("+leaf") == 6
    assert family.root.exit_reason == SHUTDOWN


async def test_the_supervisor_never_hears_of_a_child_that_failed_to_start(tree):
    family = await tree(intensity=0).start_named("a")
    family.refuse("b")

    assert await family.root.call(StartChild(family.child("b"))) == StartFailed(Custom("cannot"))
    await settle()
    assert family.root.queued == 0
    assert family.root.alive
    assert family.story == "!b"


async def test_a_start_function_that_raises_is_a_failed_start_and_not_the_end_of_the_supervisor(runtime):
    async def broken(_runtime, _parent):
        raise ZeroDivisionError("not ours")

    root = await root_of(runtime)

    answer = await root.call(StartChild(ChildSpec("broken", broken)))
    assert str(answer.reason) == "ZeroDivisionError: not ours"
    assert root.alive


async def test_a_name_held_by_a_stranger_is_passed_through_as_the_reason(runtime):
    holder = await spawn(runtime, Scripted(), name="taken")
    root = await root_of(runtime)

    assert await root.call(StartChild(ChildSpec("a", actor(Scripted, name="taken")))) == AlreadyStarted(holder)


async def test_administration_and_shutdown_are_served_between_the_attempts_of_a_restart(tree):
    family = await tree(Strategy.REST_FOR_ONE, intensity=1_000_000).start_named("abc")
    family.refuse("b")
    family.process("b").die(Custom("crash"))
    seen = await family.root.call(WhichChildren())
    refused = [await family.root.call(request) for request in (RestartChild("b"), StartChild(family.child("b")))]
    assert [(child.id, child.restarting, child.process is None) for child in seen] == [
        ("c", False, True),
        ("b", True, True),
        ("a", False, False),
    ]
    assert refused == ["restarting", "already_present"]
    assert await family.root.call(TerminateChild("b")) == "ok"
    await settle()

    assert family.root.alive
    attempts = family.diary.count("!b")
    await settle()
    assert family.diary.count("!b") == attempts


async def test_the_shutdown_of_a_supervisor_is_served_between_the_attempts_of_a_restart(tree):
    family = await tree(intensity=1_000_000).start_named("ab")
    family.refuse("b")
    family.process("b").die(Custom("crash"))

    assert await stop_tree(family.root, SHUTDOWN, within_s=10)
    assert family.root.exit_reason == SHUTDOWN


async def test_simultaneous_deaths_cost_one_or_two_by_their_order(tree):
    """Under rest_for_one, [b, d] is one round; [d, b] is two (recorded from OTP)."""
    for order, survives in (("bd", True), ("db", False)):
        family = await tree(Strategy.REST_FOR_ONE, intensity=1).start_named("abcd")
        for name in order:
            family.process(name).die(Custom("crash"))
        await settle()
        assert family.root.alive is survives
        await stop_tree(family.root, SHUTDOWN, within_s=1)
        await settle()


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_round_deletes_temporary_siblings_and_starts_transient_ones_again(tree, strategy):
    family = tree(strategy)
    await family.start(
        family.child("a"),
        family.child("t", restart=Restart.TEMPORARY),
        family.child("r", restart=Restart.TRANSIENT),
    )
    family.process("r").die(NORMAL)
    await settle()
    family.forget()
    await family.crash("a")

    assert family.story == "-a -t +a +r"
    assert [child.id for child in await family.root.call(WhichChildren())] == ["r", "a"]


async def test_without_a_budget_the_first_death_ends_the_supervisor(tree):
    family = await tree(intensity=0).start_named("abc")
    await family.crash("b")

    assert family.root.exit_reason == SHUTDOWN
    assert family.story == "-b -c -a"


async def test_a_supervisor_may_stop_itself_through_a_child_that_asks_for_it(tree):
    family = await tree().start_named("a")
    family.process("a").cast(Stop(NORMAL))
    family.root.request_stop(SHUTDOWN)
    await settle()

    assert family.root.exit_reason == SHUTDOWN
