"""The writer thread: what shares a sync, what happens on a disk that is slow, short of breath or broken."""

import asyncio
import errno
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_errors import JournalClosed, JournalFull, SyncFailed
from symbiont.adapters.journal_format import MAX_BATCH_BYTES
from symbiont.ports import Damage, JournalDamaged
from tests.contract.journal_contract import Lines, opening, record, without_seal
from tests.doubles.faulty_files import FaultyFiles


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
async def journal(tmp_path: Path, files: FaultyFiles) -> AsyncIterator[FileJournal]:
    journal = FileJournal(tmp_path / "journal.jsonl", chained=True, max_pending=100, files=files)
    await opening(journal)
    yield journal
    await journal.close()


def contents(tmp_path: Path) -> list[bytes]:
    return [without_seal(line) for line in lines(tmp_path)]


def lines(tmp_path: Path) -> list[bytes]:
    return (tmp_path / "journal.jsonl").read_bytes().splitlines()


def batches(tmp_path: Path) -> list[int]:
    return [json.loads(line)["batch"] for line in lines(tmp_path)]


async def has_entered_sync(files: FaultyFiles) -> None:
    await asyncio.to_thread(files.entered_sync.wait)


async def test_what_arrives_during_a_sync_shares_the_next_one(journal: FileJournal, files: FaultyFiles, tmp_path: Path):
    gate = files.hold_syncs()
    first = journal.append(record(1))
    await has_entered_sync(files)
    others = [journal.append(record(number)) for number in range(2, 7)]
    syncs = files.calls.count("sync_data")
    gate.set()
    await asyncio.gather(first, *others)
    assert batches(tmp_path) == [1, 2, 2, 2, 2, 2]
    assert files.calls.count("sync_data") == syncs + 2


async def test_the_loop_stays_free_while_the_disk_is_busy(journal: FileJournal, files: FaultyFiles):
    gate = files.hold_syncs()
    receipt = journal.append(record(1))
    await has_entered_sync(files)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not receipt.done()
    gate.set()
    assert (await receipt).seq == 1


async def test_a_batch_is_limited_in_bytes(tmp_path: Path, files: FaultyFiles):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=True, files=files)
    await opening(journal)
    gate = files.hold_syncs()
    receipts = [journal.append(record(1))]
    await has_entered_sync(files)
    big = b'{"text":"%b"}' % (b"x" * (MAX_BATCH_BYTES // 2))
    receipts += [journal.append(big) for _ in range(5)]
    gate.set()
    await asyncio.gather(*receipts)
    await journal.close()
    assert batches(tmp_path) == [1, 2, 2, 4, 4, 6]


async def test_records_in_flight_count_as_waiting(journal: FileJournal, files: FaultyFiles):
    gate = files.hold_syncs()
    receipts = [journal.append(record(1))]
    await has_entered_sync(files)
    receipts += [journal.append(record(number)) for number in range(2, 101)]
    with pytest.raises(JournalFull, match=r"expected at most 100 records of .* to wait for the disk"):
        await journal.append(record(101))
    gate.set()
    await asyncio.gather(*receipts)
    assert (await journal.append(record(102))).seq == 101


async def test_short_writes_are_finished(journal: FileJournal, files: FaultyFiles, tmp_path: Path):
    files.bite = 7
    await asyncio.gather(*[journal.append(record(number)) for number in range(10)])
    assert contents(tmp_path) == [record(number) for number in range(10)]


async def test_a_batch_that_half_fits_is_cut_back_to_the_last_durable_line(
    journal: FileJournal, files: FaultyFiles, tmp_path: Path
):
    await journal.append(record(1))
    durable = lines(tmp_path)
    files.bite = 10
    writes = files.calls.count("write")
    files.before = lambda _, name: files.fail("write", errno.ENOSPC) if (
        name == "write" and files.calls.count("write") == writes + 3
    ) else None  # fmt: skip
    with pytest.raises(OSError, match="injected No space left"):
        await journal.append(record(2))
    assert lines(tmp_path) == durable


async def test_a_refusal_that_cannot_be_cut_back_ends_the_journal(journal: FileJournal, files: FaultyFiles):
    files.fail("write", errno.EIO)
    files.fail("truncate", errno.EIO)
    with pytest.raises(OSError, match="injected"):
        await journal.append(record(1))
    with pytest.raises(SyncFailed, match="to be synced to disk, got:"):
        await journal.append(record(2))


async def test_a_failed_sync_is_never_tried_again(journal: FileJournal, files: FaultyFiles):
    files.fail("sync_data", errno.EIO)
    with pytest.raises(SyncFailed):
        await journal.append(record(1))
    syncs = files.calls.count("sync_data")
    with pytest.raises(SyncFailed):
        await journal.append(record(2))
    await journal.close()
    assert files.calls.count("sync_data") == syncs


async def test_all_that_wait_for_a_failed_sync_learn_of_it(journal: FileJournal, files: FaultyFiles):
    gate = files.hold_syncs()
    files.fail("sync_data", errno.EIO)
    receipts = [journal.append(record(1))]
    await has_entered_sync(files)
    receipts += [journal.append(record(number)) for number in range(2, 6)]
    gate.set()
    results = await asyncio.gather(*receipts, return_exceptions=True)
    assert {type(result) for result in results} == {SyncFailed}


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename"])
async def test_a_replacement_that_fails_before_its_rename_changes_nothing(
    tmp_path: Path, files: FaultyFiles, call: str
):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False, files=files)
    await opening(journal)
    await journal.append(record(1))
    files.fail(call, errno.EIO)
    with pytest.raises(OSError, match="injected"):
        await journal.compact(lambda: [record(2)])
    await journal.append(record(3))
    assert contents(tmp_path) == [record(1), record(3)]
    assert not (tmp_path / "journal.jsonl.tmp").exists()
    await journal.close()


async def test_a_replacement_whose_name_may_not_be_durable_ends_the_journal(tmp_path: Path, files: FaultyFiles):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False, files=files)
    await opening(journal)
    files.fail("sync_directory", errno.EIO)
    for receipt in (journal.compact(lambda: [record(2)]), journal.append(record(3))):
        with pytest.raises(SyncFailed):
            await receipt
    await journal.close()


@pytest.mark.parametrize("call", ["make_directory", "reader", "append_to", "sync_directory"])
async def test_a_disk_that_refuses_at_the_start_says_so_and_may_be_tried_again(
    tmp_path: Path, files: FaultyFiles, call: str
):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False, files=files)
    files.fail(call, errno.EIO)
    with pytest.raises(OSError, match="injected"):
        await opening(journal)
    with pytest.raises(JournalClosed):
        await journal.append(record(1))
    await opening(journal)
    assert (await journal.append(record(1))).seq == 1
    await journal.close()


async def test_a_damaged_file_opens_to_be_read_and_takes_nothing(tmp_path: Path):
    damaged = b'{"n":1}\nnonsense\n{}\n'
    (tmp_path / "journal.jsonl").write_bytes(damaged)
    journal, fold = FileJournal(tmp_path / "journal.jsonl", chained=False, repair="mend it"), Lines()
    with capture_logs() as logs:
        opened = await journal.open(fold)
    assert opened.damage == Damage(
        file=str(tmp_path / "journal.jsonl"),
        line=2,
        offset=8,
        reason=f"expected line 2 of {tmp_path / 'journal.jsonl'} (byte 8) to be a JSON object, got: unreadable bytes before later records",
        hint="mend it",
    )  # fmt: skip
    assert [(entry["event"], entry["log_level"], entry["line"]) for entry in logs] == [("journal_damaged", "error", 2)]
    assert fold.lines == [b'{"n":1}']
    for refused in (journal.append(record(2)), journal.compact(list)):
        with pytest.raises(JournalDamaged) as refusal:
            await refused
        assert refusal.value.damage == opened.damage
    await journal.close()
    assert (tmp_path / "journal.jsonl").read_bytes() == damaged


async def test_an_opening_that_was_cancelled_is_followed_by_one_that_works(tmp_path: Path, files: FaultyFiles):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False, files=files)
    entered, go_on = threading.Event(), threading.Event()

    def stall(_: int, name: str) -> None:
        if name == "reader":
            entered.set()
            go_on.wait()

    files.before = stall
    first = asyncio.create_task(opening(journal))
    await asyncio.to_thread(entered.wait)
    first.cancel()
    again = asyncio.create_task(opening(journal))
    go_on.set()
    assert await again == []
    assert first.cancelled()
    assert (await journal.append(record(1))).seq == 1
    await journal.close()


def test_a_loop_that_is_gone_does_not_trouble_the_writer(tmp_path: Path, files: FaultyFiles):
    path = tmp_path / "journal.jsonl"
    gate = files.hold_syncs()

    async def leave_it_behind() -> FileJournal:
        journal = FileJournal(path, chained=False, files=files)
        await opening(journal)
        journal.append(record(1))
        await has_entered_sync(files)
        journal.append(record(2))
        return journal

    journal = asyncio.run(leave_it_behind())
    gate.set()
    asyncio.run(journal.close())
    assert contents(tmp_path) == [record(1), record(2)]


async def test_an_idle_journal_leaves_no_thread_behind_when_it_is_closed(tmp_path: Path):
    journal = FileJournal(tmp_path / "journal.jsonl", chained=False)
    await opening(journal)
    assert "journal journal.jsonl" in {thread.name for thread in threading.enumerate()}
    await journal.close()
    assert "journal journal.jsonl" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_writer_leaves_nobody_waiting(journal: FileJournal, files: FaultyFiles):
    def fail(_: int, name: str) -> None:
        if name == "write":
            raise ZeroDivisionError

    gate = files.hold_syncs()
    first = journal.append(record(1))
    await has_entered_sync(files)
    second, third = journal.append(record(2)), journal.append(record(3))
    files.before = fail
    gate.set()
    await first
    for receipt in (second, third):
        with pytest.raises(JournalClosed):
            await receipt
