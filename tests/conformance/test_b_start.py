"""Group B: start, ignore, rollback, names."""

from functools import partial

import pytest

from supervisors import (
    IGNORE,
    NORMAL,
    SHUTDOWN,
    Actor,
    ChildSpec,
    ChildType,
    Custom,
    DynamicSupervisor,
    Flags,
    NameTaken,
    NotStarted,
    Restart,
    Shutdown,
    Started,
    Stop,
    Strategy,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import (
    AlreadyStarted,
    Answer,
    FailedToStart,
    RestartChild,
    StartChild,
    StartDynamic,
    StartFailed,
    TerminateChild,
)
from supervisors.administration import stop
from supervisors.registry import Registry
from supervisors.simple import StartAlike
from supervisors.testing import settle
from tests.conformance.household import CRASH, NOT_NOW, counts, dynamic, moody, rows, simple, static
from tests.supervisors.scripted import Ask, Scripted, boom, started


class Trapping(Scripted):
    """A starter that would see every exit that leaks to it."""

    trap_exit = True


async def planned(runtime, plan, parent=None):
    class Planned(Supervisor):
        def plan(self):
            return plan()

    return await spawn(runtime, Planned(), parent=parent)


async def test_b01_an_empty_supervisor_starts_and_stops(runtime):
    root = await static(runtime, Flags())
    await stop(root)

    assert root.exit_reason == NORMAL
    assert runtime.processes == {}


async def test_b02_a_supervisor_may_find_it_is_not_needed_and_its_starter_hears_nothing_else(runtime):
    starter = await started(runtime, Trapping())

    assert await planned(runtime, lambda: IGNORE, starter) is None
    await settle()
    assert starter.instance.diary == []


async def test_b03_a_child_that_is_not_needed_keeps_its_specification(runtime):
    root = await static(runtime, Flags(), moody(IGNORE, id="a"), moody(id="b"))

    assert await rows(root) == [("b", "running"), ("a", "undefined")]
    assert await counts(root) == (2, 1, 0, 2)


async def test_b04_a_temporary_child_that_is_not_needed_leaves_none(runtime):
    root = await static(runtime, Flags(), moody(IGNORE, id="a", restart=Restart.TEMPORARY), moody(id="b"))

    assert await rows(root) == [("b", "running")]


@pytest.mark.parametrize(("restart", "left"), [(Restart.TEMPORARY, []), (Restart.TRANSIENT, [("moody", "undefined")])])
async def test_b05_the_same_through_start_child(runtime, restart, left):
    root = await static(runtime, Flags())

    assert await root.call(StartChild(moody(IGNORE, restart=restart))) == Answer.IGNORED
    assert await rows(root) == left


async def nothing_is_stored_of_a_dynamic_child_that_is_not_needed(runtime, restart):
    root = await simple(runtime, IGNORE, restart=restart)

    assert await root.call(StartAlike()) == Answer.IGNORED
    assert await counts(root) == (1, 0, 0, 0)
    await stop(root, SHUTDOWN)
    assert runtime.processes == {}


async def test_b06_nothing_is_stored_of_a_temporary_dynamic_child_that_is_not_needed(runtime):
    await nothing_is_stored_of_a_dynamic_child_that_is_not_needed(runtime, Restart.TEMPORARY)


async def test_b07_nor_of_a_permanent_one(runtime):
    await nothing_is_stored_of_a_dynamic_child_that_is_not_needed(runtime, Restart.PERMANENT)


@pytest.mark.parametrize(("value", "type_"), [("up", "str"), (None, "NoneType"), ([], "list")])
async def test_b08_a_plan_that_is_none_fails_the_start_as_a_bad_return(runtime, value, type_):
    with pytest.raises(NotStarted) as caught:
        await planned(runtime, lambda: value)

    assert caught.value.reason == Custom(("bad_return_value", type_))


async def test_b09_an_exception_in_the_plan_fails_the_start_and_leaks_nothing(runtime):
    starter = await started(runtime, Trapping())
    with pytest.raises(NotStarted) as caught:
        await planned(runtime, boom, starter)
    await settle()

    assert str(caught.value.reason) == "ValueError: boom"
    assert starter.instance.diary == []


async def fails(runtime, parent):
    raise NotStarted("it", CRASH)


def returns_garbage(runtime, parent):
    return "a process, surely"


FAILURES = [(fails, CRASH), (returns_garbage, Custom(("bad_return_value", "str")))]


@pytest.mark.parametrize(("start", "reason"), FAILURES)
async def test_b10_a_start_that_fails_is_answered_and_its_specification_dropped(runtime, reports, start, reason):
    root = await static(runtime, Flags())

    assert await root.call(StartChild(ChildSpec("a", start))) == StartFailed(reason)
    assert await rows(root) == []
    assert reports.events == []


@pytest.mark.parametrize(("start", "reason"), FAILURES)
async def test_b11_the_same_under_a_dynamic_supervisor(runtime, start, reason):
    root = await dynamic(runtime)

    assert await root.call(StartDynamic(ChildSpec("a", start))) == StartFailed(reason)
    assert await rows(root) == []


async def test_b12_a_restart_by_hand_that_fails_keeps_the_specification(runtime):
    root = await static(runtime, Flags(), moody(None, NOT_NOW, id="a"))
    await root.call(TerminateChild("a"))

    assert await root.call(RestartChild("a")) == StartFailed(Custom("not now"))
    assert await rows(root) == [("a", "undefined")]
    assert isinstance(await root.call(RestartChild("a")), Started)


async def test_b13_a_start_function_may_say_more_and_a_restart_does_not_mind(runtime):
    async def talkative(runtime, parent):
        return Started(await actor(partial(Scripted, []), name="a")(runtime, parent), "the port is 80")

    root = await static(runtime, Flags())

    assert (await root.call(StartChild(ChildSpec("a", talkative)))).info == "the port is 80"
    await root.call(TerminateChild("a"))
    assert (await root.call(RestartChild("a"))).info == "the port is 80"
    runtime.whereis("a").cast(boom)
    await settle()
    assert runtime.whereis("a").incarnation == 3


async def test_b14_a_name_held_by_a_stranger_is_answered_with_who_holds_it(runtime):
    stranger = await started(runtime, Scripted(), name="a")
    root = await static(runtime, Flags())

    assert await root.call(StartChild(ChildSpec("a", actor(Scripted, name="a")))) == AlreadyStarted(stranger)
    assert await rows(root) == []


async def test_b15_the_failure_of_a_nested_child_reaches_the_starter_of_the_top(tree):
    family = tree()
    family.refuse("leaf")
    inner = actor(partial(Supervisor, Flags(), [family.child("leaf")]))
    with pytest.raises(NotStarted) as caught:
        await family.start(ChildSpec("inner", inner, type=ChildType.SUPERVISOR))

    leaf = Shutdown(FailedToStart("leaf", Custom("cannot")))
    assert caught.value.reason == Shutdown(FailedToStart("inner", leaf))


async def test_b16_children_start_in_the_order_of_the_list_and_stop_in_the_reverse(tree):
    family = tree(Strategy.REST_FOR_ONE)
    await family.start(*(family.child(name) for name in "cab"))
    await family.crash("a")
    await stop(family.root, SHUTDOWN)

    assert family.story == "+c +a +b -a -b +a +b -b -a -c"


async def test_b17_a_failed_start_is_rolled_back_in_reverse_and_leaks_nothing(runtime, tree, reports):
    family = tree()
    family.refuse("c")
    starter = await started(runtime, Trapping())
    children = [family.child(name) for name in "abc"]
    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Supervisor(family.flags, children), parent=starter)
    await settle()

    assert family.story == "+a +b !c -b -a"
    assert caught.value.reason == Shutdown(FailedToStart("c", Custom("cannot")))
    assert starter.instance.diary == []
    assert [event.context for event in reports.events if hasattr(event, "context")] == ["start_error"]


async def test_b18_a_supervisor_is_reached_through_a_registry(runtime):
    root = await static(runtime, Flags(), Registry.spec("names"), moody(id="a"))
    registry = Registry[str, None](runtime, "names")
    registry.register("boss", None, owner=root)

    assert ("a", "running") in await rows(registry.via("boss"))


async def test_b20_a_supervisor_is_reached_by_its_name(runtime):
    await static(runtime, Flags(), moody(id="a"))

    assert await rows(runtime.named("static")) == [("a", "running")]


async def test_b21_a_start_answers_with_the_process_and_links_it_to_the_starter(runtime):
    starter = await started(runtime, Trapping())
    root = await spawn(runtime, Supervisor(Flags(), []), parent=starter)
    await stop(root, SHUTDOWN)
    await settle()

    assert [(message.sender, message.reason) for _, message in starter.instance.diary] == [(root, SHUTDOWN)]


async def test_b22_a_planned_supervisor_answers_a_start_with_every_outcome(runtime):
    class Failing(Actor):
        def init(self):
            return Stop(CRASH)

    def fails_to_plan():
        return Stop(CRASH)

    with pytest.raises(NotStarted) as caught:
        await planned(runtime, fails_to_plan)
    assert caught.value.reason == CRASH
    assert await planned(runtime, lambda: IGNORE) is None
    assert runtime.processes == {}


async def test_b23_a_name_that_is_taken_fails_the_start_and_hurts_nobody(runtime):
    holder = await dynamic(runtime)
    with pytest.raises(NameTaken):
        await spawn(runtime, DynamicSupervisor(), name="dynamic")

    assert runtime.whereis("dynamic") is holder
    assert await holder.call(Ask(1)) == Answer.UNKNOWN_CALL
