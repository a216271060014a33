"""Schedules fire each moment once: over restarts, full disks and clocks that jump."""

import errno

import msgspec
import pytest

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.schedule_messages import PauseSchedule, ReadSchedules
from symbiont.config import tier_table
from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError
from symbiont.domain.intake import Intake
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


def served(system) -> ScheduleService:
    config = system.config
    return ScheduleService(system.runtime, Intake(tier_table(config), config.dispatch.max_task_chars), system.clock)


async def refusal_of(call) -> SymbiontError:
    with pytest.raises(SymbiontError) as refused:
        await call
    return refused.value


async def added(system, schedule=HOURLY, *, replace=False):
    return await served(system).add_schedule(schedule, replace=replace, dry_run=False)


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
    service = served(system)
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


# Schedules that are added while it runs


async def test_one_that_is_added_comes_from_then_on(system):
    await system.advance(1_800.0)
    view = await added(system)
    await system.advance(2 * HOUR_S)

    assert (view.added, view.upcoming[:2]) == (True, ("2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"))
    assert fired(system) == ["15T09:00:00Z", "15T10:00:00Z"]


@pytest.mark.parametrize("how", ["crash", "restart"])
async def test_it_outlives_a_crash_and_a_restart_and_fires_nothing_twice(start, how):
    system = await start()
    await added(system)
    await system.advance(HOUR_S)
    if how == "crash":
        await system.crash(names.SCHEDULES)
    else:
        system = await start(disk=system.on_disk(), clock=VirtualClock(system.clock.wall() - 1_800.0))
    await system.advance(2 * HOUR_S)

    assert fired(system) == ["15T09:00:00Z", "15T10:00:00Z", *(["15T11:00:00Z"] if how == "crash" else [])]


async def test_a_name_that_is_in_use_is_refused_unless_it_is_to_be_replaced(system):
    await added(system)
    refused = await refusal_of(added(system, msgspec.structs.replace(HOURLY, cron="@daily")))
    assert (refused.code, refused.message) == ("CONFLICT", "expected a name that is free, got: tidy")

    view = await added(system, msgspec.structs.replace(HOURLY, cron="@daily"), replace=True)
    assert view.upcoming[0] == "2027-01-16T00:00:00Z"


async def test_what_was_fired_stays_fired_when_one_is_replaced(system):
    await added(system)
    await system.advance(HOUR_S)
    system.clock.jump_wall(-1_800.0)
    await added(system, msgspec.structs.replace(HOURLY, priority="low"), replace=True)
    await system.advance(HOUR_S)

    assert fired(system) == ["15T09:00:00Z"]


async def test_one_that_is_removed_comes_no_more_and_leaves_nothing_behind(start):
    system = await start()
    await added(system)
    await system.advance(HOUR_S)
    await served(system).remove_schedule("tidy")
    await system.advance(2 * HOUR_S)
    assert fired(system) == ["15T09:00:00Z"]

    again = await start(disk=system.on_disk(), clock=VirtualClock(system.clock.wall()))
    assert await again.ask(names.SCHEDULES, ReadSchedules()) == ()


async def test_the_configuration_keeps_its_names(start):
    system = await start(config=config())
    for call in (added(system, replace=True), served(system).remove_schedule("tidy")):
        refused = await refusal_of(call)
        assert (refused.code, refused.hint) == ("CONFLICT", "change [[schedules]] in symbiont.toml and restart")


async def test_a_row_of_the_configuration_wins_over_one_that_was_added_before(start):
    system = await start()
    await added(system)
    again = await start(config=config(cron="@daily"), disk=system.on_disk(), clock=VirtualClock(system.clock.wall()))

    assert (await state(again)).schedule.cron == "@daily"


async def test_marks_of_schedules_that_are_gone_go_with_the_next_rewriting(start):
    system = await start(config=config())
    await system.advance(HOUR_S)
    again = await start(config=config(name="other", cron="* * * * *"), disk=system.on_disk())
    await again.advance(1_100 * 60.0)

    assert {line["name"] for line in again.lines("schedules")} == {"other"}


async def test_a_disk_that_refuses_leaves_everything_as_it_was(system):
    system.journals["schedules"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    assert (await refusal_of(added(system))).code == "STORAGE_REFUSED"
    await added(system)
    system.journals["schedules"].fail_next(OSError(errno.ENOSPC, "No space left on device"))
    assert (await refusal_of(served(system).remove_schedule("tidy"))).code == "STORAGE_REFUSED"

    assert (await state(system)).schedule == HOURLY


async def test_a_dry_run_says_when_and_adds_nothing(system):
    view = await served(system).add_schedule(HOURLY, replace=False, dry_run=True)

    assert len(view.upcoming) == 5
    assert await system.ask(names.SCHEDULES, ReadSchedules()) == ()


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"name": "two words"}, "BAD_VALUE", "name"),
        ({"name": "x" * 129}, "BAD_VALUE", "name"),
        ({"cron": "61 * * * *"}, "BAD_VALUE", "minute"),
        ({"cron": "@sometimes"}, "BAD_VALUE", "five fields"),
        ({"time_zone": "Mars/Olympus"}, "BAD_VALUE", "time_zone"),
        ({"task": " "}, "EMPTY_TASK", "task"),
        ({"task": "x" * 400_001}, "TASK_TOO_LONG", "task"),
        ({"force_tier": "gpt"}, "UNKNOWN_TIER", "force_tier"),
        ({"project": "a\nb"}, "BAD_VALUE", "project"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_name(system, changes, code, named):
    refused = await refusal_of(added(system, msgspec.structs.replace(HOURLY, **changes)))

    assert (refused.code, named in refused.message) == (code, True)


async def test_there_is_an_end_to_how_many_there_may_be(system, monkeypatch):
    monkeypatch.setattr("symbiont.actors.schedule_desk.MOST_SCHEDULES", 1)
    await added(system)
    refused = await refusal_of(added(system, msgspec.structs.replace(HOURLY, name="other")))

    assert (refused.code, refused.message) == ("CONFLICT", "expected at most 1 schedules, got: one more")
