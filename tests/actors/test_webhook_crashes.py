"""Nothing that ended goes untold, and nothing is told that did not end, whoever is killed and whenever the power goes."""

import asyncio
import json
import os
import random
from errno import ENOSPC

import msgspec
import pytest

from supervisors import KILLED
from supervisors.dynamic import ListChildren
from symbiont.actors import names
from symbiont.actors.ledger import Refused as StorageRefused
from symbiont.actors.queue_messages import Cancel, Retry
from symbiont.actors.webhook_messages import FinishedAfter, ReadDeliveries
from symbiont.config.schema import Config, Dispatch, Endpoint, Webhooks
from symbiont.domain.outbox import Change, Delivery
from symbiont.domain.outbox import Endpoint as EndpointState
from symbiont.domain.outcome import Refused
from symbiont.domain.redelivery import Told
from symbiont.ports import SyncFailed
from tests.actors.endpoint_twin import HeldDelivery, ScriptedEndpoints, said

SEEDS = int(os.environ.get("SYMBIONT_WEBHOOK_SEEDS", "25"))
STEPS = ("task", "task", "failing", "retry", "kill", "power", "full", "deaf", "time", "time")
NOW, DAY_S, YEAR_S = 1_800_000_000.0, 86_400.0, 31_536_000.0
FULL = OSError(ENOSPC, "No space left on device")


def config(*names_: str, **more) -> Config:
    hooks = tuple(Endpoint(name, "https://example.com", secret_env="SECRET") for name in names_)
    return Config(webhooks=Webhooks(endpoints=hooks, **more), dispatch=Dispatch(max_attempts=1))


async def test_a_delivery_under_way_when_the_power_goes_is_made_again_under_the_same_id(start):
    first = await start(config=config("ops"))
    first.endpoints.hold("ops")
    await first.submit()
    await first.quiet()
    second = await start(config=config("ops"), disk=first.on_disk())
    await second.quiet()
    assert [notice.message_id for notice in second.endpoints.heard] == [first.endpoints.came[0].message_id]
    assert second.endpoints.heard[0].body == first.endpoints.came[0].body


async def test_a_delivery_under_way_outlives_a_restart_of_the_actor_and_is_not_made_twice(start):
    system = await start(config=config("ops"))
    held = system.endpoints.hold("ops")
    await system.submit()
    await system.quiet()
    await system.crash(names.WEBHOOKS)
    await system.advance(60.0)
    assert len(system.endpoints.came) == 1
    held.release.set()
    await system.quiet()
    page = await system.ask(names.WEBHOOKS, ReadDeliveries(10))
    assert [(one.state, one.attempts) for one in page.deliveries] == [("delivered", 1)]


async def test_what_ended_while_the_outbox_was_away_is_told(start):
    """The queue's file has the end, the outbox's has not."""
    first = await start(config=config("ops"))
    await first.submit()
    await first.quiet()
    disk = first.on_disk()
    mark_only = tuple(line for line in disk["webhooks"] if b"deliveries" not in line)
    second = await start(config=config("ops"), disk=disk | {"webhooks": mark_only})
    await second.quiet()
    assert [notice.message_id for notice in second.endpoints.heard] == [first.endpoints.heard[0].message_id]


async def test_what_was_delivered_is_not_told_again_after_a_restart(start):
    first = await start(config=config("ops"))
    await first.submit()
    await first.quiet()
    second = await start(config=config("ops"), disk=first.on_disk())
    await second.advance(600.0)
    assert second.endpoints.came == []


async def test_a_webhook_that_is_new_is_not_told_of_what_ended_before(start):
    first = await start()
    await first.submit()
    await first.quiet()
    second = await start(config=config("ops"), disk=first.on_disk())
    await second.submit("another")
    await second.advance(600.0)
    assert len(second.endpoints.heard) == 1


async def test_a_webhook_that_was_taken_out_and_put_back_is_new(start):
    first = await start(config=config("ops"))
    first.endpoints.otherwise = Told(500)
    await first.submit()
    await first.quiet()
    without = await start(disk=first.on_disk())
    await without.submit()
    await without.quiet()
    lines = len(without.lines("webhooks"))
    await without.submit()
    await without.advance(600.0)
    assert len(without.lines("webhooks")) == lines
    again = await start(config=config("ops"), disk=without.on_disk())
    await again.advance(600.0)
    assert again.endpoints.came == []
    page = await again.ask(names.WEBHOOKS, ReadDeliveries(10))
    assert [(one.state, "no webhook of the configuration" in one.last_error) for one in page.deliveries] == [
        ("failed", True)
    ]


async def test_a_lost_hint_is_made_good_by_the_sweep(start):
    system = await start(config=config("ops"))
    system.journals["webhooks"].fail_next(FULL)
    await system.submit()
    await system.quiet()
    assert system.endpoints.came == []
    await system.advance(31.0)
    assert len(system.endpoints.heard) == 1


async def test_a_full_disk_does_not_make_a_delivery_repeat_and_is_made_good_later(start):
    system = await start(config=config("ops"))
    held = system.endpoints.hold("ops")
    await system.submit()
    await system.quiet()
    for _ in range(3):
        system.journals["webhooks"].fail_next(FULL)
    held.release.set()
    await system.advance(200.0)
    assert len(system.endpoints.came) == 1
    after = await start(config=config("ops"), disk=system.on_disk())
    await after.advance(600.0)
    assert after.endpoints.came == []


async def test_a_failed_sync_ends_the_actor_and_its_next_life_goes_on(start):
    system = await start(config=config("ops"))
    before = system.process(names.WEBHOOKS)
    system.journals["webhooks"].fail_next(SyncFailed("the disk lied"))
    await system.submit()
    await system.advance(60.0)
    assert system.process(names.WEBHOOKS) is not before
    assert len(system.endpoints.heard) == 1


async def test_marks_that_moved_over_what_nobody_wanted_are_on_disk_after_a_sweep(start):
    hook = Endpoint("ops", "https://example.com", secret_env="S", events=("task.failed",))
    system = await start(config=Config(webhooks=Webhooks(endpoints=(hook,))))
    lines = len(system.lines("webhooks"))
    await system.submit()
    await system.quiet()
    assert len(system.lines("webhooks")) == lines
    await system.advance(31.0)
    wanting_all = await start(config=config("ops"), disk=system.on_disk())
    await wanting_all.advance(60.0)
    assert wanting_all.endpoints.came == []


async def test_a_deaf_address_of_a_task_holds_up_no_other(start):
    system = await start(config=config(allow_task_urls=True))
    held = HeldDelivery()
    system.endpoints.script("task", held)
    await system.submit(webhook_url="https://deaf.example/x")
    await system.quiet()
    await system.submit(webhook_url="https://other.example/x")
    await system.quiet()
    assert [notice.url for notice in system.endpoints.heard] == ["https://other.example/x"]
    held.release.set()


async def test_a_wall_clock_that_was_ahead_keeps_no_delivery_waiting_for_good(start):
    left = Delivery("m1_ops", "m1", "ops", "task.done", "2026-11-25T10:00:00Z", body="{}", next_at=NOW + YEAR_S)
    line = Change(deliveries=(left,), endpoints=(EndpointState("ops", seen=int((NOW + YEAR_S) * 1e6)),))
    system = await start(config=config("ops"), disk={"webhooks": (msgspec.json.encode(line),)})
    await system.submit()
    await system.advance(DAY_S + 60.0)
    assert len(system.endpoints.heard) == 2


class Storm:
    """Tasks, kills, power cuts, full disks and deaf endpoints at random; what every life of the endpoints got is kept."""

    def __init__(self, seed: int, start) -> None:
        self.random = random.Random(seed)
        self.start = start
        self.lives: list[ScriptedEndpoints] = []
        self.config = config("a", "b")

    async def begin(self, disk=None) -> None:
        self.system = await self.start(config=self.config, disk=disk, seed=self.random.randrange(1_000))
        self.lives.append(self.system.endpoints)

    async def step(self) -> None:  # noqa: C901 -- a table of what may happen
        random_, system = self.random, self.system
        match random_.choice(STEPS):
            case "task":
                await system.submit()
            case "failing":
                system.worker.script(Refused("no"))
                await system.submit(force_tier="haiku")
            case "retry":
                for line in [line for line in system.lines("queue") if line.get("status") == "failed"][-1:]:
                    await system.ask(names.QUEUE, Retry(line["id"]))
            case "kill":
                await system.crash(random_.choice([names.WEBHOOKS, names.QUEUE, names.LEDGER, names.TASKS]))
            case "power":
                await self.begin(system.on_disk())
            case "full":
                system.journals["webhooks"].fail_next(random_.choice([FULL, SyncFailed("no")]))
            case "deaf":
                answer = random_.choice(
                    [Told(500), Told(429, retry_after="7"), HeldDelivery(), ZeroDivisionError("bug")]
                )
                system.endpoints.script(random_.choice("ab"), answer)
            case _:
                await system.advance(random_.uniform(0.0, 40.0))

    async def calm_down(self) -> None:
        """A last power cut frees what is held; then there is time for all there is to tell."""
        await self.begin(self.system.on_disk())
        await self.system.advance(1_200.0)


def ends_on(lines):
    """The ends as an independent reader finds them, by number, and those of tasks that were sent round again since.

    Such an end may go untold, if its task was sent round again before anybody saw it and the power went then.
    """
    ends, last, taken_back = {}, {}, set()
    for line in lines:
        if line.get("finish"):
            ends[line["finish"]] = (line["id"], line["status"])
            last[line["id"]] = line["finish"]
        elif line.get("status") == "pending" and line["id"] in last:
            taken_back.add(last[line["id"]])
    return ends, taken_back


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_storm_loses_no_end_and_invents_none(start, seed):
    storm = Storm(seed, start)
    await storm.begin()
    for _ in range(40):
        await storm.step()
    await storm.calm_down()

    ends, taken_back = ends_on(storm.system.lines("queue"))
    heard = {"a": {}, "b": {}}
    for life in storm.lives:
        for notice in life.heard:
            body = said(notice)
            number = int(notice.message_id.rsplit("_", 1)[1])
            assert ends[number] == (body["data"]["id"], body["data"]["status"])
            assert heard[notice.endpoint].setdefault(notice.message_id, notice.body) == notice.body
            assert json.loads(notice.body)["type"].startswith("task.")
    for name, messages in heard.items():
        told = {int(id_.rsplit("_", 1)[1]) for id_ in messages}
        assert told <= ends.keys(), name
        assert ends.keys() - told <= taken_back, name


async def test_a_delivery_that_is_killed_is_made_again_and_costs_no_try(start):
    system = await start(config=config("ops"))
    system.endpoints.hold("ops")
    await system.submit()
    await system.quiet()
    children = await system.ask(names.TASKS, ListChildren())
    (delivery,) = [child.process for child in children if child.id.startswith("webhook ")]
    delivery.exit(KILLED)
    await system.quiet()
    page = await system.ask(names.WEBHOOKS, ReadDeliveries(10))
    assert [(one.state, one.attempts) for one in page.deliveries] == [("delivered", 1)]


async def test_an_end_that_is_not_on_disk_yet_is_not_looked_up(start):
    """The disk may still refuse it, and then the task has not ended."""
    system = await start(slots=0)
    task_id = await system.submit()
    system.journals["queue"].fail_next(FULL)
    queue = system.runtime.named(names.QUEUE)
    cancelled, page = await asyncio.gather(queue.call(Cancel(task_id)), queue.call(FinishedAfter(0, 10)))
    assert isinstance(cancelled, StorageRefused)
    assert page.tasks == ()
