"""What `schedules.jsonl` makes certain: a moment is fired once wherever a kill comes, and what is no more leaves nothing behind."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.schedule_messages import AddSchedule, ReadSchedules, RemoveSchedule
from symbiont.config.schema import Config
from symbiont.domain.schedule import Mark, Schedule, begun
from symbiont.domain.schedule_file import Marks, line_of, removal_of

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
HOUR_S = 3_600.0
DAY_S = 86_400.0
HOURLY = Schedule("tidy", "@hourly", "tidy up", force_tier="haiku")
YEARLY = msgspec.structs.replace(HOURLY, cron="0 9 15 1 *")


def changed(**how) -> Schedule:
    return msgspec.structs.replace(HOURLY, **how)


async def known(system) -> list[str]:
    return [one.schedule.name for one in await system.ask(names.SCHEDULES, ReadSchedules())]


async def last_of(system) -> int | None:
    (one,) = await system.ask(names.SCHEDULES, ReadSchedules())
    return one.mark.last


async def begin(start, schedule, *, is_added):
    """A system with this schedule, one way or the other, and the configuration for its next starts."""
    config = Config() if is_added else Config(schedules=(schedule,))
    system = await start(config=config)
    if is_added:
        await system.ask(names.SCHEDULES, AddSchedule(schedule))
    return system, config


# Once, wherever a kill comes


@pytest.mark.parametrize("is_added", [True, False])
@pytest.mark.parametrize("catch_up", ["skip", "one", "all"])
@pytest.mark.parametrize("days_away", [0.001, 2.0, 30.0])
async def test_a_kill_right_after_the_queue_took_it_fires_nothing_again_however_long_it_is_dead(
    start, is_added, catch_up, days_away
):
    """Longer than the queue keeps results and keys: it has them pruned as soon as it may."""
    system, config = await begin(start, msgspec.structs.replace(YEARLY, catch_up=catch_up), is_added=is_added)
    disks: list[dict] = []
    system.journals["queue"].when_durable = lambda: disks.append(system.on_disk())
    await system.advance(HOUR_S + 60.0)
    taken = next(disk for disk in disks if disk["queue"])  # the task is on disk, its answer not yet given
    done = {**taken, "queue": system.on_disk()["queue"]}  # and here it ran, while the answer was on its way
    for disk in (taken, done):
        later = await start(config=config, disk=disk, clock=VirtualClock(NOW + HOUR_S + 60.0 + days_away * DAY_S))
        await later.advance(HOUR_S)
        assert len(later.worker.calls) == (1 if disk is taken else 0)
        assert await last_of(later) == NOW + HOUR_S


@pytest.mark.parametrize(("catch_up", "fired"), [("skip", 0), ("one", 1), ("all", 1)])
async def test_a_kill_before_the_queue_took_it_owes_it_still(start, catch_up, fired):
    system, config = await begin(start, msgspec.structs.replace(YEARLY, catch_up=catch_up), is_added=False)
    disks: list[dict] = []
    system.journals["schedules"].when_durable = lambda: disks.append(system.on_disk())
    await system.advance(HOUR_S)
    announced = disks[0]
    assert not announced["queue"]
    later = await start(config=config, disk=announced, clock=VirtualClock(NOW + 2 * DAY_S))
    await later.advance(60.0)
    assert len(later.lines("queue")) > 0 if fired else later.lines("queue") == []
    assert len(later.worker.calls) == fired


async def test_what_a_clock_that_was_ahead_has_fired_stays_fired_if_the_times_are_the_same():
    before = Mark("tidy", NOW, fired=((int(NOW), int(NOW) + 7_200),))
    assert begun(changed(task="sweep"), NOW + 1.0, before, HOURLY).fired == before.fired
    assert begun(changed(cron="@daily"), NOW + 1.0, before, HOURLY).fired == ()
    assert begun(changed(cron="@daily"), NOW + 8_000.0, before, HOURLY).fired == before.fired


# What is no more leaves nothing behind


async def test_one_that_is_removed_is_out_of_the_file(start):
    system, _ = await begin(start, HOURLY, is_added=True)
    await system.advance(HOUR_S)
    await system.ask(names.SCHEDULES, RemoveSchedule("tidy"))
    assert system.lines("schedules") == []


async def test_a_removal_after_which_the_file_could_not_be_made_smaller_holds(start):
    system, _ = await begin(start, HOURLY, is_added=True)
    disk = system.on_disk()
    disk["schedules"] = (*disk["schedules"], removal_of("tidy", NOW))
    later = await start(disk=disk, clock=VirtualClock(NOW + 1.0))
    assert await known(later) == []


async def test_marks_of_what_the_configuration_has_no_more_are_out_of_the_file_at_the_next_start(start):
    other = changed(name="other")
    system = await start(config=Config(schedules=(HOURLY, other)))
    later = await start(config=Config(schedules=(other,)), disk=system.on_disk(), clock=VirtualClock(NOW + 1.0))
    assert [line["name"] for line in later.lines("schedules")] == ["other"]


async def test_what_was_added_under_a_name_that_the_configuration_took_does_not_come_back(start):
    system, _ = await begin(start, changed(task="sweep"), is_added=True)
    later = await start(config=Config(schedules=(HOURLY,)), disk=system.on_disk(), clock=VirtualClock(NOW + 1.0))
    (one,) = await later.ask(names.SCHEDULES, ReadSchedules())
    assert (one.schedule, one.is_added) == (HOURLY, False)
    latest = await start(disk=later.on_disk(), clock=VirtualClock(NOW + 2.0))
    assert (await known(latest), latest.lines("schedules")) == ([], [])


# What does not belong to this start


async def test_who_runs_some_tasks_only_fires_nothing_and_forgets_nothing(start):
    """A task submitted `--local` runs over the same files."""
    system, _ = await begin(start, HOURLY, is_added=True)
    clock = VirtualClock(NOW + HOUR_S - 10.0)
    local = await start(disk=system.on_disk(), clock=clock, schedules_on=False)
    await local.advance(60.0)
    assert local.lines("queue") == []
    assert local.lines("schedules") == system.lines("schedules")


async def test_one_whose_zone_the_machine_no_longer_knows_stops_no_other(start):
    system, _ = await begin(start, HOURLY, is_added=True)
    disk = system.on_disk()
    strange = json.loads(disk["schedules"][0])
    strange["name"] = strange["schedule"]["name"] = "strange"
    strange["schedule"]["time_zone"] = "Mars/Olympus"
    disk["schedules"] = (*disk["schedules"], json.dumps(strange).encode())
    later = await start(disk=disk, clock=VirtualClock(NOW + 1.0))
    await later.advance(60.0)
    assert await known(later) == ["tidy"]


async def test_a_moment_does_not_write_the_task_anew(start):
    system, _ = await begin(start, changed(task="x" * 50_000), is_added=True)
    await system.advance(5 * HOUR_S)
    assert sum(map(len, system.journals["schedules"].records)) < 60_000


# The fold of the file

NAMES = st.sampled_from(["a", "b"])
MARKS = st.builds(Mark, NAMES, st.integers(0, 9).map(float), is_paused=st.booleans())
STEPS = st.lists(st.tuples(MARKS, st.sampled_from(["mark", "add", "remove"]), st.sampled_from(["x", "y"])))


@settings(deadline=None)
@given(STEPS)
def test_the_fold_of_the_file_is_what_the_steps_come_to_and_survives_being_rewritten(steps):
    marks, added, lines = {}, {}, []
    for mark, step, text in steps:
        schedule = Schedule(mark.name, "@daily", text)
        if step == "remove":
            lines.append(removal_of(mark.name, mark.seen))
            marks.pop(mark.name, None)
            added.pop(mark.name, None)
            continue
        lines.append(line_of(mark, schedule if step == "add" else None))
        marks[mark.name] = mark
        if step == "add":
            added[mark.name] = schedule
    read = folded(lines)
    assert (read.by_name, read.added) == (marks, added)
    again = folded([line_of(mark, schedule) for mark, schedule in read.as_lines()])
    assert (again.by_name, again.added) == (marks, added)


def folded(lines) -> Marks:
    marks = Marks()
    marks.absorb(lines)
    return marks
