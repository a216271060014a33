"""Supervision trees: start, restart, shutdown, in the order OTP gives them."""

import asyncio
from functools import partial

import pytest

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    BadSpec,
    ChildSpec,
    ChildType,
    Custom,
    Flags,
    NotStarted,
    Restart,
    Shutdown,
    Strategy,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import AlreadyStarted, Started
from supervisors.application import stop_tree
from supervisors.supervisor import CountChildren, DeleteChild, RestartChild, StartChild, TerminateChild, WhichChildren
from supervisors.testing import settle


async def test_children_start_in_order_and_stop_in_reverse(tree):
    family = tree()
    await family.start(*(family.child(name) for name in "abc"))
    await stop_tree(family.root, SHUTDOWN, within_s=10)

    assert family.story == "+a +b +c -c -b -a"
    assert family.root.exit_reason == SHUTDOWN


@pytest.mark.parametrize(
    ("strategy", "victim", "story"),
    [
        (Strategy.ONE_FOR_ONE, "b", "-b +b"),
        (Strategy.REST_FOR_ONE, "b", "-b -c +b +c"),
        (Strategy.REST_FOR_ONE, "a", "-a -c -b +a +b +c"),
        (Strategy.ONE_FOR_ALL, "b", "-b -c -a +a +b +c"),
    ],
)
async def test_each_strategy_restarts_whom_it_should_in_order(tree, strategy, victim, story):
    family = await tree(strategy).start_named("abc")
    await family.crash(victim)

    assert family.story == story


@pytest.mark.parametrize(
    ("restart", "reason", "restarted"),
    [
        (Restart.PERMANENT, NORMAL, True),
        (Restart.PERMANENT, SHUTDOWN, True),
        (Restart.PERMANENT, Custom("x"), True),
        (Restart.TRANSIENT, NORMAL, False),
        (Restart.TRANSIENT, Shutdown("done"), False),
        (Restart.TRANSIENT, KILLED, True),
        (Restart.TRANSIENT, Custom("x"), True),
        (Restart.TEMPORARY, NORMAL, False),
        (Restart.TEMPORARY, Custom("x"), False),
    ],
)
async def test_the_restart_type_meets_the_exit_reason(tree, restart, reason, restarted):
    family = tree()
    await family.start(family.child("a", restart=restart))
    family.forget()
    await family.crash("a", reason)

    assert ("+a" in family.diary) is restarted


async def test_a_temporary_child_leaves_nothing_a_transient_one_its_specification(tree):
    family = tree()
    await family.start(family.child("a", restart=Restart.TEMPORARY), family.child("b", restart=Restart.TRANSIENT))
    await family.crash("a", NORMAL)
    await family.crash("b", NORMAL)

    left = await family.root.call(WhichChildren())
    assert [(child.id, child.process) for child in left] == [("b", None)]


async def test_too_many_restarts_in_the_window_end_the_supervisor_with_shutdown(tree):
    family = await tree(intensity=2).start_named("abc")
    for _ in range(3):
        await family.crash("a")

    assert family.root.exit_reason == SHUTDOWN
    assert family.story == "-a +a -a +a -a -c -b"


async def test_restarts_outside_the_window_do_not_count(tree, clock):
    family = await tree(intensity=1, period_s=10.0).start_named("abc")
    for _ in range(5):
        await family.crash("a")
        await clock.advance(10.001)

    assert family.root.alive


async def test_the_budget_belongs_to_the_supervisor_not_to_the_child(tree):
    family = await tree(intensity=2).start_named("abc")
    for name in "abc":
        await family.crash(name)

    assert family.root.exit_reason == SHUTDOWN


async def test_one_death_costs_one_however_many_siblings_are_cycled(tree):
    family = await tree(Strategy.ONE_FOR_ALL, intensity=1).start_named("abc")
    await family.crash("a")

    assert family.root.alive


async def test_a_failing_start_rolls_back_in_reverse(runtime, tree):
    family = tree()
    family.refuse("c")
    with pytest.raises(NotStarted):
        await family.start(*(family.child(name) for name in "abc"))

    assert family.story == "+a +b !c -b -a"
    assert runtime.processes == {}


async def test_a_failed_restart_is_tried_again_through_the_mailbox_until_the_budget_is_spent(tree):
    family = await tree(Strategy.REST_FOR_ONE, intensity=2).start_named("abc")
    family.refuse("b")
    await family.crash("b")
    await settle()

    assert family.story == "-b -c !b !b -a"
    assert family.root.exit_reason == SHUTDOWN


async def test_rest_for_one_resumes_at_the_child_that_failed(tree):
    family = await tree(Strategy.REST_FOR_ONE, intensity=5).start_named("abc")
    family.refuse("b")
    crash = asyncio.create_task(family.crash("a"))
    while "!b" not in family.diary:
        await asyncio.sleep(0)
    family.refuse("b", 0)
    await crash
    await settle()

    assert family.diary.count("+a") == 1
    assert family.diary[-2:] == ["+b", "+c"]


async def test_a_child_that_ends_in_time_is_not_killed_and_one_that_does_not_is(runtime, clock, reports):
    class Slow(Actor):
        async def terminate(self, reason):
            await asyncio.Event().wait()

    spec = ChildSpec("slow", actor(Slow, name="slow"), shutdown_s=2)
    root = await spawn(runtime, Supervisor(Flags(), [spec]), name="root")
    answer = asyncio.create_task(root.call(TerminateChild("slow"), timeout_s=None))
    await clock.advance(1.9)
    still_there = runtime.whereis("slow")
    await clock.advance(0.1)

    assert await answer == "ok"
    assert still_there is not None
    assert still_there.exit_reason == KILLED
    assert any(getattr(event, "context", None) == "shutdown_error" for event in reports.events)


async def test_a_nested_supervisor_that_gives_up_is_restarted_by_its_own(tree, runtime):
    inner_flags = Flags(intensity=0)
    family = tree()
    leaf = family.child("leaf")
    inner = ChildSpec(
        "inner",
        actor(partial(Supervisor, inner_flags, [leaf]), name="inner"),
        type=ChildType.SUPERVISOR,
    )
    await family.start(inner)
    old = runtime.whereis("inner")
    await family.crash("leaf")

    assert old.exit_reason == SHUTDOWN
    assert runtime.whereis("inner").incarnation == 2
    assert runtime.whereis("leaf") is not None


async def test_the_administration_answers_as_in_otp(tree):
    family = await tree().start_named("abc")
    root = family.root

    assert await root.call(DeleteChild("a")) == "running"
    assert await root.call(RestartChild("a")) == "running"
    assert await root.call(TerminateChild("a")) == "ok"
    assert await root.call(TerminateChild("a")) == "ok"
    assert await root.call(StartChild(family.child("a"))) == "already_present"
    assert await root.call(RestartChild("a")) == Started(family.process("a"))
    assert await root.call(StartChild(family.child("a"))) == AlreadyStarted(family.process("a"))
    assert await root.call(TerminateChild("zzz")) == "not_found"
    assert await root.call(TerminateChild("c")) == "ok"
    assert await root.call(DeleteChild("c")) == "ok"
    assert await root.call(DeleteChild("c")) == "not_found"
    counts = await root.call(CountChildren())
    assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (2, 2, 0, 2)


async def test_children_are_listed_latest_started_first(tree):
    family = await tree().start_named("abc")

    assert [child.id for child in await family.root.call(WhichChildren())] == ["c", "b", "a"]


async def test_two_children_of_one_id_are_a_bad_specification(tree):
    family = tree()
    with pytest.raises(BadSpec) as caught:
        Supervisor(family.flags, [family.child("a"), family.child("a")])

    assert caught.value.code == "duplicate_child_name"


@pytest.mark.parametrize(
    ("field", "code"), [({"intensity": -1}, "invalid_intensity"), ({"period_s": 0}, "invalid_period")]
)
def test_bad_flags_are_refused_by_name(field, code):
    with pytest.raises(BadSpec) as caught:
        Flags(**field)

    assert caught.value.code == code


async def test_simultaneous_deaths_in_one_round_are_counted_once(tree):
    family = await tree(Strategy.REST_FOR_ONE, intensity=1).start_named("abc")
    for name in "bc":
        family.runtime.whereis(name).exit(KILLED)
    await settle()

    assert family.root.alive
    assert family.story == "+b +c"


async def test_reports_of_a_crash_come_in_the_order_of_otp(tree, reports):
    family = await tree().start_named("abc")
    reports.events.clear()
    await family.crash("a")

    assert reports.kinds() == ["Terminated", "Crashed", "ChildTerminated", "Progress"]
