"""What the journal in memory offers beyond the contract: repeatable batches, and accidents on order."""

import asyncio
import errno
import json

import pytest

from symbiont.adapters.memory_journal import MemoryJournal
from symbiont.ports import JournalDamaged
from tests.contract.journal_contract import Lines, opening, record, without_seal


async def test_records_of_one_pass_of_the_loop_are_one_batch():
    journal = MemoryJournal(chained=True)
    await opening(journal)
    journal.append(record(1))
    journal.append(record(2))
    await asyncio.sleep(0)
    journal.append(record(3))
    await asyncio.sleep(0)
    assert [json.loads(line)["batch"] for line in journal.records] == [1, 1, 3]


async def test_a_receipt_is_there_in_the_next_pass_and_not_before():
    journal = MemoryJournal()
    await opening(journal)
    receipt = journal.append(record(1))
    assert not receipt.done()
    assert len(journal.records) == 0
    await asyncio.sleep(0)
    assert receipt.result().seq == 1
    assert [without_seal(line) for line in journal.records] == [record(1)]


async def test_failures_are_used_up_one_batch_each():
    journal = MemoryJournal()
    await opening(journal)
    journal.fail_next(OSError(errno.ENOSPC, "full"))
    journal.fail_next(OSError(errno.EIO, "broken"))
    codes: list[int | None] = []
    for number in range(2):
        with pytest.raises(OSError, match=r"full|broken") as refusal:
            await journal.append(record(number))
        codes.append(refusal.value.errno)
    assert codes == [errno.ENOSPC, errno.EIO]
    assert (await journal.append(record(3))).seq == 1


async def test_a_crash_takes_what_was_not_acknowledged():
    journal = MemoryJournal()
    await opening(journal)
    await journal.append(record(1))
    lost = journal.append(record(2))
    journal.crash()
    assert lost.cancelled()
    assert await opening(journal) == [record(1)]


async def test_records_that_are_none_are_damage():
    journal = MemoryJournal([b"nonsense", record(1)])
    opened = await journal.open(Lines())
    assert opened.damage is not None
    assert opened.damage.reason.startswith("expected line 1 of in memory")
    with pytest.raises(JournalDamaged):
        await journal.append(record(2))
