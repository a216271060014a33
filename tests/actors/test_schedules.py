"""Schedules fire each moment once: over restarts, full disks and clocks that jump."""

import errno

import msgspec
import pytest

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.schedule_messages import PauseSchedule, ReadSchedules
from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError
from symbiont.domain.schedule import Schedule
from symbiont.service.schedules import ScheduleService

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
HOUR_S = 3_600.0
DAY_S = 86_400.0
HOURLY = Schedule("tidy", "@hourly", "tidy up", force_tier="haiku")


def config(**changes) -> Config:
    return Config(schedules=(msgspec.structs.replace(HOURLY, **changes),))


def fired(system) -> list[str]:
    """The moments, by the keys of the tasks, each task once."""
    tasks = {line["id"]: line["key"] for line in system.lines("queue") if "key" in line}
    return [key.removeprefix("schedule:tidy:2027-01-") for key in tasks.values()]


async def state(system):
    (one,) = await system.ask(names.SCHEDULES, ReadSchedules())
    return one


async def test_nothing_configured_writes_nothing(system):
    await system.advance(2 * HOUR_S)
    assert system.lines("schedules") == []


async def test_each_moment_is_submitted_once(start):
    system = await start(config=config(project="house", priority="low"))
    await system.advance(2 * HOUR_S + 1.0)
    assert fired(system) == ["15T09:00:00Z", "15T10:00:00Z"]
    first = next(line for line in system.lines("queue") if "key" in line)
    assert (first["task"], first["project"], first["priority"]) == ("tidy up", "house", "low")


async def test_a_schedule_is_looked_at(start):
    system = await start(config=config())
    await system.advance(HOUR_S)
    one = await state(system)
    assert (one.mark.last, one.next_at) == (NOW + HOUR_S, NOW + 2 * HOUR_S)


async def test_a_crash_of_the_actor_fires_nothing_again(start):
    system = await start(config=config())
    await system.advance(HOUR_S)
    await system.crash(names.SCHEDULES)
    await system.crash(names.QUEUE)
    assert fired(system) == ["15T09:00:00Z"]


@pytest.mark.parametrize("catch_up", ["skip", "one", "all"])
async def test_a_kill_between_the_submission_and_its_note_fires_nothing_again(start, catch_up):
    system = await start(config=config(catch_up=catch_up))
    before = system.journals["schedules"].records
    await system.advance(HOUR_S)
    disk = system.on_disk() | {"schedules": before}
    later = await start(config=config(catch_up=catch_up), disk=disk, clock=VirtualClock(NOW + HOUR_S + 5.0))
    assert fired(later) == ["15T09:00:00Z"]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("skip", []), ("one", ["15T12:00:00Z"]), ("all", ["15T10:00:00Z", "15T11:00:00Z", "15T12:00:00Z"])],
)
@pytest.mark.parametrize("is_jump", [True, False])
async def test_what_was_missed_is_made_up_for_as_configured(start, catch_up, expected, is_jump):
    system = await start(config=config(catch_up=catch_up))
    await system.advance(HOUR_S)
    if is_jump:
        system.clock._epoch_s += 3.5 * HOUR_S
        await system.advance(31.0)
    else:
        clock = VirtualClock(NOW + 4.5 * HOUR_S)
        system = await start(config=config(catch_up=catch_up), disk=system.on_disk(), clock=clock)
    assert fired(system) == ["15T09:00:00Z", *expected]


async def test_no_more_than_a_hundred_are_made_up_for(start):
    system = await start(config=config(catch_up="all", cron="* * * * *"))
    clock = VirtualClock(NOW + 400 * DAY_S)
    later = await start(config=config(catch_up="all", cron="* * * * *"), disk=system.on_disk(), clock=clock)
    assert len(fired(later)) == 100


async def test_a_new_schedule_owes_nothing(start):
    system = await start(config=config(catch_up="all"))
    assert fired(system) == []


async def test_a_clock_put_back_fires_nothing_again_and_then_goes_on(start):
    system = await start(config=config())
    await system.advance(2 * HOUR_S)
    system.clock._epoch_s -= 2 * HOUR_S
    await system.advance(3 * HOUR_S)
    assert fired(system) == ["15T09:00:00Z", "15T10:00:00Z", "15T11:00:00Z"]


async def test_a_clock_that_was_days_ahead_stops_nothing_and_what_it_fired_stays_fired(start):
    system = await start(config=config())
    system.clock._epoch_s += 2 * DAY_S
    await system.advance(HOUR_S)
    assert fired(system) == ["17T08:00:00Z", "17T09:00:00Z"]
    system.clock._epoch_s -= 2 * DAY_S
    await system.advance(HOUR_S)
    assert fired(system) == ["17T08:00:00Z", "17T09:00:00Z", "15T10:00:00Z"]
    await system.advance(2 * DAY_S)
    moments = fired(system)
    assert (len(moments), len(set(moments))) == (49, 49)


@pytest.mark.parametrize("journal", ["queue", "schedules"])
async def test_a_full_disk_is_tried_again(start, journal):
    system = await start(config=config())
    await system.advance(HOUR_S - 1.0)
    for _ in range(3):
        system.journals[journal].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    await system.advance(120.0)
    assert fired(system) == ["15T09:00:00Z"]
    assert system.lines("schedules")[-1]["last"] == NOW + HOUR_S


async def test_a_pause_is_kept_over_a_restart_and_not_made_up_for(start):
    system = await start(config=config(catch_up="all"))
    await system.ask(names.SCHEDULES, PauseSchedule("tidy", is_paused=True))
    clock = VirtualClock(NOW + 2.5 * HOUR_S)
    later = await start(config=config(catch_up="all"), disk=system.on_disk(), clock=clock)
    assert (await state(later)).next_at is None
    await later.ask(names.SCHEDULES, PauseSchedule("tidy", is_paused=False))
    await later.advance(HOUR_S)
    assert fired(later) == ["15T11:00:00Z"]


async def test_a_pause_that_is_not_on_disk_is_refused(start):
    system = await start(config=config())
    system.journals["schedules"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    await system.ask(names.SCHEDULES, PauseSchedule("tidy", is_paused=True))
    assert not (await state(system)).mark.is_paused


async def test_people_see_and_pause_schedules(start):
    system = await start(config=config())
    service = ScheduleService(system.runtime)
    (one,) = (await service.schedules()).schedules
    assert (one.name, one.next_at, one.last_at, one.paused) == ("tidy", "2027-01-15T09:00:00Z", None, False)
    assert (await service.pause_schedule("tidy", is_paused=True)).paused
    with pytest.raises(SymbiontError) as refused:
        await service.pause_schedule("tidi", is_paused=True)
    assert (refused.value.code, refused.value.hint) == ("NOT_FOUND", "did you mean tidy?")


async def test_the_file_stays_small(start):
    system = await start(config=config(cron="* * * * *"))
    await system.advance(1_100 * 60.0)
    assert len(system.lines("schedules")) < 200
