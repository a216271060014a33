"""Group F: shutdown and termination."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from math import inf
from pathlib import Path

import pytest

from supervisors import (
    BRUTAL_KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    ChildType,
    Custom,
    Flags,
    Restart,
    Shutdown,
    actor,
)
from supervisors.administration import stop
from supervisors.events import ChildTerminated
from supervisors.exits import TIMEOUT, ExitWith
from supervisors.testing import settle
from tests.conformance.household import CRASH, dynamic, moody, processes, static, up
from tests.supervisors.scripted import forever


class Ending(Actor):
    """Takes `takes_s` to terminate, then ends with `reason` instead of the one it was given."""

    def __init__(self, diary=None, takes_s=0.0, reason=None) -> None:
        self.diary = diary if diary is not None else []
        self.takes_s, self.reason = takes_s, reason

    async def terminate(self, reason):
        self.diary.append("terminate")
        if self.takes_s == inf:
            await forever()
        if self.takes_s:
            gate = asyncio.Event()
            self.runtime.call_later(self.takes_s, gate.set)
            await gate.wait()
        if self.reason is not None:
            raise ExitWith(self.reason)


def ending(id_="child", shutdown_s=None, restart=Restart.PERMANENT, **how) -> ChildSpec:
    kind = how.pop("type", ChildType.WORKER)
    return ChildSpec(id_, actor(partial(Ending, **how), name=id_), restart, shutdown_s, kind)


def errors(reports) -> list[tuple[str, object]]:
    """Who did not end the way it was asked to, and how it did."""
    return [
        (event.child, event.reason) for event in reports.events if getattr(event, "context", "") == "shutdown_error"
    ]


async def stopping(clock, root, *waits_s) -> list[bool]:
    """Whether the supervisor was through after each wait."""
    stopped = asyncio.create_task(stop(root, SHUTDOWN))
    seen = []
    for wait_s in waits_s:
        await clock.advance(wait_s)
        seen.append(stopped.done())
    await stopped
    return seen


@pytest.mark.parametrize("kind", ChildType)
async def test_f01_patience_without_limit_is_allowed_for_all_types(runtime, clock, reports, kind):
    root = await static(runtime, Flags(), ending(shutdown_s=inf, takes_s=1_000, type=kind))

    assert await stopping(clock, root, 999, 1) == [False, True]
    assert errors(reports) == []


async def test_f02_a_child_that_takes_too_long_is_killed_and_the_others_shut_down(runtime, clock, reports):
    specs = [ending("a"), ending("b", shutdown_s=2, takes_s=inf), ending("c")]
    root = await static(runtime, Flags(), *specs)
    children = [runtime.whereis(name) for name in "abc"]

    assert await stopping(clock, root, 1.9, 0.1) == [False, True]
    assert [child.exit_reason for child in children] == [SHUTDOWN, KILLED, SHUTDOWN]
    assert errors(reports) == [("b", KILLED)]


async def dynamic_with(runtime, *specs):
    root = await dynamic(runtime)
    return root, [await up(root, spec) for spec in specs]


async def test_f03_the_same_under_a_dynamic_supervisor(runtime, clock, reports):
    root, children = await dynamic_with(runtime, ending("a"), ending("b", shutdown_s=2, takes_s=inf), ending("c"))

    assert await stopping(clock, root, 1.9, 0.1) == [False, True]
    assert [child.exit_reason for child in children] == [SHUTDOWN, KILLED, SHUTDOWN]
    assert errors(reports) == [("b", KILLED)]


async def test_f04_a_brutal_kill_is_no_error_and_gives_no_notice(runtime, reports):
    diary: list[str] = []
    root = await static(runtime, Flags(), ending(shutdown_s=BRUTAL_KILL, diary=diary))
    child = runtime.whereis("child")
    await stop(root, SHUTDOWN)

    assert (child.exit_reason, diary, errors(reports)) == (KILLED, [], [])


async def test_f04_with_a_timeout_of_zero_the_kill_is_an_error(runtime, reports):
    root = await static(runtime, Flags(), ending(shutdown_s=0, takes_s=1))
    await stop(root, SHUTDOWN)

    assert errors(reports) == [("child", KILLED)]


async def test_f05_a_brutal_kill_under_a_dynamic_supervisor(runtime, reports):
    diary: list[str] = []
    root, (child,) = await dynamic_with(runtime, ending(shutdown_s=BRUTAL_KILL, diary=diary))
    await stop(root, SHUTDOWN)

    assert (child.exit_reason, diary, errors(reports)) == (KILLED, [], [])


ENDS = [NORMAL, SHUTDOWN, Shutdown("done"), CRASH]


@pytest.mark.parametrize("reason", ENDS)
async def test_f06_children_that_end_by_themselves_meanwhile_do_not_disturb_a_stop(runtime, clock, reports, reason):
    root = await static(runtime, Flags(), moody(id="first"), ending("slow", takes_s=1))
    (_, first) = await processes(root)
    stopped = asyncio.create_task(stop(root, SHUTDOWN))
    await settle()
    first.cast(reason)
    await clock.advance(1)
    await stopped

    assert root.exit_reason == SHUTDOWN
    assert errors(reports) == ([] if reason == SHUTDOWN else [("first", reason)])


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("reason", ENDS)
async def test_f07_which_ends_of_a_dynamic_child_are_errors(runtime, reports, restart, reason):
    root, (child,) = await dynamic_with(runtime, ending("a", restart=restart, reason=reason))
    await stop(root, SHUTDOWN)

    is_fine = reason == SHUTDOWN or (restart is not Restart.PERMANENT and reason in ENDS[:3])
    assert child.exit_reason == reason
    assert errors(reports) == ([] if is_fine else [("a", reason)])


async def test_f08_a_supervisor_is_stopped_by_hand(runtime):
    root = await static(runtime, Flags(), ending("a"), ending("b"))
    await stop(runtime.named("static"), Custom("enough"))

    assert root.exit_reason == Custom("enough")
    assert runtime.processes == {}
    with pytest.raises(CallExit):
        await stop(root)


async def test_f09_children_are_stopped_even_if_the_caller_gave_up(runtime, clock):
    root = await static(runtime, Flags(), ending(takes_s=3))
    stopped = asyncio.create_task(stop(root, SHUTDOWN, timeout_s=1))
    await clock.advance(1)
    with pytest.raises(CallExit) as caught:
        await stopped
    assert (caught.value.reason, root.alive) == (TIMEOUT, True)
    await clock.advance(2)

    assert runtime.processes == {}


async def test_f10_dynamic_children_stop_at_the_same_time_under_one_timer(runtime, clock):
    root, children = await dynamic_with(runtime, *(ending(f"c{n}", shutdown_s=2, takes_s=inf) for n in range(100)))
    timers = clock.pending
    root.request_stop(SHUTDOWN)
    await settle()
    timers = clock.pending - timers
    await clock.advance(2)

    assert timers == 1
    assert {child.exit_reason for child in children} == {KILLED}
    assert not root.alive


async def test_f11_a_child_that_unlinks_itself_cannot_hang_its_supervisor(runtime):
    root = await static(runtime, Flags(), ending())
    child = runtime.whereis("child")
    child.unlink(root)
    await stop(root, SHUTDOWN)

    assert child.exit_reason == SHUTDOWN


async def test_f12_dynamic_brutal_kills(runtime, reports):
    root, children = await dynamic_with(runtime, *(ending(name, shutdown_s=BRUTAL_KILL) for name in "abc"))
    await stop(root, SHUTDOWN)

    assert [child.exit_reason for child in children] == [KILLED] * 3
    assert errors(reports) == []


async def test_f13_dynamic_patience_without_limit(runtime, clock, reports):
    root, _ = await dynamic_with(
        runtime, ending("a", shutdown_s=inf, takes_s=10), ending("b", shutdown_s=inf, takes_s=20)
    )

    assert await stopping(clock, root, 19, 1) == [False, True]
    assert errors(reports) == []


async def crashing_on_the_way(runtime, clock, reports, **how):
    class Bad(Actor):
        async def terminate(self, reason):
            raise ValueError("bad end")

    root, _ = await dynamic_with(runtime, ChildSpec("a", actor(Bad), **how), ChildSpec("b", actor(Bad), **how))
    await stop(root, SHUTDOWN)
    return [(child, str(reason)) for child, reason in errors(reports)]


async def test_f14_dynamic_patience_without_limit_and_an_abnormal_end(runtime, clock, reports):
    assert await crashing_on_the_way(runtime, clock, reports, shutdown_s=inf) == [
        ("a", "ValueError: bad end"),
        ("b", "ValueError: bad end"),
    ]


async def test_f15_dynamic_patience_in_seconds(runtime, clock, reports):
    root, children = await dynamic_with(runtime, *(ending(name, shutdown_s=5, takes_s=1) for name in "ab"))

    assert await stopping(clock, root, 1) == [True]
    assert [child.exit_reason for child in children] == [SHUTDOWN] * 2
    assert errors(reports) == []


async def test_f16_dynamic_patience_in_seconds_and_an_abnormal_end(runtime, clock, reports):
    assert len(await crashing_on_the_way(runtime, clock, reports, shutdown_s=5)) == 2


async def test_f17_dynamic_patience_that_is_over(runtime, clock, reports):
    root, children = await dynamic_with(
        runtime, *(ending(n, shutdown_s=s, takes_s=inf) for n, s in (("a", 1), ("b", 2)))
    )
    stopped = asyncio.create_task(stop(root, SHUTDOWN))
    await clock.advance(1)
    after_one = [child.exit_reason for child in children]
    await clock.advance(1)
    await stopped

    assert after_one == [KILLED, None]
    assert errors(reports) == [("a", KILLED), ("b", KILLED)]


async def test_f18_a_permanent_dynamic_child_that_ends_normally_is_an_error(runtime, reports):
    root, _ = await dynamic_with(runtime, ending("a", reason=NORMAL), ending("b", BRUTAL_KILL))
    await stop(root, SHUTDOWN)

    assert errors(reports) == [("a", NORMAL)]


async def test_f19_mixed_values_in_one_parallel_stop_and_one_report_a_reason(runtime, clock, reports):
    slow = [ChildSpec("slow", actor(partial(Ending, takes_s=inf)), shutdown_s=1) for _ in range(3)]
    root, _ = await dynamic_with(runtime, *slow, ending("b", BRUTAL_KILL), ending("i", inf, takes_s=3), ending("f", 5))

    assert await stopping(clock, root, 2.9, 0.1) == [False, True]
    grouped = [event for event in reports.events if isinstance(event, ChildTerminated) and event.nb_children]
    assert [(event.child, event.reason, event.nb_children) for event in grouped] == [("slow", KILLED, 3)]


async def test_f20_slow_brutal_and_not_trapping(runtime, clock):
    diary: list[str] = []

    class Plain(Ending):
        trap_exit = False

    slow = ending("slow", shutdown_s=0.1, takes_s=inf)
    brutal = ending("brutal", shutdown_s=BRUTAL_KILL, diary=diary)
    plain = ChildSpec("plain", actor(partial(Plain, diary), name="plain"))
    root = await static(runtime, Flags(), slow, brutal, plain)
    children = [runtime.whereis(name) for name in ("slow", "brutal", "plain")]

    assert await stopping(clock, root, 0.099, 0.001) == [False, True]
    assert [child.exit_reason for child in children] == [KILLED, KILLED, SHUTDOWN]
    assert diary == []


async def test_f21_a_child_that_swallows_every_cancellation_is_declared_dead_and_its_name_freed(runtime, clock):
    release = asyncio.Event()

    class Stubborn(Actor):
        async def terminate(self, reason):
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    root = await static(runtime, Flags(), ChildSpec("zombie", actor(Stubborn, name="zombie"), shutdown_s=2))
    child = runtime.whereis("zombie")

    assert await stopping(clock, root, 1.9, 0.1) == [False, True]
    assert (child.exit_reason, runtime.whereis("zombie")) == (KILLED, None)
    assert list(runtime.zombies) == [child.pid]
    release.set()
    await settle()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_f22_a_program_ends_although_a_zombie_exists(loop):
    program = Path(__file__).with_name("programs") / "zombie.py"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, program, loop]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)

    assert done.stdout.split() == ["up", "zombies:1"]
    assert done.returncode == 124
