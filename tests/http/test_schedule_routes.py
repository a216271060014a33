"""The routes about schedules."""

import pytest


async def test_schedules_are_listed(api):
    (schedule,) = (await api.get("/schedules")).json["schedules"]
    assert (schedule["name"], schedule["time_zone"], schedule["paused"]) == ("daily", "Europe/Berlin", False)


@pytest.mark.parametrize(("verb", "is_paused"), [("pause", True), ("resume", False)])
async def test_commands_reach_the_service(api, verb, is_paused):
    assert (await api.post(f"/schedules/daily/{verb}")).json["paused"] is is_paused
    assert api.service.seen == [("pause_schedule", "daily", is_paused)]
