"""Group D: strategies, and what a round does when a start fails in it."""

from functools import partial

import pytest

from supervisors import (
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    ChildType,
    Flags,
    Restart,
    Started,
    Strategy,
    Supervisor,
    actor,
)
from supervisors.admin import StartChild, StartDynamic
from supervisors.simple import StartAlike
from supervisors.testing import settle
from tests.conformance.household import contexts, dynamic, ends, processes, rows, simple, start_moody, up


def lives(family, names: str) -> list[int]:
    """Which life each child is in."""
    return [family.process(name).incarnation for name in names]


async def test_d01_one_for_one_replaces_the_dead_child_alone_until_the_budget_is_spent(tree):
    family = await tree(intensity=2).start_named("abc")
    await family.crash("b")
    await family.crash("b")
    assert (family.story, lives(family, "abc")) == ("-b +b -b +b", [1, 3, 1])
    await family.crash("b")

    assert family.story == "-b +b -b +b -b -c -a"
    assert family.root.exit_reason == SHUTDOWN


async def test_d02_one_for_all_replaces_everybody(tree):
    family = await tree(Strategy.ONE_FOR_ALL).start_named("abc")
    await family.crash("b")

    assert family.story == "-b -c -a +a +b +c"
    assert lives(family, "abc") == [2, 2, 2]


async def test_d03_rest_for_one_replaces_the_dead_child_and_those_after_it(tree):
    family = await tree(Strategy.REST_FOR_ONE).start_named("abcd")
    await family.crash("b")

    assert family.story == "-b -d -c +b +c +d"
    assert lives(family, "abcd") == [1, 2, 2, 2]


async def test_d04_dynamic_children_are_restarted_one_by_one_until_the_budget_is_spent(runtime):
    root = await simple(runtime, flags=Flags(intensity=1))
    first, second = await up(root, StartAlike()), await up(root, StartAlike())
    await ends(first)
    left = await processes(root)
    assert second in left
    assert first not in left
    await ends(second)

    assert root.exit_reason == SHUTDOWN
    assert runtime.processes == {}


async def test_d05_what_a_start_function_says_besides_does_not_matter_to_a_restart(runtime):
    async def talkative(runtime, parent):
        return Started(await start_moody(runtime, parent, []), "more")

    root = await dynamic(runtime)
    answer = await root.call(StartDynamic(ChildSpec("a", talkative)))
    await ends(answer.process)

    assert answer.info == "more"
    assert [process.alive for process in await processes(root)] == [True]


async def test_d06_a_dynamic_restart_that_finds_the_child_not_needed_drops_it(runtime):
    root = await simple(runtime, None, IGNORE)
    await ends(await up(root, StartAlike()))

    assert await processes(root) == []
    assert root.alive


def nested(family, name: str, leaves: str, flags: Flags) -> ChildSpec:
    children = [family.child(leaf) for leaf in leaves]
    return ChildSpec(name, actor(partial(Supervisor, flags, children), name=name), type=ChildType.SUPERVISOR)


async def test_d07_an_inner_supervisor_isolates_until_it_gives_up(tree):
    family = tree(Strategy.ONE_FOR_ALL)
    await family.start(nested(family, "left", "ab", Flags(intensity=1)), nested(family, "right", "c", Flags()))
    inner = family.process("left")
    await inner.call(StartChild(family.child("extra")))
    family.forget()
    await family.crash("a")
    assert (family.story, family.process("left")) == ("-a +a", inner)
    await family.crash("a")

    assert family.story == "-a +a -a -extra -b -c +a +b +c"
    assert await rows(family.process("left")) == [("b", "running"), ("a", "running")]
    assert lives(family, ["left", "right"]) == [2, 2]


async def test_d08_when_a_later_child_fails_in_the_round_of_all_everybody_is_stopped_and_tried_again(tree):
    family = await tree(Strategy.ONE_FOR_ALL, intensity=5).start_named("abc")
    family.refuse("b", 1)
    await family.crash("c")

    assert family.story == "-c -b -a +a !b -a +a +b +c"


async def test_d09_a_retry_of_the_rest_begins_with_the_child_that_failed(tree):
    family = await tree(Strategy.REST_FOR_ONE, intensity=5).start_named("abc")
    family.refuse("b", 1)
    await family.crash("a")

    assert family.story == "-a -c -b +a !b +b +c"


async def test_d10_the_tree_of_a_service_loses_what_comes_after_the_crash(tree):
    family = tree(Strategy.REST_FOR_ONE)
    await family.start(*(family.child(name) for name in ("ts", "ledger", "queue", "hb", "nm", "http")))
    family.forget()
    await family.crash("queue")

    assert family.story == "-queue -http -nm -hb +queue +hb +nm +http"
    assert lives(family, ["ts", "ledger"]) == [1, 1]


async def test_d11_earlier_successes_of_a_round_are_kept(tree, reports):
    family = await tree(Strategy.REST_FOR_ONE, intensity=5).start_named("abcd")
    family.refuse("c", 2)
    await family.crash("b")

    assert family.story == "-b -d -c +b !c !c +c +d"
    assert contexts(reports) == ["child_terminated", "start_error", "start_error"]


async def test_d12_one_for_all_with_a_third_child_that_fails_starts_over_each_time(tree):
    family = await tree(Strategy.ONE_FOR_ALL, intensity=5).start_named("abc")
    family.refuse("c", 2)
    await family.crash("a")

    assert family.story == "-a -c -b +a +b !c -b -a +a +b !c -b -a +a +b +c"


@pytest.mark.parametrize("is_dead", [False, True])
async def test_d13_a_round_of_all_deletes_temporary_siblings_and_starts_transient_ones(tree, is_dead):
    family = tree(Strategy.ONE_FOR_ALL)
    temporary, transient = family.child("t", restart=Restart.TEMPORARY), family.child("r", restart=Restart.TRANSIENT)
    await family.start(family.child("a"), temporary, transient)
    if is_dead:
        await family.crash("r", NORMAL)
    family.forget()
    await family.crash("a")

    assert family.story == ("-a -t +a +r" if is_dead else "-a -r -t +a +r")
    assert await rows(family.root) == [("r", "running"), ("a", "running")]


@pytest.mark.parametrize(
    ("order", "story"),
    [("bd", "-c +b +c +d"), ("db", "+d -d -c -a")],
)
async def test_d14_of_two_deaths_at_once_the_one_within_the_round_of_the_other_costs_nothing(tree, order, story):
    family = await tree(Strategy.REST_FOR_ONE, intensity=1).start_named("abcd")
    for name in order:
        family.process(name).exit(KILLED)
    await settle()

    assert family.story == story
    assert family.root.alive is (order == "bd")
