"""Group N: looking into a living actor, holding it still, changing it (OTP `sys`)."""

import asyncio

import pytest

from supervisors import (
    IGNORE,
    NORMAL,
    SHUTDOWN,
    CallExit,
    ChildSpec,
    DynamicSupervisor,
    Flags,
    Restart,
    Stop,
    Strategy,
    Supervisor,
    TaskSupervisor,
    actor,
    spawn,
    sys,
)
from supervisors.admin import GetChildspec, RestartChild, WhichChildren
from supervisors.agent import Agent, AgentProcess
from supervisors.errors import CallbackFailed
from supervisors.events import Traced
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.flags import AutoShutdown
from supervisors.simple import Apply, SimpleOneForOne, StartAlike
from supervisors.supervisor import Plan
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started

# State


async def test_n01_the_state_can_be_had_by_process_and_by_name(runtime):
    process = await started(runtime, made := Scripted(["state"]), name="server")

    assert await sys.get_state(process) is made
    assert await sys.get_state(runtime.named("server"), timeout_s=5) is made


async def test_n01_the_state_of_a_suspended_actor_can_be_had(runtime):
    process = await started(runtime, made := Scripted())
    await sys.suspend(process)

    assert await sys.get_state(process) is made


async def test_n01_the_state_of_nobody_cannot_be_had(runtime):
    with pytest.raises(CallExit) as caught:
        await sys.get_state(runtime.named("nobody"))
    assert caught.value.reason == NOPROC


@pytest.mark.parametrize("suspended", [False, True])
async def test_n02_the_state_can_be_exchanged(runtime, suspended):
    process = await started(runtime, Scripted(["old"]))
    if suspended:
        await sys.suspend(process)
    new = await sys.replace_state(process, lambda old: Scripted([*old.diary, "new"]))
    await sys.resume(process)

    assert new.diary == ["old", "new"]
    assert await process.call(Ask(lambda self, _from: (self is new, self.me is process))) == (True, True)


async def test_n02_a_function_that_fails_leaves_the_state(runtime):
    process = await started(runtime, old := Scripted())
    with pytest.raises(CallbackFailed):
        await sys.replace_state(process, boom)

    assert await sys.get_state(process) is old


# Debug functions


async def test_n03_the_log_keeps_the_last_ten_events_in_order(runtime):
    process = await started(runtime, Scripted())
    await sys.log(process)
    for number in range(8):
        await process.call(Ask(number))
    log = await sys.get_log(process)

    assert len(log) == 10
    assert log[0] == "In(kind='handle_call', message=Ask(script=3))"
    assert log[-2:] == ("In(kind='handle_call', message=Ask(script=7))", "Out(reply=7, to='')")


async def test_n03_the_log_is_as_long_as_told_and_keeps_what_fits_when_that_changes(runtime):
    process = await started(runtime, Scripted())
    await sys.log(process, 4)
    for number in range(3):
        await process.call(Ask(number))
    await sys.log(process, 2)

    assert await sys.get_log(process) == ("In(kind='handle_call', message=Ask(script=2))", "Out(reply=2, to='')")


async def test_n03_a_log_switched_off_holds_nothing_and_nothing_is_logged_any_more(runtime):
    process = await started(runtime, Scripted())
    await sys.log(process)
    await process.call(Ask(1))
    await sys.log(process, 0)
    await process.call(Ask(2))

    assert await sys.get_log(process) == ()


async def test_n04_a_debug_function_writes_events_to_a_file(runtime, tmp_path):
    file = (tmp_path / "log").open("a", encoding="utf-8")

    def write(count, event, label):
        file.write(f"{count} {label} {type(event).__name__}\n")
        return count + 1

    process = await started(runtime, Scripted(), name="server")
    await sys.install(process, write, 0)
    await process.call(Ask(1))
    await sys.no_debug(process)
    await process.call(Ask(2))
    file.close()

    assert (tmp_path / "log").read_text(encoding="utf-8") == "0 server In\n1 server Out\n"


async def test_n05_messages_are_counted_from_when_it_is_wanted_until_it_is_not(runtime, clock):
    process = await started(runtime, Scripted())
    await process.call(Ask("before"))
    await clock.advance(1)
    await sys.statistics(process)
    await process.call(Ask("one"))
    process.cast("two")
    await clock.advance(2)
    counted = await sys.get_statistics(process)

    assert (counted.started_s, counted.now_s) == (1, 3)
    assert (counted.messages_in, counted.messages_out) == (2, 1)
    assert counted.reductions >= 2
    await sys.statistics(process, on=False)
    assert await sys.get_statistics(process) is None


async def test_n06_each_event_is_reported_while_traced(runtime, reports):
    process = await started(runtime, Scripted(), name="server")
    await sys.trace(process)
    await process.call(Ask("answer"))
    process.cast("message")
    process.send("message")
    await settle()
    await sys.trace(process, on=False)
    await process.call(Ask("unseen"))

    assert reports.events == [
        Traced("server", "in", "handle_call Ask"),
        Traced("server", "out", "str to a caller outside"),
        Traced("server", "in", "handle_cast str"),
        Traced("server", "noreply", ""),
        Traced("server", "in", "handle_info str"),
        Traced("server", "noreply", ""),
    ]


async def test_n06_a_reply_names_the_caller_it_goes_to(runtime, reports):
    process = await started(runtime, Scripted())

    async def ask(self, _from):
        return await process.call(Ask(1))

    caller = await started(runtime, Scripted(), name="caller")
    await sys.trace(process)
    await caller.call(Ask(ask))

    assert [event.subject for event in reports.events] == ["handle_call Ask", "int to caller"]


async def test_n07_a_suspended_actor_serves_only_sys_and_afterwards_all_that_has_come(runtime):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    await sys.suspend(process)
    for message in ("a", "b"):
        process.cast(message)
        process.send(message)
    await settle()

    assert diary == []
    assert (await sys.get_status(process)).is_suspended
    await sys.resume(process)
    await settle()
    assert diary == ["a", ("info", "a"), "b", ("info", "b")]


async def test_n07_suspend_and_resume_do_not_count(runtime):
    process = await started(runtime, Scripted())
    for _ in range(3):
        await sys.suspend(process)
    await sys.resume(process)
    assert await process.call(Ask(1)) == 1
    await sys.resume(process)
    assert not (await sys.get_status(process)).is_suspended


async def test_n07_a_callback_under_way_is_not_interrupted(runtime):
    gate = asyncio.Event()
    diary: list[object] = []

    async def wait(_self):
        await gate.wait()
        diary.append("through")

    process = await started(runtime, Scripted(diary))
    process.cast(wait)
    process.cast("next")
    await settle()
    suspended = asyncio.create_task(sys.suspend(process))
    gate.set()
    await suspended
    await settle()

    assert diary[0] == "through"
    await sys.resume(process)


async def test_n07_a_suspended_child_ends_with_its_supervisor(runtime):
    root = await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]), name="root")
    leaf = runtime.whereis("leaf")
    await sys.suspend(leaf)
    await root.stop(SHUTDOWN)

    assert leaf.exit_reason == SHUTDOWN


async def test_n07_a_suspended_actor_that_traps_exits_ends_through_terminate(runtime):
    from tests.supervisors.scripted import Tidy

    diary: list[object] = []
    leaf = ChildSpec("leaf", actor(lambda: Tidy(diary), name="leaf"))
    root = await spawn(runtime, Supervisor(Flags(), [leaf]), name="root")
    await sys.suspend(runtime.named("leaf"))
    runtime.named("leaf").cast("unread")
    await root.stop(SHUTDOWN)

    assert diary == [("terminate", SHUTDOWN)]


def recorder(events: list[object], last: int | None = None):
    def record(count: int, event: object, _label: str) -> object:
        events.append((count, type(event).__name__))
        return sys.DONE if count == last else count + 1

    return record


async def test_n08_a_debug_function_has_a_state_of_its_own_until_it_is_done(runtime):
    events: list[object] = []
    process = await started(runtime, Scripted())
    await sys.install(process, recorder(events, last=2), 0)
    for _ in range(3):
        await process.call(Ask(1))

    assert events == [(0, "In"), (1, "Out"), (2, "In")]
    assert (await sys.get_status(process)).debug == ()


async def test_n08_a_debug_function_is_installed_once_under_its_id_and_removed_by_it(runtime):
    events: list[object] = []
    process = await started(runtime, Scripted())
    assert await sys.install(process, recorder(events), 0, id="mine") == "mine"
    await sys.install(process, recorder(events), 100, id="mine")
    await sys.install(process, recorder([]), 0, id="other")
    await process.call(Ask(1))
    assert (await sys.get_status(process)).debug == ("mine", "other")
    await sys.remove(process, "mine")
    await process.call(Ask(2))

    assert events == [(0, "In"), (1, "Out")]
    assert (await sys.get_status(process)).debug == ("other",)


async def test_n08_a_debug_function_that_raises_is_removed_and_hurts_nobody(runtime, reports):
    events: list[object] = []
    process = await started(runtime, Scripted(), name="server")
    await sys.install(process, boom, id="broken")
    await sys.install(process, recorder(events), 0, id="sound")

    assert await process.call(Ask(1)) == 1
    assert events == [(0, "In"), (1, "Out")]
    assert [event.message for event in reports.events] == ["debug function broken raised ValueError and was removed"]


async def test_n09_supervisors_answer_like_any_other(runtime):
    leaf = ChildSpec("leaf", actor(Scripted, name="leaf"))
    for made in (Supervisor(Flags(), [leaf]), DynamicSupervisor(), TaskSupervisor()):
        process = await spawn(runtime, made)
        await sys.suspend(process)
        status = await sys.get_status(process)

        assert (status.is_suspended, status.module) == (True, type(made).__name__)
        await sys.resume(process)
        await process.stop(SHUTDOWN)


async def test_n09_a_suspended_supervisor_restarts_when_it_is_resumed(runtime):
    root = await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]))
    await sys.suspend(root)
    runtime.named("leaf").cast(boom)
    await settle()
    assert runtime.whereis("leaf") is None
    await sys.resume(root)
    await settle()
    assert runtime.whereis("leaf").incarnation == 2


async def test_n09_a_task_takes_no_messages_and_says_so_at_once(runtime):
    from supervisors import Tasks

    await spawn(runtime, TaskSupervisor(), name="tasks")
    task = await Tasks(runtime.named("tasks")).start_child(forever, label="work")
    with pytest.raises(CallExit) as caught:
        await sys.suspend(task)
    assert caught.value.reason == NOPROC


# Change of code


class Migrating(AgentProcess):
    def code_change(self, old: type, extra: object) -> None:
        self.value = (self.value, extra, old.__name__)
        if extra == "broken":
            boom()


async def migrated(agent: Agent, extra: str) -> None:
    await sys.suspend(agent.address)
    try:
        await sys.change_code(agent.address, Migrating, extra)
    finally:
        await sys.resume(agent.address)


async def test_n10_the_state_is_migrated_by_the_hook_of_the_new_class(runtime):
    agent = await Agent.start(runtime, dict)
    await migrated(agent, "v2")

    assert await agent.get(lambda value: value) == ({}, "v2", "AgentProcess")


async def test_n11_a_hook_that_raises_leaves_the_old_state(runtime):
    agent = await Agent.start(runtime, dict)
    with pytest.raises(CallbackFailed, match="code_change"):
        await migrated(agent, "broken")

    assert await agent.get(lambda value: value) == {}
    assert type(await sys.get_state(agent.address)) is AgentProcess


async def test_n12_calls_of_a_suspended_server_time_out_while_it_answers_sys(runtime, clock):
    process = await started(runtime, Scripted())
    await sys.suspend(process)
    call = asyncio.create_task(process.call(Ask(1), timeout_s=2))
    await clock.advance(2)

    assert call.exception().reason == TIMEOUT
    assert (await sys.get_status(process)).is_suspended
    await sys.resume(process)
    assert await process.call(Ask(2)) == 2


async def test_n13_messages_in_are_all_that_arrive_and_out_all_that_are_answered_at_once(runtime):
    from supervisors import NO_REPLY

    def later(self, from_):
        self.diary.append(from_)
        return NO_REPLY

    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    await sys.statistics(process)
    await process.call(Ask(1))
    process.cast("cast")
    process.send("info")
    call = asyncio.create_task(process.call(Ask(later)))
    await settle()
    diary[-1].reply("late")
    assert await call == "late"
    counted = await sys.get_statistics(process)

    assert (counted.messages_in, counted.messages_out) == (4, 1)


@pytest.mark.parametrize(
    ("change", "what"), [(boom, "ValueError: boom"), (lambda _old: 5, "expected an Actor, got: int")]
)
async def test_n14_a_replace_state_that_fails_says_why_and_the_server_goes_on(runtime, reports, change, what):
    process = await started(runtime, Scripted(["state"]))
    with pytest.raises(CallbackFailed, match=what):
        await sys.replace_state(process, change)

    assert await process.call(Ask(lambda self, _from: self.diary)) == ["state"]
    assert reports.events == []


class Slotted(Scripted):
    __slots__ = ("more",)


async def test_n15_a_change_to_a_class_of_another_shape_leaves_the_server_running(runtime):
    process = await started(runtime, Scripted(["state"]))
    await sys.suspend(process)
    with pytest.raises(CallbackFailed, match="Slotted"):
        await sys.change_code(process, Slotted)
    await sys.resume(process)

    assert await process.call(Ask(lambda self, _from: (type(self), self.diary))) == (Scripted, ["state"])


async def test_n15_code_changes_only_while_suspended(runtime):
    process = await started(runtime, Scripted(["state"]), name="server")
    with pytest.raises(CallbackFailed, match="expected server to be suspended"):
        await sys.change_code(process, Scripted)

    assert await process.call(Ask(1)) == 1


async def test_n15_a_change_that_fails_is_undone_in_slots_too(runtime):
    from supervisors import Actor

    class Old(Actor):
        __slots__ = ("n",)

        def init(self):
            self.n = 1

        def handle_call(self, request, from_):
            return type(self), self.n

    class New(Old):
        __slots__ = ()

        def code_change(self, old, extra):
            self.n = 2
            boom()

    process = await started(runtime, Old())
    await sys.suspend(process)
    with pytest.raises(CallbackFailed, match="boom"):
        await sys.change_code(process, New)
    await sys.resume(process)

    assert await process.call(Ask(1)) == (Old, 1)


# Change of code of supervisors


class Upgradable(Supervisor):
    """Follows what it is handed, as a supervisor module does that was upgraded."""

    def code_change(self, old: type, extra: object) -> None:
        self._given = extra
        super().code_change(old, extra)


async def upgraded(process, plan: object) -> None:
    await sys.suspend(process)
    try:
        await sys.change_code(process, type(await sys.get_state(process)), plan)
    finally:
        await sys.resume(process)


def significant(name: str, is_significant: bool = True) -> ChildSpec:
    start = actor(Scripted, name=name)
    return ChildSpec(name, start, Restart.TEMPORARY, significant=is_significant)


NEVER, ANY, ALL = AutoShutdown.NEVER, AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT


async def ends_after_upgrade(runtime, before: AutoShutdown, after: AutoShutdown) -> list[bool]:
    """Whether the supervisor has ended once the first, then both of its two children have ended by themselves."""

    def plan(auto_shutdown):
        children = [significant(name, auto_shutdown is not NEVER) for name in ("a", "b")]
        return Flags(auto_shutdown=auto_shutdown), children

    root = await spawn(runtime, Upgradable(*plan(before)), name="root")
    pids = [runtime.whereis(name).pid for name in ("a", "b")]
    await upgraded(root, Plan(*plan(after)))
    assert [runtime.whereis(name).pid for name in ("a", "b")] == pids
    ended = []
    for name in ("a", "b"):
        runtime.named(name).cast(lambda _self: Stop(NORMAL))
        await settle()
        ended.append(not root.alive)
    assert root.exit_reason == (SHUTDOWN if ended[-1] else None)
    return ended


async def test_n16_from_never_to_any_significant(runtime):
    assert await ends_after_upgrade(runtime, NEVER, ANY) == [True, True]


async def test_n17_from_never_to_all_significant(runtime):
    assert await ends_after_upgrade(runtime, NEVER, ALL) == [False, True]


async def test_n18_from_any_significant_to_never(runtime):
    assert await ends_after_upgrade(runtime, ANY, NEVER) == [False, False]


async def test_n19_from_any_significant_to_all_significant(runtime):
    assert await ends_after_upgrade(runtime, ANY, ALL) == [False, True]


async def test_n20_from_all_significant_to_never(runtime):
    assert await ends_after_upgrade(runtime, ALL, NEVER) == [False, False]


async def test_n21_from_all_significant_to_any_significant(runtime):
    assert await ends_after_upgrade(runtime, ALL, ANY) == [True, True]


@pytest.mark.parametrize("becomes", [True, False])
async def test_n22_a_child_becomes_significant_or_no_longer_is(runtime, becomes):
    flags = Flags(auto_shutdown=ANY)
    root = await spawn(runtime, Upgradable(flags, [significant("a", not becomes), significant("b")]))
    await upgraded(root, Plan(flags, [significant("a", becomes), significant("b")]))
    runtime.named("a").cast(lambda _self: Stop(NORMAL))
    await settle()

    assert root.alive is not becomes


def leaf(name: str, **more: object) -> ChildSpec:
    return ChildSpec(name, actor(Scripted, name=name), **more)


async def ids(root) -> list[object]:
    return [info.id for info in await root.call(WhichChildren())]


async def test_n23_flags_change_and_count_at_once(runtime):
    root = await spawn(runtime, Upgradable(Flags(intensity=0), [leaf("a")]))
    await upgraded(root, Plan(Flags(Strategy.ONE_FOR_ALL, intensity=1, period_s=3), [leaf("a")]))
    runtime.named("a").cast(boom)
    await settle()
    assert runtime.whereis("a").incarnation == 2
    runtime.named("a").cast(boom)
    await settle()
    assert root.exit_reason == SHUTDOWN


async def test_n23_specs_are_merged_by_id_and_nothing_is_started_or_stopped(runtime):
    root = await spawn(runtime, Upgradable(Flags(), []), name="root")
    await upgraded(root, Plan(Flags(), [leaf("a"), leaf("b")]))
    assert (await ids(root), runtime.whereis("a")) == (["b", "a"], None)
    for name in ("a", "b"):
        await root.call(RestartChild(name))
    a, b = runtime.whereis("a"), runtime.whereis("b")
    await upgraded(root, Plan(Flags(), [leaf("a", shutdown_s=7), leaf("c")]))

    assert await ids(root) == ["b", "c", "a"]
    assert (runtime.whereis("a"), runtime.whereis("b"), runtime.whereis("c")) == (a, b, None)
    assert (await root.call(GetChildspec("a"))).shutdown_s == 7


async def test_n23_an_upgrade_may_be_ignored(runtime):
    root = await spawn(runtime, Upgradable(Flags(), [leaf("a")]))
    await upgraded(root, IGNORE)

    assert await ids(root) == ["a"]


async def test_n23_an_upgrade_to_what_is_no_plan_is_refused_and_the_supervisor_goes_on(runtime):
    root = await spawn(runtime, Upgradable(Flags(), [leaf("a")]))
    with pytest.raises(CallbackFailed, match="expected a Plan or IGNORE, got: str"):
        await upgraded(root, "faulty return")

    assert await ids(root) == ["a"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda: Flags(intensity=-1), "invalid_intensity"),
        (lambda: Plan("no flags", []), "invalid_type"),
        (lambda: Plan(Flags(), [leaf("a"), leaf("a")]), "duplicate_child_name"),
    ],
)
async def test_n23_a_faulty_plan_is_refused_and_the_supervisor_goes_on(runtime, wrong, code):
    class Faulty(Upgradable):
        def plan(self):
            return wrong() if self._given == "wrong" else super().plan()

    root = await spawn(runtime, Faulty(Flags(), [leaf("a")]))
    with pytest.raises(CallbackFailed) as caught:
        await upgraded(root, "wrong")

    assert caught.value.reason.exception.code == code
    assert await ids(root) == ["a"]
    await upgraded(root, Plan(Flags(), [leaf("a"), leaf("b")]))
    assert await ids(root) == ["b", "a"]


async def test_n24_flags_and_specs_of_an_upgrade_may_come_as_maps(runtime):
    root = await spawn(runtime, Upgradable(Flags(), [leaf("a")]))
    child = ChildSpec.of({"id": "b", "start": actor(Scripted, name="b"), "restart": Restart.TEMPORARY, "unknown": 1})
    await upgraded(root, Plan(Flags.of({"intensity": 5}), [leaf("a"), child]))

    assert await ids(root) == ["b", "a"]
    assert (await root.call(GetChildspec("b"))).restart is Restart.TEMPORARY
    assert (await sys.get_state(root)).restarts() == (0, 5)


async def labelled(runtime, parent, *args: object):
    return await spawn(runtime, Scripted(list(args)), parent=parent)


async def relabelled(runtime, parent, *args: object):
    return await spawn(runtime, Scripted(["new", *args]), parent=parent)


def template(start, **more: object) -> ChildSpec:
    return ChildSpec("alike", Apply(start, ("t",)), **more)


async def diaries(runtime) -> list[object]:
    return [each.instance.diary for each in runtime.processes.values() if isinstance(each.instance, Scripted)]


async def test_n25_the_template_changes_for_new_children_and_for_restarts_of_old_ones(runtime):
    root = await spawn(runtime, SimpleOneForOne(template(labelled)))
    await root.call(StartAlike(("first",)))
    await upgraded(root, template(relabelled))
    assert await diaries(runtime) == [["t", "first"]]
    await root.call(StartAlike(("second",)))
    assert await diaries(runtime) == [["t", "first"], ["new", "t", "second"]]
    (old, _new) = (each for each in runtime.processes.values() if isinstance(each.instance, Scripted))
    old.cast(boom)
    await settle()

    assert await diaries(runtime) == [["new", "t", "second"], ["new", "t", "first"]]


@pytest.mark.parametrize("wrong", [[], [template(labelled)] * 2, ChildSpec("plain", actor(Scripted))])
async def test_n25_what_is_no_single_template_is_refused(runtime, wrong):
    root = await spawn(runtime, SimpleOneForOne(template(labelled)))
    with pytest.raises(CallbackFailed, match="code_change"):
        await upgraded(root, wrong)

    await root.call(StartAlike(("first",)))
    assert await diaries(runtime) == [["t", "first"]]


async def test_n26_the_template_may_come_as_a_map(runtime):
    root = await spawn(runtime, SimpleOneForOne(template(labelled)))
    await upgraded(root, ChildSpec.of({"id": "alike", "start": Apply(relabelled)}))
    await root.call(StartAlike(("first",)))

    assert await diaries(runtime) == [["new", "first"]]
