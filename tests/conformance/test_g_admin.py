"""Group G: the administration, request by request and answer by answer."""

import pytest

from supervisors import (
    BRUTAL_KILL,
    IGNORE,
    KILLED,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    ChildType,
    Custom,
    Flags,
    Restart,
    Started,
    Supervisor,
    actor,
    sys,
)
from supervisors import administration as ask
from supervisors.admin import (
    AlreadyStarted,
    Answer,
    ChildInfo,
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    StartDynamic,
    StartFailed,
    TerminateChild,
    TooManyChildren,
    WhichChild,
    WhichChildren,
)
from supervisors.exits import NOPROC
from supervisors.simple import Apply, StartAlike
from supervisors.supervisor import Plan
from supervisors.testing import settle
from tests.conformance.household import (
    CRASH,
    EVER,
    NOT_FOUND,
    OK,
    counts,
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
from tests.supervisors.scripted import Scripted, boom, started


async def test_g01_every_request_has_its_answers(runtime):
    root = await static(runtime, Flags(), moody(id="a"))
    (process,) = await processes(root)

    assert await ask.start_child(root, moody(id="a")) == AlreadyStarted(process)
    assert await ask.restart_child(root, "a") == Answer.RUNNING
    assert await ask.delete_child(root, "a") == Answer.RUNNING
    assert await ask.terminate_child(root, process) == NOT_FOUND
    assert [await ask.terminate_child(root, "a") for _ in range(2)] == [OK, OK]
    assert await ask.start_child(root, moody(id="a")) == Answer.ALREADY_PRESENT
    assert await ask.count_children(root) == await root.call(CountChildren())
    assert await counts(root) == (1, 0, 0, 1)
    assert isinstance(await ask.restart_child(root, "a"), Started)


async def test_g01_what_is_not_there_is_not_found(runtime):
    root = await static(runtime, Flags())

    for request in (ask.terminate_child, ask.restart_child, ask.delete_child, ask.which_child, ask.get_childspec):
        assert await request(root, "z") == NOT_FOUND
    with pytest.raises(CallExit) as caught:
        await ask.which_children(runtime.named("nobody"))
    assert caught.value.reason == NOPROC


async def test_g01_a_child_that_asks_the_supervisor_that_awaits_it_is_told_so(runtime):
    class Asks(Actor):
        async def init(self):
            await ask.which_children(self.me.parent)

    class AsksAtTheEnd(Actor):
        async def terminate(self, reason):
            await ask.which_children(self.me.parent)

    root = await static(runtime, Flags())
    answer = await ask.start_child(root, ChildSpec("a", actor(Asks)))
    await ask.start_child(root, ChildSpec("b", actor(AsksAtTheEnd, name="b")))
    last = runtime.whereis("b")

    assert "the supervisor awaits this very child" in str(answer.reason)
    assert await ask.terminate_child(root, "b") == OK
    assert "the supervisor awaits this very child" in str(last.exit_reason)


async def test_g02_what_makes_no_sense_where_all_children_are_alike(runtime):
    root = await simple(runtime)
    child, stranger = await up(root, StartAlike()), await started(runtime, Scripted())
    no = Answer.SIMPLE_ONE_FOR_ONE

    assert [await root.call(request("a")) for request in (RestartChild, DeleteChild, TerminateChild)] == [no] * 3
    assert await root.call(TerminateChild(stranger)) == NOT_FOUND
    assert stranger.alive
    assert await root.call(TerminateChild(child)) == OK
    assert await root.call(TerminateChild(child)) == OK


async def test_g03_children_are_listed_latest_started_first(runtime):
    inner = ChildSpec("inner", actor(lambda: Supervisor(Flags(), [])), type=ChildType.SUPERVISOR, modules=(Supervisor,))
    root = await static(runtime, Flags(), moody(IGNORE, id="a"), inner, moody(id="c"))
    await root.call(StartChild(moody(id="d")))

    assert await rows(root) == [("d", "running"), ("c", "running"), ("inner", "running"), ("a", "undefined")]
    info = await ask.which_child(root, "inner")
    assert isinstance(info, ChildInfo)
    assert (info.type, info.modules, info.process.alive) == (ChildType.SUPERVISOR, (Supervisor,), True)


async def test_g04_dynamic_children_are_listed_and_found_by_their_processes(runtime):
    root = await simple(runtime)
    children = {await up(root, StartAlike()) for _ in range(3)}
    child = next(iter(children))

    assert {info.process for info in await root.call(WhichChildren())} == children
    assert (await root.call(WhichChild(child))).process is child
    assert await root.call(WhichChild("moody")) == NOT_FOUND


async def test_g05_a_thousand_children_are_counted_dead_or_alive(runtime):
    root = await simple(runtime, restart=Restart.TEMPORARY)
    children = [await up(root, StartAlike()) for _ in range(1_000)]
    assert await counts(root) == (1, 1_000, 0, 1_000)
    for child in children[:400]:
        child.exit(KILLED)
    await settle()

    assert await counts(root) == (1, 600, 0, 600)


async def test_g06_supervisors_are_counted_as_such(runtime):
    root = await simple(runtime, type=ChildType.SUPERVISOR)
    for _ in range(2_000):
        await up(root, StartAlike())
    mixed = await static(runtime, Flags(), moody(id="w"), moody(id="s", type=ChildType.SUPERVISOR))
    await mixed.call(TerminateChild("s"))

    assert await counts(root) == (1, 2_000, 2_000, 0)
    assert await counts(mixed) == (2, 1, 1, 1)


async def test_g07_introspection_names_the_class_of_the_supervisor_itself(runtime):
    class Own(Supervisor):
        def plan(self):
            return Plan(Flags(), [])

    root = await started(runtime, Own())

    assert "Own" in str((await sys.get_status(root)).module)


async def test_g08_the_life_of_a_child_by_hand(runtime):
    root = await static(runtime, Flags())

    assert isinstance(await root.call(StartChild(moody(id="a"))), Started)
    assert await root.call(DeleteChild("a")) == Answer.RUNNING
    assert await root.call(TerminateChild("a")) == OK
    assert isinstance(await root.call(RestartChild("a")), Started)
    assert await root.call(TerminateChild("a")) == OK
    assert await root.call(DeleteChild("a")) == OK
    assert await root.call(RestartChild("a")) == NOT_FOUND


async def terminated_twice(root, spec) -> object:
    child = await up(root, spec)
    assert [await root.call(TerminateChild(child)) for _ in range(2)] == [OK, NOT_FOUND]
    assert await processes(root) == []
    return child.exit_reason


async def test_g09_a_dynamic_child_is_terminated_brutally(runtime):
    assert await terminated_twice(await dynamic(runtime), moody(shutdown_s=BRUTAL_KILL)) == KILLED


async def test_g10_a_dynamic_child_is_terminated_with_patience(runtime):
    assert await terminated_twice(await dynamic(runtime), moody(shutdown_s=1)) == SHUTDOWN


async def retrying(root, spec):
    child = await up(root, spec)
    child.die(CRASH)
    while not root.instance._retrying:
        await root.call(CountChildren())
    return child


async def test_g11_terminating_a_restarting_dynamic_child_calls_its_retry_off(runtime):
    root = await dynamic(runtime, flags=Flags(intensity=1_000_000))
    child = await retrying(root, moody(None, *EVER))

    assert [await root.call(TerminateChild(child)) for _ in range(2)] == [OK, NOT_FOUND]
    await settle()
    assert await processes(root) == []
    assert root.queued == 0


async def test_g12_no_more_children_than_allowed(runtime):
    root = await dynamic(runtime, max_children=1)
    none = await dynamic_named(runtime, max_children=0)
    child = await up(root, moody(restart=Restart.TEMPORARY))

    assert await root.call(StartDynamic(moody())) == TooManyChildren(1)
    assert await none.call(StartDynamic(moody())) == TooManyChildren(0)
    await ends(child)
    assert isinstance(await root.call(StartDynamic(moody())), Started)


async def dynamic_named(runtime, **options):
    from supervisors import DynamicSupervisor

    return await started(runtime, DynamicSupervisor(**options))


async def test_g13_a_start_that_failed_or_was_ignored_makes_room(runtime):
    root = await dynamic(runtime, max_children=1)

    assert await root.call(StartDynamic(moody(IGNORE))) == Answer.IGNORED
    assert isinstance(await root.call(StartDynamic(moody(boom))), StartFailed)
    assert isinstance(await root.call(StartDynamic(moody())), Started)


async def test_g14_a_child_that_is_being_restarted_counts(runtime):
    root = await dynamic(runtime, max_children=1, flags=Flags(intensity=1_000_000))
    child = await retrying(root, moody(None, *EVER))

    assert await root.call(StartDynamic(moody())) == TooManyChildren(1)
    assert await counts(root) == (1, 0, 0, 1)
    assert await root.call(TerminateChild(child)) == OK
    assert isinstance(await root.call(StartDynamic(moody())), Started)


EXTRA = ChildSpec("a", Apply(lambda runtime, parent, *args: start_moody(runtime, parent, [], *args), ("own",)))


async def test_g15_extra_arguments_come_before_those_of_the_child(runtime):
    root = await dynamic(runtime, extra_arguments=("db", 1))
    child = await up(root, EXTRA)

    assert child.instance.arguments == ("db", 1, "own")


async def test_g16_they_are_there_after_a_restart_too(runtime):
    root = await dynamic(runtime, extra_arguments=("db", 1))
    child = await up(root, EXTRA)
    await ends(child)
    (successor,) = await processes(root)

    assert successor is not child
    assert successor.instance.arguments == ("db", 1, "own")


def returning(value):
    def start(runtime, parent):
        return value

    return start


async def test_g17_whatever_a_start_does_is_answered_and_hurts_nobody(runtime):
    async def fails(runtime, parent):
        raise ZeroDivisionError("on its way")

    root = await dynamic(runtime)
    holder = await started(runtime, Scripted(), name="taken")
    answers = [
        await root.call(StartDynamic(ChildSpec("a", start)))
        for start in (returning(None), returning("what"), boom, fails, actor(Scripted, name="taken"))
    ]

    assert answers[:2] == [Answer.IGNORED, StartFailed(Custom(("bad_return_value", "str")))]
    assert [str(answer.reason) for answer in answers[2:4]] == ["ValueError: boom", "ZeroDivisionError: on its way"]
    assert answers[4] == AlreadyStarted(holder)
    assert await counts(root) == (0, 0, 0, 0)
