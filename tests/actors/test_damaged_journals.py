"""A ledger or a queue that was found damaged: the server starts, says so, and takes nothing until it is mended."""

import pytest

from symbiont.actors import names
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.ledger_messages import Append, ReadDamage, ReadTotals, Refused
from symbiont.actors.queue_messages import Get
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import decode
from symbiont.domain.task import Task
from symbiont.service.asking import checked

OLD = b'{"id":"queued-1","task":"old one","created_at":"2026-03-01T10:00:00Z","status":"processing"}'
LINE = (
    b'{"timestamp":"2026-03-01T10:00:00Z","model":"haiku","success":true,"elapsed_seconds":1.0,"input_tokens":1,'
    b'"output_tokens":1,"estimated_cost_usd":0.5,"prompt_preview":"x"}'
)
DAMAGED = {"ledger": (LINE, b"nonsense", LINE), "queue": (OLD, b"nonsense", OLD)}


@pytest.mark.parametrize("name", DAMAGED)
async def test_new_tasks_are_refused_with_what_is_wrong(start, name):
    system = await start(disk={name: DAMAGED[name]})
    refused = await system.try_submit()
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("expected line 2 of")
    with pytest.raises(SymbiontError) as error:
        checked(refused)
    assert (error.value.code, error.value.http_status) == ("DATA_CORRUPT", 503)


@pytest.mark.parametrize("name", DAMAGED)
async def test_nothing_runs_and_nothing_is_written(start, name):
    waiting = OLD.replace(b"processing", b"pending")
    system = await start(disk={"queue": (waiting,), name: DAMAGED[name]})
    before = system.on_disk()
    await system.advance(1_000.0)
    assert system.worker.calls == []
    assert {name: system.on_disk()[name] for name in ("ledger", "queue")} == {
        name: before[name] for name in ("ledger", "queue")
    }


async def test_what_lies_before_the_damage_can_be_read(start):
    system = await start(disk=DAMAGED)
    assert isinstance(await system.ask(names.QUEUE, Get("queued-1")), Task)
    assert (await system.ask(names.LEDGER, ReadTotals())).total.calls == 1
    damage = await system.ask(names.LEDGER, ReadDamage())
    assert (damage.line, damage.offset) == (2, len(LINE) + 1)


async def test_a_call_cannot_be_booked_and_a_beat_says_that_the_ledger_is_unwell(start):
    system = await start(disk=DAMAGED)
    refused = await system.ask(names.LEDGER, Append(decode(LINE)))
    assert (type(refused), refused.code) == (Refused, "DATA_CORRUPT")
    assert (await system.ask(names.HEARTBEAT, BeatNow())).checks["ledger"] is False


async def test_a_sound_ledger_has_no_damage(system):
    assert await system.ask(names.LEDGER, ReadDamage()) is None
