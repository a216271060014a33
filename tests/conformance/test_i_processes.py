"""Group I: processes. Cases of Elixir's `process_test.exs`, and what the reference manual says of links, monitors and signals."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass

import pytest

from supervisors import KILLED, NO_REPLY, NORMAL, SHUTDOWN, Actor, CallExit, Custom, Down, Exit, Request, send_request
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.flags import Flags
from supervisors.introspect import snapshot
from supervisors.registry import Registry
from supervisors.spawning import spawn
from supervisors.supervisor import Supervisor
from supervisors.task import start
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started

FOO = Custom("foo")


class Plain(Scripted):
    """Does not trap exits."""

    trap_exit = False


class Trapping(Scripted):
    """Notes exits, and whatever else arrives, bare."""

    trap_exit = True

    def handle_info(self, message):
        self.diary.append(message)


@pytest.fixture
async def me(runtime):
    """Somebody who hears of everything."""
    return await started(runtime, Trapping(), name="me")


@pytest.fixture
async def other(runtime):
    return await started(runtime, Plain(), name="other")


@pytest.fixture
def heard(me):
    return me.instance.diary


# Exit signals


async def test_i01_a_normal_exit_signal_is_ignored_by_who_does_not_trap(other):
    other.exit(NORMAL)
    await settle()

    assert other.alive
    assert await other.call(Ask("well")) == "well"


async def test_i01_a_normal_exit_signal_is_a_message_for_who_traps(me, heard):
    me.exit(NORMAL)
    await settle()

    assert (me.alive, heard) == (True, [Exit(None, NORMAL)])


async def test_i02_a_process_that_tells_itself_to_exit_normally_exits(me, heard, other):
    monitor = me.monitor(other)
    other.cast(lambda actor: actor.me.exit(NORMAL))
    await settle()

    assert heard == [Down(monitor, other, NORMAL)]


async def test_i02_in_a_callback_that_waits_too(me, heard, other):
    async def leaves(actor):
        await asyncio.sleep(0)
        actor.me.exit(NORMAL)
        await forever()

    monitor = me.monitor(other)
    other.cast(leaves)
    await settle()

    assert heard == [Down(monitor, other, NORMAL)]


async def passes(gate):
    await gate.wait()


@pytest.mark.parametrize("is_waiting", [False, True], ids=["idle", "in a callback that waits"])
@pytest.mark.parametrize(
    ("reason", "traps", "ends_with", "message"),
    [
        (NORMAL, False, None, None),
        (SHUTDOWN, False, SHUTDOWN, None),
        (KILLED, False, KILLED, None),
        (FOO, False, FOO, None),
        (NORMAL, True, None, NORMAL),
        (SHUTDOWN, True, None, SHUTDOWN),
        (KILLED, True, KILLED, None),
        (FOO, True, None, FOO),
    ],
    ids=str,
)
async def test_i03_what_an_exit_signal_does(runtime, reason, traps, ends_with, message, is_waiting):
    process = await started(runtime, Trapping() if traps else Plain())
    diary, gate = process.instance.diary, asyncio.Event()
    if is_waiting:
        process.cast(lambda _: passes(gate))
        await settle()
    process.exit(reason)
    await settle()
    gate.set()
    await settle()

    seen = [each for each in diary if isinstance(each, Exit)]
    assert (process.exit_reason, seen) == (ends_with, [] if message is None else [Exit(None, message)])


async def test_i04_who_is_linked_to_the_killed_dies_killed(me, heard, other, runtime):
    victim = await started(runtime, Plain())
    monitor = me.monitor(other)
    other.link(victim)
    victim.exit(KILLED)
    await settle()

    assert heard == [Down(monitor, other, KILLED)]


async def test_i04_a_kill_that_comes_through_a_link_can_be_trapped(me, heard, other):
    me.link(other)
    other.exit(KILLED)
    await settle()

    assert (me.alive, heard) == (True, [Exit(other, KILLED)])


# Monitors and aliases


async def test_i05_the_tag_of_a_monitor_comes_back_with_its_down(me, heard, other):
    plain, tagged = me.monitor(other), me.monitor(other, tag=("tag", 1))
    other.exit(FOO)
    await settle()

    assert heard == [Down(plain, other, FOO), Down(tagged, other, FOO)]
    assert [down.monitor.tag for down in heard] == [None, ("tag", 1)]


@dataclass(frozen=True)
class Later(Request[str]):
    """Answered by whoever has got hold of the place for the answer."""


class Keeps(Actor):
    """Replies to nobody, and keeps the places."""

    def init(self):
        self.places = []

    def handle_call(self, request, from_):
        self.places.append(from_)
        return NO_REPLY


@pytest.fixture
async def keeps(runtime):
    return await started(runtime, Keeps(), name="keeps")


async def test_i06_a_reply_goes_to_the_alias_from_wherever_it_comes(runtime, keeps, other):
    pending = send_request(runtime, keeps, Later())
    await settle()
    [alias] = keeps.instance.places
    other.cast(lambda _: alias.reply("from another process"))

    assert await pending.wait() == "from another process"


async def test_i06_nothing_arrives_by_an_alias_that_was_given_up(runtime, me, heard, keeps):
    pending = []
    me.cast(lambda actor: pending.append(send_request(runtime, keeps, Later())))
    await settle()
    pending[0].abandon()
    keeps.instance.places[0].reply("late")
    await settle()

    with pytest.raises(CallExit) as given_up:
        await pending[0].wait()
    assert given_up.value.reason == TIMEOUT
    assert (heard, me.queued, keeps.callers) == ([], 0, {})


async def test_i07_an_alias_takes_one_reply(runtime, keeps):
    pending = send_request(runtime, keeps, Later())
    await settle()
    [alias] = keeps.instance.places
    alias.reply("first")
    alias.reply("second")

    assert await pending.wait() == "first"
    await settle()
    assert keeps.callers == {}


async def test_i07_an_alias_ends_with_the_time_of_its_call(me, heard, keeps, clock):
    async def calls(actor):
        try:
            await keeps.call(Later(), timeout_s=2)
        except CallExit as failed:
            actor.diary.append(failed.reason)

    me.cast(calls)
    await clock.advance(2)
    keeps.instance.places[0].reply("late")
    await settle()

    assert (heard, me.queued, keeps.callers) == ([TIMEOUT], 0, {})


MOOD: ContextVar[str] = ContextVar("mood", default="unset")


@pytest.mark.parametrize("waits", [False, True])
async def test_i08_what_a_process_keeps_in_a_context_variable_is_its_own(me, other, waits):
    """OTP's process dictionary."""

    def put(_actor, _from):
        MOOD.set("good")
        return "done"

    async def waits_and_puts(actor, from_):
        await asyncio.sleep(0)
        return put(actor, from_)

    await me.call(Ask(waits_and_puts if waits else put))

    assert await me.call(Ask(lambda *_: MOOD.get())) == "good"
    assert await other.call(Ask(lambda *_: MOOD.get())) == "unset"
    assert MOOD.get() == "unset"


# Timers


async def test_i09_a_message_sent_after_a_time_arrives_then_and_not_before(me, heard, clock):
    me.send_after(10, "hello")
    await clock.advance(9.999)
    assert heard == []
    await clock.advance(0.001)

    assert heard == ["hello"]


async def test_i09_no_time_at_all_is_as_soon_as_possible(me, heard, clock):
    me.send_after(0, "hello")
    await clock.advance(0)

    assert heard == ["hello"]


async def test_i10_a_message_can_be_sent_at_a_moment_of_the_clock(me, heard, clock):
    await clock.advance(100)
    me.send_at(110, "later")
    me.send_at(50, "overdue")
    await clock.advance(9.999)
    assert heard == ["overdue"]
    await clock.advance(0.001)

    assert heard == ["overdue", "later"]


async def test_i11_a_timer_tells_the_time_that_is_left(me, clock):
    timer = me.send_after(10, "hello")
    assert timer.left_s() == 10
    await clock.advance(4)
    assert timer.left_s() == 6
    await clock.advance(6)

    assert timer.left_s() is None


async def test_i11_a_timer_is_cancelled_once(me, heard, clock):
    timer = me.send_after(10, "hello")
    assert (timer.cancel(), timer.left_s(), timer.cancel()) == (True, None, False)
    await clock.advance(20)

    assert heard == []


async def test_i11_a_timer_that_has_rung_is_not_cancelled_any_more(me, heard, clock):
    timer = me.send_after(10, "hello")
    await clock.advance(10)

    assert (timer.cancel(), heard) == (False, ["hello"])


async def test_i11_a_timer_ends_with_its_process(other, clock):
    timer = other.send_after(10, "hello")
    other.exit(KILLED)

    assert (timer.left_s(), timer.cancel(), clock.pending) == (None, False, 0)


async def test_i12_a_process_that_sleeps_takes_its_messages_afterwards(runtime, me, heard, clock):
    async def sleeps(actor):
        woken = asyncio.Event()
        runtime.call_later(5, woken.set)
        await woken.wait()
        actor.diary.append("awake")

    me.cast(sleeps)
    me.send("hello")
    await clock.advance(4.999)
    assert heard == []
    await clock.advance(0.001)

    assert heard == ["awake", "hello"]


# Information


def info_of(runtime, process):
    return next((info for info in snapshot(runtime) if info.pid == process.pid), None)


async def test_i13_information_about_a_process_as_long_as_it_lives(runtime, me, clock):
    process = await spawn(runtime, Plain(), parent=me)
    process.cast(forever)
    process.send("waits")
    await clock.advance(3)
    info = info_of(runtime, process)
    assert (info.parent, info.state, info.queued, info.uptime_s) == (me.pid, "running", 1, 3)
    assert (info.runs, info.working_on, process.links) == ("Plain", "handle_cast function", (me,))
    process.exit(KILLED)
    await settle()

    assert info_of(runtime, process) is None


async def test_i14_the_registered_name_is_part_of_the_information(runtime, other):
    nameless = await started(runtime, Plain())

    assert (info_of(runtime, other).name, runtime.whereis("other")) == ("other", other)
    assert info_of(runtime, nameless).name is None


async def test_i15_everybody_can_read_the_label_of_a_process(runtime, me):
    process = await started(runtime, Plain())
    process.cast(lambda actor: actor.me.set_label("feeds 7"))
    await settle()

    assert await me.call(Ask(lambda *_: process.label)) == "feeds 7"
    assert (repr(process), info_of(runtime, process).label) == (f"<feeds 7 #{process.pid} running>", "feeds 7")


async def test_i16_a_process_labels_itself_and_reports_say_so(runtime, reports):
    process = await started(runtime, Plain())
    assert process.label == "Plain"
    process.cast(lambda actor: actor.me.set_label("feeds 7"))
    process.cast(boom)
    await settle()

    assert [event.process for event in reports.events] == ["feeds 7", "feeds 7"]


async def test_i16_a_name_goes_before_a_label(other):
    other.set_label("feeds 7")

    assert other.label == "other"


async def test_i16_a_task_has_a_label_too(runtime):
    task = start(forever, runtime=runtime)
    task.set_label("feeds 7")
    task.exit(KILLED)

    assert (task.label, await task.ended()) == ("feeds 7", KILLED)


# Signals


async def test_i17_a_monitor_of_the_dead_is_down_at_once(me, heard, other):
    other.exit(KILLED)
    monitor = me.monitor(other)
    await settle()

    assert heard == [Down(monitor, other, NOPROC)]


async def test_i17_a_link_to_the_dead_is_an_exit_for_who_traps(me, heard, other):
    other.exit(KILLED)
    me.link(other)
    await settle()

    assert (heard, me.links) == ([Exit(other, NOPROC)], ())


async def test_i17_a_link_to_the_dead_is_the_end_of_who_does_not_trap(runtime, other):
    process = await started(runtime, Plain())
    other.exit(KILLED)
    process.link(other)

    assert process.exit_reason == NOPROC


async def test_i18_demonitor_leaves_no_down_behind(me, heard, other):
    before, after = me.monitor(other), me.monitor(other)
    assert me.demonitor(before)
    other.exit(KILLED)
    assert not me.demonitor(after)
    await settle()

    assert (heard, me.monitors) == ([], ())


async def test_i18_a_down_that_has_arrived_stays_unless_it_is_to_be_forgotten(me, heard, other):
    monitor = me.monitor(other)
    other.exit(KILLED)
    me.demonitor(monitor, flush=False)
    await settle()

    assert heard == [Down(monitor, other, KILLED)]


async def test_i18_every_monitor_has_its_own_down(me, heard, other):
    first, second, third = (me.monitor(other) for _ in range(3))
    other.exit(FOO)
    me.demonitor(second)
    await settle()

    assert heard == [Down(first, other, FOO), Down(third, other, FOO)]


async def test_i19_name_and_entries_are_free_before_anybody_hears_of_the_death(runtime, other):
    await spawn(runtime, Supervisor(Flags(), [Registry.spec("registry")]), name="root")
    registry = Registry(runtime, "registry")
    registry.register("key", 1, owner=other)
    found = []

    class Witness(Trapping):
        def handle_info(self, message):
            found.append((type(message), runtime.whereis("other"), registry.lookup("key"), other in links_of(runtime)))

    witness = await started(runtime, Witness())
    witness.link(other)
    witness.monitor(other)
    other.on_death(lambda _: found.append((None, runtime.whereis("other"), registry.lookup("key"), False)))
    other.exit(KILLED)
    await settle()

    assert found == [(None, None, [], False), (Exit, None, [], False), (Down, None, [], False)]


def links_of(runtime):
    return [link for process in runtime.processes.values() for link in process.links]


async def test_i20_messages_of_one_sender_stay_in_order_and_its_exit_comes_last(me, heard, other):
    def talks(actor):
        for number in (1, 2):
            me.send(("info", number))
            me.cast(("cast", number))
        actor.me.exit(FOO)

    me.link(other)
    monitor = me.monitor(other)
    other.cast(talks)
    await settle()

    said = [(kind, number) for number in (1, 2) for kind in ("info", "cast")]
    assert heard == [*said, Exit(other, FOO), Down(monitor, other, FOO)]


async def test_i20_a_call_does_not_overtake_what_its_caller_sent_before(me, heard, other):
    async def talks(_actor):
        me.send(1)
        me.cast(2)
        await me.call(Ask(lambda actor, _: actor.diary.append(3)))
        me.send(4)

    other.cast(talks)
    await settle()

    assert heard == [1, 2, 3, 4]


async def test_i21_a_process_cancelled_before_its_first_step_is_told_of_like_any_other(runtime, me, heard):
    steps = []

    async def job():
        steps.append("first")

    task = start(job, runtime=runtime)
    me.link(task)
    monitor = me.monitor(task)
    task.exit(FOO)
    await settle()

    assert (heard, steps) == ([Exit(task, FOO), Down(monitor, task, FOO)], [])
    assert task.pid not in runtime.processes


async def test_i21_a_process_that_ends_in_init_is_told_of_like_any_other(runtime, me, heard):
    class Ends(Plain):
        def init(self):
            monitors.append(me.monitor(self.me))
            self.me.exit(FOO)

    monitors = []
    with pytest.raises(Exception, match="foo"):
        await spawn(runtime, Ends())
    await settle()

    assert heard == [Down(monitors[0], monitors[0].watched, FOO)]
