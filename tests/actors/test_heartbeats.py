"""A beat every few minutes: it says what is well, and mends what got lost."""

from supervisors import KILLED
from symbiont.actors import names
from symbiont.actors.heartbeat import BeatNow, LastBeat
from symbiont.actors.queue_messages import Take
from symbiont.config.schema import Config, Heartbeat

FIELDS = {
    "timestamp",
    "status",
    "checks",
    "disk_free_bytes",
    "queue_size",
    "processing",
    "tasks_processed",
    "rescued",
}


async def test_the_first_beat_comes_at_once_and_the_next_after_the_interval(system):
    assert len(system.lines("heartbeat")) == 1
    await system.advance(299.0)
    assert len(system.lines("heartbeat")) == 1
    await system.advance(1.0)
    assert len(system.lines("heartbeat")) == 2


async def test_a_beat_says_what_is_well_and_how_much_there_is_to_do(start):
    system = await start(slots=1)
    await system.submit(force_tier="haiku")
    system.worker.hold()
    for _ in range(3):
        await system.submit(force_tier="haiku")
    beat = await system.ask(names.HEARTBEAT, BeatNow())
    assert (beat.status, beat.queue_size, beat.processing, beat.tasks_processed) == ("healthy", 2, 1, 1)
    assert beat.checks == {"ledger": True, "queue": True, "disk": True, "worker": True}
    assert set(system.lines("heartbeat")[-1]) == FIELDS | {"seq", "batch", "crc"}


async def test_little_disk_and_a_missing_worker_are_not_well(start):
    system = await start(config=Config(heartbeat=Heartbeat(min_free_bytes=1_000)))
    system.disk.free, system.worker_is_there = 999, False
    beat = await system.ask(names.HEARTBEAT, BeatNow())
    assert (beat.status, beat.checks["disk"], beat.checks["worker"]) == ("degraded", False, False)


async def test_a_disk_that_cannot_be_asked_is_not_well_and_brings_nobody_down(system):
    before = system.process(names.HEARTBEAT)
    system.disk.error = OSError(5, "Input/output error")
    await system.advance(300.0)
    beat = await system.ask(names.HEARTBEAT, BeatNow())
    assert (beat.status, beat.checks["disk"], beat.disk_free_bytes) == ("degraded", False, 0)
    assert system.process(names.HEARTBEAT) is before


async def test_a_beat_puts_a_leased_task_without_a_run_back_into_the_queue(start):
    """Somebody took a lease and was never seen again."""
    system = await start(source="direct")
    task_id = await system.submit(force_tier="haiku")
    await system.ask(names.QUEUE, Take())
    await system.advance(600.0)
    assert (await system.task(task_id)).status == "pending"
    assert sum(line["rescued"] for line in system.lines("heartbeat")) == 1


async def test_a_beat_leaves_a_running_task_alone(system):
    system.worker.hold()
    task_id = await system.submit(force_tier="haiku")
    await system.advance(1_500.0)
    assert ((await system.task(task_id)).status, len(system.worker.calls)) == ("processing", 1)


async def test_a_restarted_heartbeat_knows_the_last_beat(system):
    before = await system.ask(names.HEARTBEAT, LastBeat())
    await system.crash(names.HEARTBEAT)
    after = await system.ask(names.HEARTBEAT, LastBeat())
    assert (after.timestamp, len(system.lines("heartbeat"))) == (before.timestamp, 2)


async def test_a_beat_while_the_ledger_is_down_does_not_bring_the_heartbeat_down(system):
    system.process(names.LEDGER).exit(KILLED)
    await system.quiet()
    beat = await system.ask(names.HEARTBEAT, BeatNow())
    assert beat.status == "healthy"
