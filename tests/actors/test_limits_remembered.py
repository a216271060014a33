"""Refused rates, limits lifted by hand, and what a restart remembers of both."""

import pytest

from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits, Wake
from symbiont.config.schema import Config, Limits
from symbiont.domain.outcome import Cancelled, Done, RateLimited, UsageLimited

HOUR_S = 3_600.0


def five_hours(system):
    """The account's limit, told to end in an hour."""
    return UsageLimited("five_hour", "account", system.clock.wall() + HOUR_S)


async def limits(system):
    return await system.ask(names.DISPATCHER, ReadLimits())


# Rates


async def test_a_refused_rate_sends_the_task_one_tier_up(system):
    system.worker.script(RateLimited(), tier="haiku")
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.answer.tier, task.failures) == ("done", "sonnet", 0)


async def test_the_pause_of_a_lane_grows_with_every_refusal_in_a_row(start):
    system = await start(config=Config(limits=Limits(wake_jitter_s=0.0)))
    pauses = []
    for _ in range(3):
        system.worker.script(RateLimited(), tier="haiku")
        await system.submit(force_tier="haiku")
        (limit,) = await limits(system)
        pauses.append(limit.opens_at - system.clock.wall())
        await system.advance(pauses[-1])
    assert pauses == [30.0, 60.0, 120.0]


@pytest.mark.parametrize("at_once", [1, 4, 8])
async def test_refusals_of_calls_that_were_under_way_together_count_once(start, at_once):
    system = await start(slots=8, config=Config(limits=Limits(wake_jitter_s=0.0)))
    held = [system.worker.hold(RateLimited(), tier="haiku") for _ in range(at_once)]
    for _ in held:
        await system.submit(force_tier="haiku")
    for each in held:
        each.release.set()
    await system.quiet()
    assert [limit.opens_at - system.clock.wall() for limit in await limits(system)] == [30.0]


async def test_a_late_refusal_that_does_not_know_the_end_leaves_an_end_that_was_told(start):
    system = await start(slots=2, config=Config(limits=Limits(wake_jitter_s=0.0)))
    late = system.worker.hold(UsageLimited("five_hour", "account"))
    await system.submit(force_tier="haiku")
    system.worker.script(five_hours(system))
    await system.submit(force_tier="haiku")
    before = await limits(system)
    late.release.set()
    await system.quiet()
    assert await limits(system) == before != ()


async def test_a_late_refusal_that_knows_the_end_corrects_a_guess(start):
    system = await start(slots=2, config=Config(limits=Limits(wake_jitter_s=0.0)))
    late = system.worker.hold(five_hours(system))
    await system.submit(force_tier="haiku")
    system.worker.script(UsageLimited("five_hour", "account"))
    await system.submit(force_tier="haiku")
    late.release.set()
    await system.quiet()
    assert [limit.opens_at - system.clock.wall() for limit in await limits(system)] == [HOUR_S]


async def test_a_success_takes_the_growth_back(start):
    system = await start(config=Config(limits=Limits(wake_jitter_s=0.0)))
    system.worker.script(RateLimited(), Done("ok"), RateLimited(), tier="haiku")
    for _ in range(3):
        await system.submit(force_tier="haiku")
        await system.advance(30.0)
    assert [line["opens_at"] - line["resets_at"] for line in system.lines("limits")] == [0.0] * len(
        system.lines("limits")
    )
    closed = [line for line in system.lines("limits") if not line.get("lifted")]
    assert [closed[1]["opens_at"] - closed[0]["opens_at"]] == [60.0]


async def test_a_cancelled_call_does_not_count_as_a_refused_rate(start):
    system = await start(config=Config(limits=Limits(wake_jitter_s=0.0)))
    system.worker.script(Cancelled(), RateLimited(), tier="haiku")
    task_id = await system.submit(force_tier="haiku")
    await system.quiet()
    (limit,) = await limits(system)
    assert limit.opens_at - system.clock.wall() == 30.0
    assert (await system.task(task_id)).status == "done"


async def test_refused_rates_on_every_tier_make_a_task_wait(system):
    system.worker.script(RateLimited(), RateLimited(), RateLimited())
    task = await system.task(await system.submit(force_tier="haiku"))
    assert (task.status, task.waiting_for, task.failures) == ("pending", "limit rate_limit", 0)


# By hand, and over restarts


async def test_waking_by_hand_lifts_every_limit_and_runs_what_waited(system):
    system.worker.script(five_hours(system))
    task_id = await system.submit(force_tier="haiku")
    lifted = await system.ask(names.DISPATCHER, Wake())
    assert [limit.limit for limit in lifted] == ["five_hour"]
    assert (await system.task(task_id)).status == "done"
    assert system.lines("limits")[-1]["lifted"] is True


async def test_a_restarted_dispatcher_remembers_the_limits(system):
    system.worker.script(five_hours(system))
    task_id = await system.submit(force_tier="haiku")
    before = await limits(system)
    await system.crash(names.DISPATCHER)
    assert await limits(system) == before
    await system.submit(force_tier="opus")
    assert len(system.worker.calls) == 1
    await system.advance(HOUR_S + 10.0)
    assert (await system.task(task_id)).status == "done"


async def test_a_restart_after_a_limit_ended_still_sends_one_probe_first(start):
    first = await start(slots=2)
    first.worker.script(five_hours(first))
    for _ in range(3):
        await first.submit(force_tier="haiku")
    later = await start(slots=2, disk=first.on_disk(), clock=None)
    probe = later.worker.hold()
    later.worker.script(Done("a"), Done("b"))
    await later.advance(HOUR_S + 5.0)
    await later.crash(names.DISPATCHER)
    assert later.worker.running == 1
    probe.release.set()
    await later.quiet()
    assert len(later.worker.returned) == 3


async def test_a_lifted_limit_stays_lifted_over_a_restart(system):
    system.worker.script(five_hours(system))
    await system.submit(force_tier="haiku")
    await system.ask(names.DISPATCHER, Wake())
    await system.crash(names.DISPATCHER)
    assert await limits(system) == ()


async def test_the_last_word_on_a_limit_counts_after_a_restart(start):
    """The provider corrected the end of a limit to an earlier one, which has passed by now."""
    wall = 1_800_000_000.0
    line = '{"worker":"claude","limit":"five_hour","resets_at":%f,"opens_at":%f}'
    records = tuple((line % (wall + after_s, wall + after_s)).encode() for after_s in (HOUR_S, -HOUR_S))
    system = await start(disk={"limits": records})
    assert (await system.task(await system.submit(force_tier="haiku"))).status == "done"


@pytest.mark.parametrize(
    "odd", [b"{}", b'{"worker":"claude"}', b'{"worker":1,"limit":2,"resets_at":3,"opens_at":"soon"}']
)
async def test_a_line_that_is_no_limit_keeps_neither_the_tree_from_starting_nor_the_others_from_counting(start, odd):
    known = b'{"worker":"claude","limit":"five_hour","resets_at":1800003600,"opens_at":1800003600}'
    system = await start(disk={"limits": (odd, known, odd)})
    assert [limit.limit for limit in await limits(system)] == ["five_hour"]


async def test_limits_of_a_worker_that_is_gone_are_forgotten(start):
    gone = b'{"worker":"gone","limit":"five_hour","resets_at":9e9,"opens_at":9e9}'
    system = await start(disk={"limits": (gone,)})
    assert await limits(system) == ()
