"""`symbiont schedule list|pause|resume`."""

import msgspec

from symbiont.http.examples import EXAMPLES
from symbiont.service import schedule_views


def example(view, **changes):
    return msgspec.to_builtins(msgspec.structs.replace(EXAMPLES[view], **changes))


def test_schedules_are_listed(ask, api):
    api.answers("GET", "/schedules", example(schedule_views.ScheduleList))
    fields = ask("schedule", "list").out.rstrip("\n").split("\t")
    assert fields[:3] == ["daily", "0 7 * * MON-FRI", "Europe/Berlin"]


def test_a_schedule_is_paused_and_resumed(ask, api):
    api.answers("POST", "/schedules/daily/pause", example(schedule_views.ScheduleView, paused=True, next_at=None))
    assert ask("schedule", "pause", "daily").out == "name\tdaily\nstate\tpaused\nnext\t\n"
    api.answers("POST", "/schedules/daily/resume", example(schedule_views.ScheduleView))
    assert "state\ton\n" in ask("schedule", "resume", "daily").out


def test_an_unknown_schedule_is_not_found(ask, api):
    api.refuses("POST", "/schedules/nope/pause", 404, "NOT_FOUND")
    assert ask("schedule", "pause", "nope").code == 3


def test_a_schedule_is_added_and_told_when_it_comes(ask, api):
    api.answers("POST", "/schedules", example(schedule_views.ScheduleView))
    said = ask("schedule", "add", "daily", "Tidy up", "--cron", "0 7 * * MON-FRI", "--time-zone", "Europe/Berlin")
    assert said.out == "name\tdaily\ncomes\t2026-03-20T06:00:00Z\ncomes\t2026-03-23T06:00:00Z\n"


def test_a_schedule_is_removed(ask, api):
    api.answers("POST", "/schedules/daily/remove", example(schedule_views.ScheduleView))
    assert ask("schedule", "remove", "daily").out == "name\tdaily\nstate\tremoved\n"


def test_a_name_in_use_is_a_conflict(ask, api):
    api.refuses("POST", "/schedules", 409, "CONFLICT")
    assert ask("schedule", "add", "daily", "Tidy up", "--cron", "@daily").code == 6
