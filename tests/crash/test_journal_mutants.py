"""Is the suite worth anything? Each mistake that a journal can be built with is made on purpose, and has to be caught.

A mutant breaks one rule, in the disk as the journal sees it (a sync that is left out) or in the journal itself. The trials are
those that the sound journal passes: kills and power cuts before every call, a sync that failed, a disk that is full, bits that flipped.
"""

import errno
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from symbiont.adapters import file_ops, journal_file, journal_format, journal_reading, journal_recovery, journal_scan
from symbiont.adapters.file_ops import FileOps, write_all
from symbiont.adapters.journal_errors import SyncFailed
from symbiont.adapters.journal_file import JournalFile
from symbiont.domain.errors import SymbiontError
from tests.contract.journal_contract import Lines, chain_fault, without_seal
from tests.crash.test_journal_survives_power_cuts import PATH, FullDisk, Witness, check, live, on_disk, opened
from tests.doubles.simulated_disk import PowerCut, SimulatedDisk

SEEDS = range(4)
BITE = 50
CALLS_OF_AN_OPENING = 30

Disk = type[SimulatedDisk]
Break = Callable[[pytest.MonkeyPatch], None]


class Caught(Exception):
    """A trial has found something wrong."""


# Trials


def powers_cut(disk_type: Disk) -> None:
    """A power cut, or a kill (no chance), before every call."""
    for chained in (False, True):
        calls = _calls(disk_type, chained=chained)
        for cut in range(1, calls + 1):
            for chance in (None, *map(random.Random, SEEDS)):
                disk, witness = disk_type(cut_at=cut, short_writes=BITE), Witness()
                with suppress(PowerCut):
                    live(disk, witness, chained=chained)
                check(disk.survivor(chance), witness, chained=chained)


def _calls(disk_type: Disk, *, chained: bool) -> int:
    disk = disk_type(short_writes=BITE)
    live(disk, Witness(), chained=chained)
    return disk.calls


def cuts_during_recovery(disk_type: Disk) -> None:
    calls = _calls(disk_type, chained=True)
    for seed in range(40):
        chance = random.Random(seed)
        disk, witness = disk_type(cut_at=chance.randint(1, calls)), Witness()
        with suppress(PowerCut):
            live(disk, witness, chained=True)
        for cut in range(1, CALLS_OF_AN_OPENING):
            second = disk.survivor(random.Random(seed), cut_at=cut)
            with suppress(PowerCut):
                opened(JournalFile(PATH, chained=True, files=second))
                continue
            check(second.survivor(chance), witness, chained=True)


def a_sync_fails(disk_type: Disk) -> None:
    """What the kernel does: the pages are marked clean and read back as written, but never reach the disk."""
    for seed in range(12):
        disk = _forgetful(disk_type)()
        file = JournalFile(PATH, chained=True, files=disk)
        opened(file)
        witness = Witness()
        witness.append(file, [b'{"n":1}'])
        disk.fail_next_sync = True
        with suppress(SyncFailed):
            file.append([b'{"n":2}'])
        with suppress(SyncFailed):
            witness.append(file, [b'{"n":3}'])
        again = JournalFile(PATH, chained=True, files=disk)
        _require(witness.accepts([without_seal(line) for line in opened(again)][: len(witness.acknowledged)]))
        found = [b'{"n":4}']
        again.append(found)
        left = opened(JournalFile(PATH, chained=True, files=disk.survivor(random.Random(seed))))
        _require(chain_fault(left) == "")
        known = [without_seal(line) for line in left]
        _require(all(each in known for each in witness.acknowledged + found))


def the_disk_is_full(disk_type: Disk) -> None:
    for seed in range(12):
        disk = _bounded(disk_type)()
        file = JournalFile(PATH, chained=True, files=disk)
        opened(file)
        file.append([b'{"n":1}'])
        disk.room = 250
        with suppress(OSError):
            file.append([b'{"n":2}', b'{"n":3}', b'{"n":4}'])
        disk.room = 10**9
        with suppress(OSError):
            file.append([b'{"n":5}'])
        found = opened(JournalFile(PATH, chained=True, files=disk.survivor(random.Random(seed))))
        _require([without_seal(line) for line in found] == [b'{"n":1}', b'{"n":5}'])


def bits_flip(disk_type: Disk) -> None:
    """None passes silently: refused, or put aside byte for byte as the end of the file."""
    disk = disk_type()
    file = JournalFile(PATH, chained=True, files=disk)
    opened(file)
    file.append([b'{"n":1}', b'{"n":2}'])
    settled = len(disk.content(PATH))
    file.append([b'{"n":3}'])
    whole = disk.content(PATH)
    for position in range(len(whole)):
        flipped = disk.survivor(None)
        flipped._names[PATH].content = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        _check_flipped(flipped, whole, is_settled=position < settled)


def _check_flipped(disk: SimulatedDisk, whole: bytes, *, is_settled: bool) -> None:
    """A batch with another behind it was acknowledged: it must not be cut away like what nobody has been told of."""
    before, fold = disk.content(PATH), Lines()
    try:
        found = JournalFile(PATH, chained=True, files=disk).open(fold)
    except SymbiontError:
        return
    if found.damage is not None:
        return
    records = whole.splitlines()
    _require(not is_settled)
    _require(len(fold.lines) < len(records) and fold.lines == records[: len(fold.lines)])
    _require(any(path.suffix == ".torn" and before.endswith(disk.content(path)) for path in disk._names))


def lines_vanish(disk_type: Disk) -> None:
    """Whole lines that a checkpoint has seen are gone, at the end or from a later file: no chain shows that."""
    disk = disk_type()
    file = JournalFile(PATH, chained=True, files=disk)
    opened(file)
    for number in range(4):
        file.append([b'{"n":%d}' % number])
    file.checkpoint(b"\n".join(on_disk(disk)))
    whole = disk.content(PATH)
    lines = whole.splitlines(keepends=True)
    for kept in range(len(lines)):
        shorter = disk.survivor(None)
        shorter._names[PATH].content = b"".join(lines[:kept])
        _require(JournalFile(PATH, chained=True, files=shorter).open(Lines()).damage)


TRIALS: tuple[Callable[[Disk], None], ...] = (
    powers_cut,
    a_sync_fails,
    the_disk_is_full,
    bits_flip,
    lines_vanish,
    cuts_during_recovery,
)


def _require(holds: object) -> None:
    if not holds:
        raise Caught


def _forgetful(disk_type: Disk) -> Any:
    class ForgetfulDisk(disk_type):
        """Loses what was written since the last sync when one fails, and shows it all the same."""

        fail_next_sync = False

        def __init__(self) -> None:
            super().__init__()
            self._lost: list[tuple[Any, int, int]] = []

        def sync_data(self, fd: int) -> None:
            if not self.fail_next_sync:
                super().sync_data(fd)
                return
            self.fail_next_sync = False
            inode = self._descriptors[fd]
            self._lost.append((inode, len(inode.since_sync[0]), len(inode.content)))
            inode.sync()
            raise OSError(errno.EIO, "the disk is unwell")

        def survivor(self, rng: random.Random | None, *, cut_at: int = 0) -> SimulatedDisk:
            after = super().survivor(rng, cut_at=cut_at)
            for inode, start, end in self._lost if rng is not None else ():
                for path, same in self._names.items():
                    if same is inode and path in after._names:
                        content = bytearray(after._names[path].content)
                        content[start:end] = bytes(len(content[start:end]))
                        after._names[path].since_sync = [bytes(content)]
            return after

    return ForgetfulDisk


def _bounded(disk_type: Disk) -> Any:
    class BoundedDisk(FullDisk, disk_type):
        pass

    return BoundedDisk


# Mutants in the disk, as the journal uses it


class NoDataSync(SimulatedDisk):
    """Appends are not synced."""

    def sync_data(self, fd: int) -> None:
        self._enter()


class NoDirectorySync(SimulatedDisk):
    """Names are not synced."""

    def sync_directory(self, path: Path) -> None:
        self._enter()


# Mutants in the journal


def ignores_short_writes(patch: pytest.MonkeyPatch) -> None:
    def once(files: FileOps, fd: int, content: bytes) -> None:
        files.write(fd, memoryview(content))

    patch.setattr(journal_file, "write_all", once)
    patch.setattr(file_ops, "write_all", once)


def acknowledges_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    def sync_the_one_before(files: FileOps, fd: int, content: bytes) -> None:
        files.sync_data(fd)
        write_all(files, fd, content)

    patch.setattr(JournalFile, "_sync", lambda _: None)
    patch.setattr(journal_file, "write_all", sync_the_one_before)


def takes_any_record_behind_damage_for_corruption(patch: pytest.MonkeyPatch) -> None:
    def judge(self: Any, line: bytes) -> None:
        if journal_format.is_object(line):
            self.fault = self._proven()

    patch.setattr(journal_scan._Scanner, "_judge", judge)


def takes_any_damage_for_a_torn_tail(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journal_scan._Scanner, "_judge", lambda *_: None)


def has_no_batch_numbers(patch: pytest.MonkeyPatch) -> None:
    """Every line is a batch of its own."""
    stamp = journal_format.stamp

    def one_by_one(records: Iterable[bytes], after: Any, *, chained: bool) -> tuple[bytes, Any]:
        content = b""
        for record in records:
            line, after = stamp([record], after, chained=chained)
            content += line
        return content, after

    patch.setattr(journal_file, "stamp", one_by_one)


def does_not_check_hashes(patch: pytest.MonkeyPatch) -> None:
    def believed(lines: Any, head: bytes) -> tuple[int, bytes]:
        for index, line in enumerate(lines):
            trailer = journal_format.trailer_of(line)
            if trailer is None or not journal_format.is_object(line):
                return index, head
            head = trailer.head
        return len(lines), head

    patch.setattr(journal_scan, "chained_run", believed)


def goes_on_after_a_failed_sync(patch: pytest.MonkeyPatch) -> None:
    """Asks again, and believes the answer."""

    def again(self: JournalFile) -> None:
        try:
            self._files.sync_data(self._fd)
        except OSError:
            self._files.sync_data(self._fd)

    patch.setattr(JournalFile, "_sync", again)


def syncs_at_opening_instead_of_writing_once_more(patch: pytest.MonkeyPatch) -> None:
    def synced(files: FileOps, path: Path, found: Any) -> None:
        fd = files.append_to(path)
        files.truncate(fd, found.good.offset)
        files.sync(fd)
        files.close(fd)

    patch.setattr(journal_recovery, "_copy_valid_part", synced)


def leaves_a_torn_tail(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journal_recovery, "_copy_valid_part", lambda *_: None)


def replaces_in_place(patch: pytest.MonkeyPatch) -> None:
    def in_place(files: FileOps, path: Path, chunks: Iterable[bytes]) -> None:
        content = list(chunks)
        files.close(file_ops.create_synced(files, path, content))

    patch.setattr(journal_recovery, "replace_file", in_place)


def renames_what_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    def unsynced(files: FileOps, path: Path, chunks: Iterable[bytes]) -> int:
        fd = files.create(path)
        for chunk in chunks:
            write_all(files, fd, chunk)
        return fd

    patch.setattr(file_ops, "create_synced", unsynced)
    patch.setattr(journal_file, "create_synced", unsynced)


def removes_the_old_before_the_new_is_there(patch: pytest.MonkeyPatch) -> None:
    compact = JournalFile.compact

    def removing(self: JournalFile, records: Any) -> int:
        self._files.remove(self._path)
        self._files.sync_directory(self._path.parent)
        return compact(self, records)

    patch.setattr(JournalFile, "compact", removing)


def leaves_the_rest_of_a_refused_batch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JournalFile, "_cut_back", lambda _: None)


def throws_a_torn_tail_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journal_recovery, "_put_aside", lambda *_: None)


def does_not_sync_the_name_of_a_replacement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JournalFile, "_sync_name", lambda _: None)


def believes_a_checkpoint_unseen(patch: pytest.MonkeyPatch) -> None:
    """Whatever the file holds by now."""
    patch.setattr(journal_reading, "fits", lambda *_: True)


def forgets_its_checkpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(journal_reading, "read_checkpoint", lambda *_: None)


def takes_a_name_before_the_old_one_is_safe(patch: pytest.MonkeyPatch) -> None:
    """Rotation without a sync between its two renames."""

    def take_name(self: JournalFile, beside: Path) -> None:
        self._files.rename(beside, self._path)

    patch.setattr(JournalFile, "_take_name", take_name)


DISK_MUTANTS: tuple[Disk, ...] = (NoDataSync, NoDirectorySync)
MUTANTS: tuple[Break, ...] = (
    ignores_short_writes,
    acknowledges_before_the_sync,
    takes_any_record_behind_damage_for_corruption,
    takes_any_damage_for_a_torn_tail,
    has_no_batch_numbers,
    does_not_check_hashes,
    goes_on_after_a_failed_sync,
    syncs_at_opening_instead_of_writing_once_more,
    leaves_a_torn_tail,
    replaces_in_place,
    renames_what_is_not_synced,
    removes_the_old_before_the_new_is_there,
    leaves_the_rest_of_a_refused_batch,
    throws_a_torn_tail_away,
    does_not_sync_the_name_of_a_replacement,
    believes_a_checkpoint_unseen,
    forgets_its_checkpoint,
    takes_a_name_before_the_old_one_is_safe,
)


def caught_by(disk_type: Disk) -> str:
    """The first trial that finds something, empty if none does."""
    for trial in TRIALS:
        try:
            trial(disk_type)
        except (AssertionError, Caught, SymbiontError, OSError, LookupError):
            return trial.__name__
    return ""


def test_the_sound_journal_passes_every_trial() -> None:
    assert caught_by(SimulatedDisk) == ""


@pytest.mark.parametrize("disk_type", DISK_MUTANTS)
def test_a_sync_that_is_left_out_is_caught(disk_type: Disk) -> None:
    assert caught_by(disk_type)


@pytest.mark.parametrize("broken", MUTANTS)
def test_a_journal_that_breaks_a_rule_is_caught(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert caught_by(SimulatedDisk)
