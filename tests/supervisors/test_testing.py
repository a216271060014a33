"""The helpers for tests: they wait without sleeping, say exactly what was missing, and find races by lot."""

import asyncio
import contextlib
import time

import pytest

from supervisors import NORMAL, ChildSpec, Custom, Exit, Flags, Runtime, Supervisor, actor, spawn
from supervisors.testing import (
    Probe,
    Recorder,
    ScheduleFailed,
    eventually,
    explore,
    kill,
    kill_and_await_restart,
)
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started

# Waiting


async def test_on_virtual_time_eventually_stops_the_clock_at_the_moment_it_becomes_true(clock):
    rung: list[float] = []
    for moment_s in (1, 2, 3):
        clock.call_at(moment_s, lambda: rung.append(clock.monotonic()))

    assert await eventually(lambda: len(rung) == 2, within_s=10, clock=clock)
    assert clock.monotonic() == 2


async def test_eventually_says_what_was_never_true(clock):
    with pytest.raises(AssertionError, match=r"lambda.* did not become true within 3 s, last value: 0"):
        await eventually(lambda: 0, within_s=3, clock=clock)
    assert clock.monotonic() == 3


async def test_on_real_time_eventually_looks_again_and_gives_up():
    seen = iter([None, None, "there"])
    assert await eventually(lambda: next(seen)) == "there"
    began_s = time.monotonic()
    with pytest.raises(AssertionError):
        await eventually(lambda: False, within_s=0.05)
    assert 0.05 <= time.monotonic() - began_s < 2


async def test_advancing_twice_at_a_time_never_turns_the_clock_back(clock):
    await asyncio.gather(clock.advance(5), clock.advance(2))

    assert clock.monotonic() == 5


# Killing


async def keeping(runtime, *names: str):
    specs = [ChildSpec(name, actor(Scripted, name=name)) for name in names]
    return await spawn(runtime, Supervisor(Flags(intensity=3), specs), name="root")


async def test_kill_and_await_restart_answers_the_successor(runtime):
    await keeping(runtime, "leaf")
    old = runtime.whereis("leaf")
    new = await kill_and_await_restart(runtime, "leaf")

    assert (old.alive, new.alive, new.incarnation) == (False, True, 2)


async def test_killing_nobody_and_waiting_for_nobody_are_errors(runtime):
    await started(runtime, Scripted(), name="single")
    with pytest.raises(LookupError, match="named nobody"):
        kill(runtime, "nobody")
    with pytest.raises(TimeoutError, match="single was not restarted within 5"):
        await kill_and_await_restart(runtime, "single")


# Probes


async def test_a_probe_keeps_everything_in_order_and_gives_it_out_once(runtime):
    probe = await Probe.start(runtime, answer=lambda _: "pong")
    probe.me.cast("a")
    probe.me.send("b")
    answer = await probe.me.call(Ask("ping"))

    assert answer == "pong"
    assert [str(await probe.next()) for _ in range(3)] == ["cast 'a'", "info 'b'", "call Ask(script='ping')"]
    await probe.expect_nothing()
    assert probe.messages == ["a", "b", Ask("ping")]


async def test_a_probe_says_what_came_instead(runtime):
    probe = await Probe.start(runtime)
    probe.me.cast("other")
    with pytest.raises(AssertionError, match=r"expected 'wanted', got: cast 'other'"):
        await probe.expect("wanted")
    with pytest.raises(AssertionError, match=r"expected 'wanted' within 2 s, there is: nothing"):
        await probe.expect("wanted", within_s=2)
    for number in range(12):
        probe.me.cast(number)
    with pytest.raises(AssertionError, match=r"expected a matching str within 1.0 s, there is: cast 0, .* and 2 more"):
        await probe.matching(str)


async def test_a_probe_finds_a_matching_message_and_leaves_the_others(runtime):
    probe = await Probe.start(runtime)
    for message in (1, "x", 2, "y"):
        probe.me.cast(message)

    assert await probe.matching(str, lambda text: text > "x") == "y"
    assert [(await probe.next()).message for _ in range(3)] == [1, "x", 2]


async def test_time_passes_while_a_probe_waits_and_no_longer_than_needed(runtime, clock):
    probe = await Probe.start(runtime)
    probe.me.send_after(2, "late")

    assert (await probe.next(within_s=3)).at_s == 2
    probe.me.send_after(2, "too late")
    await probe.expect_nothing(for_s=1)
    with pytest.raises(AssertionError, match="expected nothing, got: info 'too late'"):
        await probe.expect_nothing(for_s=1)


async def test_on_real_time_a_probe_wakes_by_the_message_and_by_the_end_of_its_patience():
    runtime = Runtime(reporter=Recorder())
    probe = await Probe.start(runtime)
    runtime.call_later(0.01, lambda: probe.me.cast("news"))

    assert (await probe.expect("news", within_s=10)).kind == "cast"
    with pytest.raises(AssertionError, match="there is: nothing"):
        await probe.next(within_s=0.01)
    await probe.me.stop()


async def test_a_probe_answers_a_call_when_the_test_says_so_and_hears_exits(runtime):
    probe = await Probe.start(runtime)
    call = asyncio.create_task(probe.me.call(Ask("?")))
    received = await probe.next()
    received.from_.reply("now")
    assert await call == "now"

    other = await started(runtime, Scripted())
    probe.me.link(other)
    other.exit(Custom("gone"))
    await probe.expect(Exit(other, Custom("gone")))


# Exploration


async def two_casts(world) -> list[object]:
    """Two actors tell a third one; who of them is first is for the scheduler to say."""
    diary: list[object] = []
    third = await started(world.runtime, Scripted(diary), name="third")
    for name in ("left", "right"):
        teller = await started(world.runtime, Scripted(), name=name)
        teller.cast(lambda self: third.cast(self.me.label) and None)
    await world.settle()
    return diary


async def test_exploration_finds_a_race_and_its_seed_repeats_it():
    async def naive(world):
        assert await two_casts(world) == ["left", "right"]

    with pytest.raises(ScheduleFailed, match=r"naive fails under seed \d+: AssertionError") as found:
        await explore(naive)
    again = []
    for _ in range(2):
        with pytest.raises(ScheduleFailed) as repeated:
            await explore(naive, seeds=[found.value.seed])
        again.append(repeated.value.turns)

    assert again == [found.value.turns] * 2
    assert f"seeds=[{found.value.seed}]" in str(found.value)


async def test_every_order_that_may_happen_is_found():
    orders: set[tuple[object, ...]] = set()

    async def collect(world):
        orders.add(tuple(await two_casts(world)))

    await explore(collect, seeds=range(30))
    assert orders == {("left", "right"), ("right", "left")}


async def test_messages_from_one_to_another_stay_in_order_under_every_schedule():
    async def scenario(world):
        diary: list[object] = []
        process = await started(world.runtime, Scripted(diary))
        for number in range(20):
            process.cast(number)
            if world.random.random() < 0.3:
                await asyncio.sleep(0)
        assert await process.call(Ask(lambda self, _: len(self.diary))) == 20
        assert diary == list(range(20))

    await explore(scenario, seeds=range(50))


async def test_time_passes_by_itself_while_a_scenario_waits():
    async def scenario(world):
        process = await started(world.runtime, Scripted())
        process.send_after(3_600, "late")
        with pytest.raises(Exception, match="Timeout"):
            await process.call(Ask(forever), timeout_s=7)
        assert world.clock.monotonic() == 7

    await explore(scenario, seeds=range(5))


async def test_a_scenario_that_waits_for_nothing_fails_instead_of_hanging():
    async def stuck(_world):
        await forever()

    with pytest.raises(ScheduleFailed, match="TimeoutError: nothing can run any more"):
        await explore(stuck, seeds=[1])


async def test_a_complaint_of_the_loop_fails_a_run_too():
    async def careless(world):
        world.runtime.loop.call_soon(boom)
        await world.settle()

    with pytest.raises(ScheduleFailed, match="the loop complains"):
        await explore(careless, seeds=[1])


async def test_a_kill_at_any_moment_costs_one_restart_and_no_message_order():
    async def scenario(world):
        await keeping(world.runtime, "a", "b")
        root = world.runtime.whereis("root")
        await world.settle()
        with contextlib.suppress(Exception):
            await world.runtime.named("a").call(Ask(lambda self, _: kill(self.runtime, "a")), timeout_s=1)
        new = await eventually(lambda: world.runtime.whereis("a"), clock=world.clock)
        assert (new.incarnation, world.runtime.whereis("b").incarnation) == (2, 1)
        await root.stop(NORMAL)
        assert world.runtime.processes == {}

    await explore(scenario, seeds=range(50))
