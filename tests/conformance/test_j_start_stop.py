"""Group J: how servers start and stop. Cases of `gen_server_SUITE`, `proc_lib_SUITE` and Elixir's `gen_server_test.exs`."""

import asyncio
from functools import partial

import pytest

from supervisors import (
    IGNORE,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    ChildType,
    Custom,
    Down,
    Error,
    Exit,
    ExitWith,
    Fail,
    NameTaken,
    NotStarted,
    Restart,
    Stop,
    Supervisor,
    actor,
    spawn,
    spawn_monitor,
)
from supervisors.administration import child_spec
from supervisors.exits import CALLING_SELF, NOPROC, TIMEOUT
from supervisors.flags import Flags
from supervisors.registry import AlreadyRegistered, Registry
from supervisors.signals import State
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started

OOPS = Custom("oops")


class Trapping(Scripted):
    """Notes exits, and whatever else arrives, bare."""

    trap_exit = True

    def handle_info(self, message):
        self.diary.append(message)


class Beginner(Scripted):
    """Does in `init` what it is told."""

    trap_exit = False

    def __init__(self, begin=lambda _: None):
        super().__init__()
        self.begin = begin

    def init(self):
        return self.begin(self)


@pytest.fixture
async def me(runtime):
    """The starter: it hears whatever leaks."""
    return await started(runtime, Trapping(), name="me")


@pytest.fixture
def heard(me):
    return me.instance.diary


# The ways to start: each answers the process, or None


async def alone(me, instance, **more):
    return await spawn(me.runtime, instance, **more)


async def linked(me, instance, **more):
    return await spawn(me.runtime, instance, parent=me, **more)


async def monitored(me, instance, parent=None, **more):
    up = await spawn_monitor(me.runtime, instance, watcher=me, parent=parent, **more)
    return up and up[0]


async def both(me, instance, **more):
    return await monitored(me, instance, parent=me, **more)


async def child(me, instance, **more):
    return await actor(lambda: instance, **more)(me.runtime, me)


WAYS = pytest.mark.parametrize("start", [alone, linked, monitored, both, child], ids=lambda way: way.__name__)


async def refusal(starting):
    with pytest.raises(NotStarted) as caught:
        await starting
    return caught.value.reason


# How a server starts (gen_server)


@WAYS
@pytest.mark.parametrize("name", [None, "server"])
async def test_j01_a_server_starts_with_a_name_or_without(runtime, me, heard, start, name):
    process = await start(me, Beginner(), name=name)

    assert (process.state, process.name) == (State.RUNNING, name)
    assert name is None or runtime.whereis(name) is process
    assert (process.parent, me.links) == ((me, (process,)) if start in (linked, both, child) else (None, ()))
    assert (me.monitors, heard) == ((process,) if start in (monitored, both) else (), [])


@WAYS
async def test_j01_a_name_is_given_once(runtime, me, heard, start):
    first = await start(me, Beginner(), name="server")
    relations = (me.links, me.monitors)
    with pytest.raises(NameTaken) as caught:
        await start(me, Beginner(), name="server")
    await settle()

    assert caught.value.reason == "already_started"
    assert (runtime.whereis("server"), me.links, me.monitors) == (first, *relations)
    assert (heard, len(runtime.processes)) == ([], 2)


@WAYS
async def test_j01_a_key_of_a_registry_is_a_name_too(runtime, me, heard, start):
    await spawn(runtime, Supervisor(Flags(), [Registry.spec("registry")]), name="root")
    registry = Registry(runtime, "registry")

    def takes_its_key(actor):
        taken = registry.register("server", None)
        return None if taken is None else Fail(Custom(taken))

    first = await start(me, Beginner(takes_its_key))

    assert await registry.via("server").call(Ask("here")) == "here"
    assert await refusal(start(me, Beginner(takes_its_key))) == Custom(AlreadyRegistered(first))
    assert (registry.whereis("server"), heard) == (first, [])


@WAYS
async def test_j01_an_init_that_takes_too_long_is_given_up(runtime, me, heard, start, clock):
    starting = asyncio.create_task(refusal(start(me, Beginner(forever), name="server", within_s=2)))
    await clock.advance(1.999)
    assert not starting.done()
    await clock.advance(0.001)

    assert await starting == TIMEOUT
    assert (runtime.whereis("server"), heard, me.links, me.monitors) == (None, [], (), ())


# How it fails to start


def leaves(_):
    raise ExitWith(OOPS)


SHAPES = {
    "ignore": lambda _: IGNORE,
    "stop": lambda _: Stop(OOPS),
    "fail": lambda _: Fail(OOPS),
    "exit": leaves,
    "error": boom,
    "bad return value": lambda _: 42,
}
REASONS = {"stop": OOPS, "fail": OOPS, "exit": OOPS, "bad return value": Custom(("bad_return_value", "int"))}


def after_a_while(shape):
    async def begin(instance):
        await asyncio.sleep(0)
        return shape(instance)

    return begin


async def check_a_failing_start(start, me, shape, begin):
    if shape == "ignore":
        assert await start(me, Beginner(begin), name="server") is None
        return
    reason = await refusal(start(me, Beginner(begin), name="server"))
    if shape == "error":
        assert isinstance(reason, Error)
        assert (type(reason.exception), str(reason)) == (ValueError, "ValueError: boom")
    else:
        assert reason == REASONS[shape]


@WAYS
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_j02_a_failing_start_tells_exactly_why_and_leaves_nothing(runtime, me, heard, start, shape, waits):
    begin = after_a_while(SHAPES[shape]) if waits else SHAPES[shape]
    for _ in range(5):
        await check_a_failing_start(start, me, shape, begin)
        assert runtime.whereis("server") is None
        assert (me.links, me.monitors, me.monitored_by) == ((), (), ())
    await settle()

    assert (heard, me.queued, list(runtime.processes.values())) == ([], 0, [me])


@WAYS
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
async def test_j03_the_name_is_free_when_a_failed_start_returns(runtime, me, heard, start, waits):
    begin = after_a_while(leaves) if waits else leaves
    for _ in range(100):
        assert await refusal(start(me, Beginner(begin), name="server")) == OOPS
        assert runtime.whereis("server") is None
    await settle()

    assert heard == []


# How it stops


async def exit_of(stopping):
    with pytest.raises(CallExit) as caught:
        await stopping
    return caught.value.reason


@pytest.fixture
async def server(runtime):
    return await started(runtime, Tidy(), name="to_stop")


async def test_j04_stop_ends_a_server_in_order_once(server):
    diary = server.instance.diary
    await server.stop()

    assert (server.exit_reason, diary) == (NORMAL, [("terminate", NORMAL)])
    assert await exit_of(server.stop()) == NOPROC


async def test_j05_stop_ends_a_server_for_another_reason(server, reports):
    diary = server.instance.diary
    await server.stop(OOPS)

    assert (server.exit_reason, diary) == (OOPS, [("terminate", OOPS)])
    assert reports.kinds() == ["Terminated", "Crashed"]
    assert await exit_of(server.stop()) == NOPROC


async def test_j05_stop_comes_after_what_is_queued(server):
    diary = server.instance.diary
    server.cast("first")
    await server.stop(SHUTDOWN, 5)

    assert diary == ["first", ("terminate", SHUTDOWN)]


@pytest.mark.parametrize("timeout_s", ["soon", -1, float("nan"), True])
async def test_j06_stop_within_what_is_no_time_does_nothing(server, timeout_s):
    with pytest.raises(ValueError, match="expected timeout_s to be seconds"):
        await server.stop(NORMAL, timeout_s)
    await settle()

    assert server.alive
    assert server.instance.diary == []


async def test_j07_stop_by_name(runtime, server):
    address = runtime.named("to_stop")
    await address.stop()

    assert (server.exit_reason, runtime.whereis("to_stop")) == (NORMAL, None)
    assert await exit_of(address.stop()) == NOPROC


async def test_j08_stop_by_the_key_of_a_registry(runtime, server):
    await spawn(runtime, Supervisor(Flags(), [Registry.spec("registry")]), name="root")
    registry = Registry(runtime, "registry")
    registry.register("key", None, owner=server)
    await registry.via("key").stop()

    assert (server.exit_reason, registry.lookup("key")) == (NORMAL, [])
    assert await exit_of(registry.via("key").stop()) == NOPROC


# Its parent, its init


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, OOPS])
async def test_j10_the_exit_of_a_named_parent_ends_a_server_through_terminate(runtime, reason):
    parent = await started(runtime, Beginner(), name="parent")
    server = await spawn(runtime, Tidy(), parent=runtime.whereis("parent"), name="server")
    diary = server.instance.diary
    parent.cast(lambda _: Stop(reason))
    await settle()

    assert (parent.exit_reason, server.exit_reason) == (reason, reason)
    assert diary == [("terminate", reason)]


class ExpectsAnArgument(Actor):
    def init(self, argument):
        raise AssertionError(argument)


class HasNone(Actor):
    init = None


@WAYS
@pytest.mark.parametrize("what", [ExpectsAnArgument, HasNone])
async def test_j12_where_there_is_no_init_to_call_the_starter_is_told(runtime, me, heard, start, what):
    reason = await refusal(start(me, what(), name="server"))
    await settle()

    assert isinstance(reason.exception, TypeError)
    assert (heard, runtime.whereis("server")) == ([], None)


# A start is synchronous (proc_lib)


class Slow(Beginner):
    """Is up when the gate is open."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate

    async def init(self):
        await self.gate.wait()
        self.diary.append("init")


async def up_synchronously(start, me):
    """Start, and see that the starter waits for the end of `init`."""
    gate = asyncio.Event()
    instance = Slow(gate)
    starting = asyncio.create_task(start(me, instance))
    await settle()
    assert (starting.done(), instance.me.state) == (False, State.STARTING)
    gate.set()
    process = await starting
    assert (process.state, instance.diary) == (State.RUNNING, ["init"])
    return process


async def test_j13_a_start_is_synchronous(me, heard):
    process = await up_synchronously(alone, me)
    process.exit(OOPS)
    await settle()

    assert heard == []


async def test_j14_a_linked_start_is_synchronous_and_the_link_tells_of_the_end(me, heard):
    process = await up_synchronously(linked, me)
    process.exit(OOPS)
    await settle()

    assert heard == [Exit(process, OOPS)]


async def test_j15_a_monitored_start_is_synchronous_and_the_monitor_tells_of_the_end(me, heard):
    process = await up_synchronously(monitored, me)
    process.exit(OOPS)
    await settle()

    [down] = heard
    assert down == Down(down.monitor, process, OOPS)


async def test_j15_the_monitor_is_there_before_the_first_step(runtime, me, heard):
    def ends_soon(actor):
        actor.me.runtime.loop.call_soon(actor.me.exit, OOPS)

    process, monitor = await spawn_monitor(runtime, Beginner(after_a_while(ends_soon)), watcher=me)
    await settle()

    assert heard == [Down(monitor, process, OOPS)]


async def test_j16_a_start_that_is_linked_and_monitored_tells_of_the_end_twice(me, heard):
    process = await up_synchronously(both, me)
    process.exit(OOPS)
    await settle()

    exit_, down = heard
    assert (exit_, down) == (Exit(process, OOPS), Down(down.monitor, process, OOPS))


async def check_a_start_out_of_time(start, me, heard, clock):
    ended = []

    async def begin(instance):
        instance.me.on_death(ended.append)
        await forever()

    starting = asyncio.create_task(refusal(start(me, Beginner(begin), within_s=1)))
    await clock.advance(1)
    assert (await starting, ended) == (TIMEOUT, [TIMEOUT])
    await clock.advance(60)
    assert (heard, me.queued, me.links, me.monitors) == ([], 0, (), ())
    assert list(me.runtime.processes.values()) == [me]
    assert clock.pending == 0


async def test_j17_who_is_not_up_in_time_is_ended(me, heard, clock):
    await check_a_start_out_of_time(alone, me, heard, clock)


async def test_j18_who_is_not_up_in_time_is_ended_and_no_exit_leaks(me, heard, clock):
    await check_a_start_out_of_time(linked, me, heard, clock)
    await check_a_start_out_of_time(child, me, heard, clock)


async def test_j19_who_is_not_up_in_time_is_ended_and_neither_exit_nor_down_leaks(me, heard, clock):
    await check_a_start_out_of_time(monitored, me, heard, clock)
    await check_a_start_out_of_time(both, me, heard, clock)


async def test_j19_a_monitored_start_that_is_cancelled_leaves_nothing(me, heard):
    starting = asyncio.create_task(both(me, Beginner(forever)))
    await settle()
    starting.cancel()
    await settle()

    assert (heard, me.links, me.monitors, list(me.runtime.processes.values())) == ([], (), (), [me])


# What stop says (proc_lib)


class Leaving(Scripted):
    """Does in `terminate` what it is told."""

    trap_exit = False

    def __init__(self, end):
        super().__init__()
        self.end = end

    def terminate(self, reason):
        return self.end(self)


async def test_j20_who_leaves_for_another_reason_than_asked_is_told_of(runtime):
    process = await started(runtime, Leaving(leaves))

    assert await exit_of(process.stop()) == OOPS


async def test_j20_who_crashes_while_stopping_is_told_of(runtime):
    process = await started(runtime, Leaving(boom))

    assert isinstance(await exit_of(process.stop()), Error)


async def test_j20_who_is_killed_while_stopping_is_told_of(runtime):
    process = await started(runtime, Leaving(forever))
    stopping = asyncio.create_task(exit_of(process.stop()))
    await settle()
    process.exit(KILLED)

    assert await stopping == KILLED


async def test_j20_who_dies_of_something_else_before_its_turn_is_told_of(runtime):
    process = await started(runtime, Scripted())
    process.cast(leaves)

    assert await exit_of(process.stop()) == OOPS


async def test_j20_who_takes_too_long_to_stop_goes_on_stopping(runtime, clock):
    gate = asyncio.Event()
    process = await started(runtime, Leaving(lambda _: gate.wait()))
    stopping = asyncio.create_task(exit_of(process.stop(SHUTDOWN, 2)))
    await clock.advance(1.999)
    assert not stopping.done()
    await clock.advance(0.001)
    assert (await stopping, process.alive) == (TIMEOUT, True)
    gate.set()
    await settle()

    assert process.exit_reason == SHUTDOWN


async def test_j20_nobody_cannot_be_stopped(runtime, me):
    me.exit(KILLED)

    assert await exit_of(me.stop()) == NOPROC
    assert await exit_of(runtime.named("nobody").stop()) == NOPROC


@WAYS
@pytest.mark.parametrize("within_s", [None, 1])
@pytest.mark.parametrize(
    "begin", [boom, after_a_while(boom), lambda actor: actor.me.exit(KILLED)], ids=["raises", "raises later", "killed"]
)
async def test_j21_a_failing_init_never_keeps_the_starter_waiting(me, heard, start, within_s, begin, clock):
    reason = await refusal(start(me, Beginner(begin), within_s=within_s))
    await settle()

    assert reason == KILLED or isinstance(reason.exception, ValueError)
    assert (clock.monotonic(), clock.pending, heard) == (0, 0, [])


async def test_j22_a_start_takes_no_monitor_among_its_options(runtime):
    with pytest.raises(TypeError, match="monitor"):
        await spawn(runtime, Beginner(), monitor=True)

    assert runtime.processes == {}


@WAYS
async def test_j22_nothing_is_started_for_the_dead(runtime, me, start):
    me.exit(KILLED)
    if start is alone:
        assert (await start(me, Beginner())).parent is None
        return

    assert await refusal(start(me, Beginner(), name="server")) == NOPROC
    assert runtime.processes == {}


# Elixir


class Stack(Actor):
    def __init__(self, items=()):
        self.items = [*items]

    def handle_call(self, request, from_):
        return self.items.pop(0)


async def test_j23_a_class_gives_its_child_specification():
    spec = child_spec(Stack, ["hello"])

    assert (spec.id, spec.restart, spec.type, spec.patience_s) == ("Stack", Restart.PERMANENT, ChildType.WORKER, 5)
    assert spec.implementation == (Stack,)


async def test_j23_its_fields_may_be_given_otherwise(runtime, me):
    class Fleeting(Stack):
        child_defaults = {"id": "fleeting", "restart": Restart.TEMPORARY, "shutdown_s": 0}  # noqa: RUF012 -- a mapping nobody changes

    spec = child_spec(Fleeting, ["hello"], shutdown_s=1)
    process = await spec.start(runtime, me)

    assert isinstance(spec, ChildSpec)
    assert (spec.id, spec.restart, spec.shutdown_s) == ("fleeting", Restart.TEMPORARY, 1)
    assert await process.call(Ask("pop")) == "hello"


async def test_j24_a_linked_start_gives_name_and_link(runtime, me):
    process = await spawn(runtime, Stack(["hello"]), parent=me, name="stack")

    assert (runtime.whereis("stack"), process.links, me.links) == (process, (me,), (process,))
    assert await runtime.named("stack").call(Ask("pop")) == "hello"


async def test_j25_no_name_is_no_registration(runtime, me):
    process = await spawn(runtime, Stack(["hello"]), parent=me, name=None)

    assert (process.name, process.links, runtime.whereis("None")) == (None, (me,), None)
    assert await process.call(Ask("pop")) == "hello"


async def test_j26_a_start_without_a_parent_links_nobody(runtime):
    starter = await started(runtime, Scripted())

    async def starts(_actor, _from):
        return await spawn(runtime, Stack(["hello"]), name="stack")

    process = await starter.call(Ask(starts))

    assert (process.links, starter.links, runtime.whereis("stack")) == ((), (), process)


async def test_j27_whereis(runtime, me):
    assert (runtime.whereis("me"), runtime.named("me").target(), me.target()) == (me, me, me)
    assert (runtime.whereis("nobody"), runtime.named("nobody").target()) == (None, None)
    me.exit(KILLED)

    assert (runtime.whereis("me"), runtime.named("me").target(), me.target()) == (None, None, None)


async def test_j28_stop_waits_for_the_end(runtime):
    process = await started(runtime, Stack(), name="stack")
    await runtime.named("stack").stop(SHUTDOWN)

    assert (process.exit_reason, runtime.whereis("stack")) == (SHUTDOWN, None)
    assert await exit_of(runtime.named("stack").stop()) == NOPROC


async def test_j28_who_would_stop_itself_and_wait_is_told_so(runtime):
    process = await started(runtime, Scripted(), name="server")

    async def stops(actor, _from, address):
        return await exit_of(address.stop())

    for address in (process, runtime.named("server")):
        assert await process.call(Ask(partial(stops, address=address))) == CALLING_SELF
    assert process.alive
