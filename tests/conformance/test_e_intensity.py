"""Group E: intensity, retry, escalation."""

from functools import partial

import pytest

from supervisors import (
    SHUTDOWN,
    ChildSpec,
    ChildType,
    Flags,
    Started,
    Strategy,
    Supervisor,
    actor,
)
from supervisors.admin import (
    Answer,
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    StartDynamic,
    TerminateChild,
    WhichChildren,
)
from supervisors.simple import StartAlike
from supervisors.testing import settle
from tests.conformance.household import (
    CRASH,
    EVER,
    NOT_NOW,
    OK,
    contexts,
    counts,
    dynamic,
    ends,
    moody,
    processes,
    rows,
    simple,
    start_moody,
    state,
    up,
)

ALWAYS_TRYING = Flags(intensity=1_000_000)


async def test_e01_restarts_far_enough_apart_never_reach_the_limit(tree, clock):
    family = await tree(intensity=1, period_s=1.0).start_named("a")
    for _ in range(20):
        await family.crash("a")
        await clock.advance(1.001)

    assert family.process("a").incarnation == 21


async def escalates(tree, reports, strategy) -> str:
    family = await tree(strategy, intensity=3).start_named("abc")
    family.refuse("b")
    await family.crash("b")
    await settle()
    assert family.root.exit_reason == SHUTDOWN
    assert contexts(reports) == ["child_terminated", *["start_error"] * 3, "shutdown"]
    return family.story


async def test_e02_one_for_one_gives_up_when_a_restart_keeps_failing(tree, reports):
    assert await escalates(tree, reports, Strategy.ONE_FOR_ONE) == "-b !b !b !b -c -a"


async def test_e03_one_for_all_gives_up_when_a_restart_keeps_failing(tree, reports):
    assert await escalates(tree, reports, Strategy.ONE_FOR_ALL) == "-b -c -a +a !b -a +a !b -a +a !b -a"


async def test_e04_rest_for_one_gives_up_when_a_restart_keeps_failing(tree, reports):
    assert await escalates(tree, reports, Strategy.REST_FOR_ONE) == "-b -c !b !b !b -a"


async def test_e05_simple_one_for_one_gives_up_when_a_restart_keeps_failing(runtime, reports):
    root = await simple(runtime, None, *EVER, flags=Flags(intensity=3))
    await ends(await up(root, StartAlike()))

    assert root.exit_reason == SHUTDOWN
    assert contexts(reports) == ["child_terminated", *["start_error"] * 3, "shutdown"]


async def hanging(tree, strategy):
    """Child b is being restarted for ever."""
    family = await tree(Flags(strategy, 1_000_000)).start_named("abc")
    family.refuse("b")
    family.process("b").die(CRASH)
    while "!b" not in family.diary:
        await family.root.call(CountChildren())
    return family


async def test_e06_a_restarting_child_is_neither_started_restarted_nor_deleted_but_may_be_terminated(tree):
    family = await hanging(tree, Strategy.ONE_FOR_ONE)
    root = family.root

    assert await root.call(StartChild(family.child("b"))) == Answer.ALREADY_PRESENT
    assert await root.call(RestartChild("b")) == Answer.RESTARTING
    assert await root.call(DeleteChild("b")) == Answer.RESTARTING
    assert await rows(root) == [("c", "running"), ("b", "restarting"), ("a", "running")]
    assert await root.call(TerminateChild("b")) == OK
    assert await rows(root) == [("c", "running"), ("b", "undefined"), ("a", "running")]


async def test_e06_a_supervisor_that_retries_for_ever_can_be_shut_down(tree):
    family = await hanging(tree, Strategy.ONE_FOR_ONE)
    await family.root.stop(SHUTDOWN)

    assert family.story.endswith("!b -c -a")


async def test_e07_under_rest_for_one_later_siblings_are_undefined_meanwhile(tree):
    family = await hanging(tree, Strategy.REST_FOR_ONE)

    assert await rows(family.root) == [("c", "undefined"), ("b", "restarting"), ("a", "running")]
    assert await family.root.call(TerminateChild("b")) == OK
    assert await rows(family.root) == [("c", "undefined"), ("b", "undefined"), ("a", "running")]


async def test_e08_a_dynamic_child_is_known_by_what_it_was_while_it_is_restarted(runtime):
    root = await simple(runtime, None, *EVER, flags=ALWAYS_TRYING)
    child = await up(root, StartAlike())
    child.die(CRASH)
    while not root.instance._retrying:
        await root.call(CountChildren())

    assert [state(info) for info in await root.call(WhichChildren())] == ["restarting"]
    assert await root.call(TerminateChild(child)) == OK
    assert await processes(root) == []


async def test_e09_restarting_children_are_specified_and_not_active(tree):
    family = await hanging(tree, Strategy.ONE_FOR_ONE)

    assert await counts(family.root) == (3, 2, 0, 3)
    await family.root.stop(SHUTDOWN)


async def test_e10_a_dynamic_restart_is_tried_until_it_succeeds(runtime):
    root = await dynamic(runtime, flags=Flags(intensity=3))
    await ends(await up(root, moody(None, NOT_NOW, NOT_NOW)))

    assert [process.alive for process in await processes(root)] == [True]
    assert root.instance.restarts() == (3, 3)


async def test_e11_the_restarts_of_several_dynamic_children_are_counted_together(runtime):
    root = await dynamic(runtime, flags=Flags(intensity=1))
    children = [await up(root, moody()) for _ in range(3)]
    await ends(children[0])
    assert root.alive
    await ends(children[1])

    assert root.exit_reason == SHUTDOWN
    assert not children[2].alive


async def test_e12_failing_restarts_of_a_dynamic_child_spend_the_budget(runtime):
    root = await dynamic(runtime, flags=Flags(intensity=2))
    left = [None, *[NOT_NOW] * 9]
    await ends(await up(root, ChildSpec("a", lambda runtime, parent: start_moody(runtime, parent, left))))

    assert root.exit_reason == SHUTDOWN
    assert len(left) == 7


@pytest.mark.parametrize(
    ("second", "left"),
    [("process", ["running"]), ("more", ["running"]), ("ignore", []), ("error", ["running"]), ("garbage", ["running"])],
)
async def test_e13_every_outcome_of_a_start_is_understood_in_a_restart(runtime, second, left):
    outcomes = ["process", second]

    async def start(runtime, parent):
        outcome = outcomes.pop(0) if outcomes else "process"
        if outcome == "ignore":
            return None
        if outcome == "garbage":
            return "what"
        process = await start_moody(runtime, parent, [NOT_NOW] if outcome == "error" else [])
        return Started(process, "more") if outcome == "more" else process

    root = await dynamic(runtime)
    await ends((await root.call(StartDynamic(ChildSpec("a", start)))).process)

    assert [state(info) for info in await root.call(WhichChildren())] == left


async def test_e14_with_intensity_one_the_second_crash_ends_the_supervisor(tree):
    family = await tree(intensity=1).start_named("ab")
    await family.crash("a")
    await family.crash("a")

    assert family.story == "-a +a -a -b"
    assert family.root.exit_reason == SHUTDOWN


async def test_e15_with_intensity_zero_the_first_crash_ends_the_supervisor(tree, reports):
    family = await tree(intensity=0).start_named("ab")
    await family.crash("a")

    assert family.story == "-a -b"
    assert contexts(reports) == ["child_terminated", "shutdown"]


async def test_e16_a_failing_restart_is_tried_exactly_as_often_as_the_intensity(tree):
    family = await tree(intensity=3).start_named("abc")
    family.refuse("a")
    await family.crash("a")
    await settle()

    assert family.story == "-a !a !a !a -c -b"
    assert family.root.exit_reason == SHUTDOWN


async def test_e17_terminating_a_restarting_child_calls_its_retry_off(tree):
    family = await hanging(tree, Strategy.ONE_FOR_ONE)
    await family.root.call(TerminateChild("b"))
    attempts = family.diary.count("!b")
    await settle()

    assert family.diary.count("!b") == attempts
    family.refuse("b", 0)
    assert isinstance(await family.root.call(RestartChild("b")), Started)


async def test_e18_a_restart_exactly_as_old_as_the_period_still_counts(tree, clock):
    for age_s, survives in ((5.0, False), (5.001, True)):
        family = await tree(intensity=1, period_s=5.0).start_named("a")
        await family.crash("a")
        await clock.advance(age_s)
        await family.crash("a")
        assert family.root.alive is survives
        if survives:
            await family.root.stop(SHUTDOWN)


async def test_e18_the_wall_clock_does_not_matter(tree, clock):
    family = await tree(intensity=1, period_s=5.0).start_named("a")
    await family.crash("a")
    clock._epoch_s += 1_000_000
    await family.crash("a")

    assert not family.root.alive


async def test_e19_nested_budgets_multiply(tree):
    family = tree(intensity=1)
    inner = actor(partial(Supervisor, Flags(intensity=2), [family.child("leaf")]), name="inner")
    await family.start(ChildSpec("inner", inner, type=ChildType.SUPERVISOR))
    while family.root.alive:
        await family.crash("leaf")

    assert family.diary.count("+leaf") == (2 + 1) * (1 + 1)
