"""The wall clock was wrong for a moment: what was written meanwhile is not believed for ever."""

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.domain.outcome import UsageLimited

YEAR_S = 365 * 86_400.0
MONTH_S = 35 * 86_400.0
NOW = 1_800_000_000.0
TASK = '{"id":"queued-1","task":"do it","created_at":"2026-03-01T10:00:00Z","status":"pending","force_tier":"haiku"'


def waiting(reason: str) -> dict[str, tuple[bytes, ...]]:
    """What a process whose clock was a year ahead has left."""
    return {"queue": (f'{TASK},"not_before":{NOW + YEAR_S},"waiting_for":"{reason}"}}'.encode(),)}


async def test_a_task_between_two_tries_waits_no_longer_than_the_longest_pause(start):
    system = await start(disk=waiting("another try after OVERLOADED"))
    assert (await system.task("queued-1")).not_before == NOW + 300.0
    await system.advance(300.0)
    assert (await system.task("queued-1")).status == "done"


async def test_a_task_that_waits_for_a_limit_waits_no_longer_than_a_limit_may_last(start):
    system = await start(disk=waiting("limit five_hour"))
    assert (await system.task("queued-1")).not_before == NOW + MONTH_S


async def test_a_shortened_wait_is_on_disk(start):
    system = await start(disk=waiting("another try after OVERLOADED"))
    assert system.lines("queue")[-1]["not_before"] == NOW + 300.0


async def test_a_limit_lasts_no_longer_than_a_limit_may(start):
    line = f'{{"worker":"claude","limit":"five_hour","resets_at":{NOW + YEAR_S},"opens_at":{NOW + YEAR_S}}}'
    system = await start(disk={"limits": (line.encode(),)})
    (limit,) = await system.ask(names.DISPATCHER, ReadLimits())
    assert limit.opens_at == NOW + MONTH_S


async def test_a_clock_set_back_while_the_process_runs_is_noticed_within_a_minute(start):
    """Both the task and its limit were written down while the clock was ahead."""
    clock = VirtualClock(NOW + YEAR_S)
    system = await start(clock=clock)
    system.worker.script(UsageLimited("five_hour", "account", clock.wall() + 3_600.0))
    task_id = await system.submit(force_tier="haiku")
    clock._epoch_s = NOW
    await system.advance(61.0)
    (limit,) = await system.ask(names.DISPATCHER, ReadLimits())
    assert limit.opens_at <= system.clock.wall() + MONTH_S
    assert (await system.task(task_id)).not_before <= system.clock.wall() + MONTH_S
