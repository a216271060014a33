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
