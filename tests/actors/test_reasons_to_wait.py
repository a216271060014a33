"""Every task that waits says what for, also one that came when everything was closed already."""

import asyncio

import pytest

from symbiont.domain.errors import SymbiontError
from symbiont.domain.outcome import Unauthorised, UsageLimited
from symbiont.domain.task import NewTask
from symbiont.service.commands import Commands
from symbiont.service.queries import Queries

HOUR_S = 3_600.0


def queries(system):
    return Queries(system.runtime, tiers=system.world.tiers, clock=system.clock, workers=("claude",), version="1")


@pytest.fixture
async def limited(system):
    """A system whose account is closed for an hour."""
    system.worker.script(UsageLimited("five_hour", "account", system.clock.wall() + HOUR_S))
    await system.submit(force_tier="haiku")
    return system


async def test_a_task_that_comes_while_all_is_closed_says_what_it_waits_for(limited):
    late = await limited.submit("late")
    shown = await queries(limited).task(late)
    assert (shown.status, shown.waiting_for) == ("pending", "limit five_hour")
    assert shown.not_before is not None
    assert [task.waiting_for for task in (await queries(limited).tasks(None, 50)).tasks] == ["limit five_hour"] * 2


async def test_whose_patience_ends_is_told_what_the_task_waits_for(limited):
    commands = Commands(limited.runtime, tiers=limited.world.tiers, clock=limited.clock)
    asking = asyncio.ensure_future(commands.run_task(NewTask("late", "direct"), wait_s=5.0))
    await limited.advance(6.0)
    with pytest.raises(SymbiontError) as refused:
        await asking
    assert (refused.value.code, refused.value.details["waiting_for"]) == ("STILL_PENDING", "limit five_hour")


async def test_a_task_that_only_waits_for_a_slot_has_no_reason(start):
    system = await start(slots=1)
    system.worker.hold()
    await system.submit(force_tier="haiku")
    behind = await system.submit(force_tier="haiku")
    assert (await queries(system).task(behind)).waiting_for is None


async def test_after_a_refused_key_the_status_is_degraded_until_the_pause_ends(system):
    system.worker.script(Unauthorised("no such key"))
    await system.submit(force_tier="haiku")
    late = await system.submit("late")
    assert (await queries(system).task(late)).waiting_for == "pause after unauthorised"
    assert ((await queries(system).status()).status, (await queries(system).status()).rate_limited) == (
        "degraded",
        False,
    )
    await system.advance(120.0)
    assert (await queries(system).status()).status == "healthy"
