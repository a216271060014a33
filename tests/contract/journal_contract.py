"""What every journal must do, written once. `test_journals.py` runs it against each implementation.

A `Shelf` is where the journals of one test keep their records, and where the disk under them can be made to fail.
"""

import asyncio
import errno
import gc
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbiont.adapters.journal_errors import JournalClosed, JournalFull, SyncFailed
from symbiont.ports import Journal, Opened

CLASSIC = [
    b'{"timestamp": "2026-01-05T10:00:00Z", "model": "haiku"}',
    b'{"timestamp": "2026-01-05T10:00:01Z", "model": "opus"}',
]


class Lines:
    """A fold that keeps every line; as a checkpoint it takes lines, and `restored` counts how many came from there."""

    def __init__(self, *, can_restore: bool = True) -> None:
        self.lines: list[bytes] = []
        self.restored = 0
        self._can_restore = can_restore

    def restore(self, state: bytes) -> None:
        if not self._can_restore:
            raise ValueError("expected no checkpoint, got: one")
        self.lines = state.splitlines()
        self.restored = len(self.lines)

    def absorb(self, lines: Sequence[bytes]) -> None:
        assert lines
        self.lines.extend(lines)


async def opening(journal: Journal) -> list[bytes]:
    """Open it; returns its lines as they were appended."""
    fold = Lines()
    opened = await journal.open(fold)
    assert opened.damage is None
    assert opened.seq == len(fold.lines)
    return [without_seal(line) for line in fold.lines]


async def sealed(shelf: "Shelf", *, chained: bool = False) -> list[bytes]:
    """The lines as they stand in the journal."""
    journal, fold = shelf.journal(chained=chained), Lines()
    await journal.open(fold)
    await journal.close()
    return fold.lines


class Shelf(ABC):
    """One place on one disk."""

    @abstractmethod
    def journal(self, *, chained: bool = False, max_pending: int = 1_000) -> Journal: ...

    @abstractmethod
    def put(self, records: Sequence[bytes]) -> None:
        """Let the next journal find these records."""

    @abstractmethod
    def refuse_next_batch(self, code: int) -> None: ...

    @abstractmethod
    def fail_next_sync(self) -> None: ...


def chain_fault(lines: Sequence[bytes]) -> str:
    """An independent reading of the chain: empty if `lines` prove themselves, else what is wrong first."""
    head, batch = "0" * 64, 0
    for number, line in enumerate(lines, start=1):
        if b'"hash":"' not in line:
            continue
        body, _, rest = line.rpartition(b',"hash":"')
        claimed = re.fullmatch(rb'([0-9a-f]{64})"\}', rest)
        fields = json.loads(line)
        if claimed is None or hashlib.sha256(head.encode() + body).hexdigest() != claimed[1].decode():
            return f"line {number}: hash"
        if fields["seq"] != number or not batch <= fields["batch"] <= number:
            return f"line {number}: seq or batch"
        head, batch = fields["hash"], fields["batch"]
    return ""


def without_seal(line: bytes) -> bytes:
    return re.sub(rb',?"seq":\d+,"batch":\d+,("hash":"[0-9a-f]{64}"|"crc":"[0-9a-f]{8}")\}$', b"}", line)


def record(number: int) -> bytes:
    return b'{"n":%d}' % number


async def contents(shelf: Shelf, *, chained: bool = False) -> list[bytes]:
    journal = shelf.journal(chained=chained)
    records = await opening(journal)
    await journal.close()
    return records


class JournalContract(ABC):
    @abstractmethod
    def new_shelf(self) -> AbstractContextManager[Shelf]: ...

    @pytest.fixture
    def shelf(self) -> Iterator[Shelf]:
        with self.new_shelf() as shelf:
            yield shelf

    async def test_a_new_journal_is_empty(self, shelf: Shelf):
        journal = shelf.journal()
        fold = Lines()
        opened = await journal.open(fold)
        await journal.close()
        assert fold.lines == []
        assert opened == Opened(0)

    async def test_receipts_are_dense_from_one_and_come_in_order(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        resolved: list[int] = []
        receipts = [journal.append(record(number)) for number in range(20)]
        for receipt in receipts:
            receipt.add_done_callback(lambda done: resolved.append(done.result().seq))
        await asyncio.gather(*receipts)
        await journal.close()
        assert resolved == list(range(1, 21))

    async def test_acknowledged_records_are_there_after_a_restart(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        await journal.append(record(2))
        await journal.close()
        assert await contents(shelf) == [record(1), record(2)]

    async def test_a_record_keeps_every_byte_it_may_have(self, shelf: Shelf):
        awkward = [
            '{"a":"\u2028é😀"}'.encode(),
            b'{"a":1,\r\t"b":2}',
            b'{"a":"\\n\\u0000"}',
            b'{"a":"%b"}' % (b"x" * 300_000),
        ]
        journal = shelf.journal()
        await opening(journal)
        await asyncio.gather(*[journal.append(object_) for object_ in awkward])
        await journal.close()
        assert await contents(shelf) == awkward

    async def test_numbers_go_on_after_a_restart(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        await journal.close()
        await opening(journal)
        assert (await journal.append(record(2))).seq == 2
        await journal.close()

    @pytest.mark.parametrize(
        "wrong",
        [b"", b"[]", b"1", b"{", b"}", b'{"a":1}\n', b'{"a":\n1}', b' {"a":1}', b'{"a":1} ', b"{a:1}", b'{"a":"\xff"}', b"{}{}",
         b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
        ids=["nothing", "list", "number", "open", "close", "newline", "newline_inside", "blank_before", "blank_behind",
             "no_json", "no_utf8", "two", "bottomless"],
    )  # fmt: skip
    async def test_what_is_no_json_object_on_one_line_is_refused_at_once(self, shelf: Shelf, wrong: bytes):
        journal = shelf.journal()
        await opening(journal)
        with pytest.raises(ValueError, match="expected a record to be one JSON object on one line, got:"):
            journal.append(wrong)
        with pytest.raises(ValueError, match="expected a record to be one JSON object on one line, got:"):
            await journal.compact(lambda: [record(1), wrong])
        await journal.close()
        assert await opening(journal) == []
        await journal.close()

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    async def test_a_refused_batch_leaves_nothing_behind_and_the_next_one_succeeds(self, shelf: Shelf, code: int):
        journal = shelf.journal(chained=True)
        await opening(journal)
        await journal.append(record(1))
        shelf.refuse_next_batch(code)
        with pytest.raises(OSError, match="injected") as refusal:
            await journal.append(record(2))
        assert refusal.value.errno == code
        assert (await journal.append(record(3))).seq == 2
        await journal.close()
        lines = await sealed(shelf, chained=True)
        assert [without_seal(line) for line in lines] == [record(1), record(3)]
        assert chain_fault(lines) == ""

    async def test_after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_anew(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        shelf.fail_next_sync()
        for refused in (journal.append(record(2)), journal.append(record(3)), journal.compact(lambda: [record(4)])):
            with pytest.raises(SyncFailed):
                await refused
        assert await opening(journal) == [record(1)]
        assert (await journal.append(record(5))).seq == 2
        await journal.close()

    async def test_a_compaction_replaces_everything_and_keeps_its_place_among_the_appends(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        receipts = await asyncio.gather(
            journal.append(record(1)),
            journal.append(record(2)),
            journal.compact(lambda: [record(7), record(8), record(9)]),
            journal.append(record(10)),
        )
        await journal.close()
        assert [receipt.seq for receipt in receipts] == [1, 2, 3, 4]
        assert await contents(shelf) == [record(7), record(8), record(9), record(10)]

    async def test_lines_can_be_given_back_as_they_were_read(self, shelf: Shelf):
        journal, fold = shelf.journal(), Lines()
        await opening(journal)
        await asyncio.gather(*[journal.append(record(number)) for number in range(4)])
        await journal.open(fold)
        await journal.compact(lambda: fold.lines[2:])
        await journal.close()
        assert await contents(shelf) == [record(2), record(3)]
        assert [json.loads(line)["seq"] for line in await sealed(shelf)] == [1, 2]

    async def test_a_refused_compaction_leaves_the_old_content(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        shelf.refuse_next_batch(errno.ENOSPC)
        with pytest.raises(OSError, match="injected"):
            await journal.compact(lambda: [record(2)])
        await journal.append(record(3))
        await journal.close()
        assert await contents(shelf) == [record(1), record(3)]

    async def test_a_compaction_to_nothing_is_an_empty_journal(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        assert (await journal.compact(list)).seq == 0
        assert (await journal.append(record(2))).seq == 1
        await journal.close()

    async def test_a_chained_journal_cannot_be_rewritten(self, shelf: Shelf):
        journal = shelf.journal(chained=True)
        await opening(journal)
        with pytest.raises(ValueError, match=r"expected compact\(\) of a journal without a chain"):
            journal.compact(list)
        await journal.close()

    async def test_a_function_that_fails_is_for_who_handed_it_in_and_changes_nothing(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        await journal.append(record(1))
        with pytest.raises(ZeroDivisionError):
            await journal.compact(lambda: [b"{}" * (1 // 0)])
        assert (await journal.append(record(2))).seq == 2
        await journal.close()
        assert await contents(shelf) == [record(1), record(2)]

    async def test_only_a_chained_journal_takes_a_checkpoint(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        with pytest.raises(ValueError, match=r"expected checkpoint\(\) of a chained journal"):
            journal.checkpoint(bytes)
        await journal.close()

    async def test_a_checkpoint_names_the_last_line_it_stands_for(self, shelf: Shelf):
        journal = shelf.journal(chained=True)
        await opening(journal)
        await journal.append(record(1))
        await journal.append(record(2))
        assert (await journal.checkpoint(lambda: b"two lines")).seq == 2
        assert (await journal.append(record(3))).seq == 3
        await journal.close()

    async def test_what_a_fold_cannot_read_of_a_checkpoint_it_is_told_line_by_line(self, shelf: Shelf):
        journal = shelf.journal(chained=True)
        await opening(journal)
        await journal.append(record(1))
        await journal.checkpoint(lambda: b"whatever")
        await journal.append(record(2))
        await journal.close()
        fold = Lines(can_restore=False)
        again = shelf.journal(chained=True)
        assert (await again.open(fold)).seq == 2
        await again.close()
        assert [without_seal(line) for line in fold.lines] == [record(1), record(2)]

    @pytest.mark.parametrize("object_", [b"{}", b"{ }", b'{"a":1}', b'{"a":"},\\"hash\\":"}', '{"ä":"é"}'.encode()])
    async def test_chained_lines_prove_themselves_over_restarts(self, shelf: Shelf, object_: bytes):
        for _ in range(3):
            journal = shelf.journal(chained=True)
            await opening(journal)
            await asyncio.gather(*[journal.append(object_) for _ in range(3)])
            await journal.close()
        lines = await sealed(shelf, chained=True)
        assert chain_fault(lines) == ""
        assert [json.loads(line)["seq"] for line in lines] == list(range(1, 10))
        assert [json.loads(without_seal(line)) for line in lines] == [json.loads(object_)] * 9

    async def test_lines_of_earlier_versions_keep_their_bytes_and_count(self, shelf: Shelf):
        shelf.put(CLASSIC)
        journal = shelf.journal(chained=True)
        assert await opening(journal) == CLASSIC
        assert (await journal.append(record(1))).seq == 3
        await journal.close()
        lines = await sealed(shelf, chained=True)
        assert list(lines[:2]) == CLASSIC
        assert json.loads(lines[2])["seq"] == 3
        assert chain_fault(lines) == ""

    async def test_a_waiter_that_gives_up_does_not_take_its_record_back(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        journal.append(record(1)).cancel()
        assert (await journal.append(record(2))).seq == 2
        await journal.close()
        assert await contents(shelf) == [record(1), record(2)]

    async def test_a_failure_nobody_looks_at_raises_no_complaint(self, shelf: Shelf):
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        journal = shelf.journal()
        await opening(journal)
        shelf.fail_next_sync()
        journal.append(record(1))
        await journal.close()
        journal.append(record(2))
        gc.collect()
        await asyncio.sleep(0)
        assert complaints == []

    async def test_outside_open_and_close_a_record_is_refused_clearly(self, shelf: Shelf):
        journal = shelf.journal()
        with pytest.raises(JournalClosed, match=r"to be open, got: a record before open\(\) or after close\(\)"):
            await journal.append(record(1))
        await opening(journal)
        await journal.close()
        with pytest.raises(JournalClosed):
            await journal.append(record(1))
        with pytest.raises(JournalClosed):
            await journal.compact(lambda: [record(1)])

    async def test_what_exceeds_the_bound_is_refused_at_once_and_the_rest_is_kept(self, shelf: Shelf):
        journal = shelf.journal(max_pending=3)
        await opening(journal)
        receipts = [journal.append(record(number)) for number in range(200)]
        results = await asyncio.gather(*receipts, return_exceptions=True)
        await journal.close()
        taken = [record(number) for number, result in enumerate(results) if not isinstance(result, BaseException)]
        assert {type(result) for result in results if isinstance(result, BaseException)} == {JournalFull}
        assert taken[:3] == [record(0), record(1), record(2)]
        assert await contents(shelf) == taken

    async def test_closing_writes_what_is_under_way(self, shelf: Shelf):
        journal = shelf.journal()
        await opening(journal)
        receipts = [journal.append(record(number)) for number in range(50)]
        await journal.close()
        assert [receipt.result().seq for receipt in receipts] == list(range(1, 51))

    async def test_closing_twice_or_before_opening_does_nothing(self, shelf: Shelf):
        journal = shelf.journal()
        await journal.close()
        await opening(journal)
        await journal.close()
        await journal.close()

    async def test_opening_an_open_journal_first_finishes_what_is_under_way(self, shelf: Shelf):
        journal = shelf.journal(chained=True)
        await opening(journal)
        receipts = [journal.append(record(number)) for number in range(50)]
        lines = await opening(journal)
        assert [receipt.result().seq for receipt in receipts] == list(range(1, 51))
        assert [without_seal(line) for line in lines] == [record(number) for number in range(50)]
        await journal.close()

    @given(steps=st.lists(st.sampled_from(["append", "append", "append", "compact", "reopen", "refuse"]), max_size=25))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    def test_any_sequence_of_operations_yields_what_a_list_would(self, steps: list[str]):
        with self.new_shelf() as shelf:
            asyncio.run(_compare_with_a_list(shelf, steps))


async def _compare_with_a_list(shelf: Shelf, steps: list[str]) -> None:
    expected: list[bytes] = []
    journal = shelf.journal()
    await opening(journal)
    for number, step in enumerate(steps):
        match step:
            case "append":
                expected.append(record(number))
                assert (await journal.append(record(number))).seq == len(expected)
            case "compact":
                expected = [*expected[::2], record(number)]
                assert (await journal.compact(partial(tuple, expected))).seq == len(expected)
            case "refuse":
                shelf.refuse_next_batch(errno.ENOSPC)
                with pytest.raises(OSError, match="injected"):
                    await journal.append(record(number))
            case _:
                await journal.close()
                journal = shelf.journal()
                assert await opening(journal) == expected
    await journal.close()
    assert await contents(shelf) == expected
