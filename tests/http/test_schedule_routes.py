"""The routes about schedules."""

import pytest

from symbiont.domain.schedule import Schedule


async def test_schedules_are_listed(api):
    (schedule,) = (await api.get("/schedules")).json["schedules"]
    assert (schedule["name"], schedule["time_zone"], schedule["paused"]) == ("daily", "Europe/Berlin", False)


@pytest.mark.parametrize(("verb", "is_paused"), [("pause", True), ("resume", False)])
async def test_commands_reach_the_service(api, verb, is_paused):
    assert (await api.post(f"/schedules/daily/{verb}")).json["paused"] is is_paused
    assert api.service.seen == [("pause_schedule", "daily", is_paused)]


BODY = {"name": "tidy", "cron": "@hourly", "task": "tidy up"}


async def test_a_schedule_is_added_as_it_was_asked_for(api):
    fields = {"time_zone": "Europe/Berlin", "priority": "low", "project": "p", "force_tier": "haiku", "catch_up": "all"}
    assert (await api.post("/schedules", {**BODY, **fields, "replace": True})).json["added"]
    schedule = Schedule("tidy", "@hourly", "tidy up", "Europe/Berlin", "low", "p", "haiku", "all")
    assert api.service.seen == [("add_schedule", schedule, True, False)]


async def test_a_schedule_is_removed(api):
    await api.post("/schedules/daily/remove")
    assert api.service.seen == [("remove_schedule", "daily")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"cron": "@hourly", "task": "x"}, "MISSING_FIELD"),
        ({**BODY, "cron": 5}, "WRONG_TYPE"),
        ({**BODY, "priority": "urgent"}, "BAD_VALUE"),
        ({**BODY, "catch_up": "some"}, "BAD_VALUE"),
        ({**BODY, "dry_run": "yes"}, "WRONG_TYPE"),
        ({**BODY, "timezone": "UTC"}, "UNKNOWN_FIELD"),
    ],
)
async def test_what_is_wrong_with_a_schedule_is_said(api, fields, code):
    assert (await api.post("/schedules", fields)).json["code"] == code
    assert api.service.seen == []
