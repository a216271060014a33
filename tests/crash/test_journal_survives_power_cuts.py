"""A power cut or a kill before every single call to the disk, in a scenario that uses all a journal can do.

After each one the journal opens; what was acknowledged is there, in order and unchanged, followed at most by the beginning
of what was under way; it goes on from there, and a second opening changes nothing.
"""

import errno
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from symbiont.adapters.journal_archive import Archiver
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.journal_segments import open_segment, segments
from tests.contract.journal_contract import Lines, chain_fault, without_seal
from tests.doubles.simulated_disk import PowerCut, SimulatedDisk

PATH = Path("/data/journal.jsonl")
OUTCOMES_PER_CUT = 12
CALLS_OF_AN_OPENING = 30
SMALL = Rotation(max_bytes=500, packs=False)


def numbered() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        yield b'{"n":%d,"text":"%b"}' % (number, b"x" * (17 * number % 150))


@dataclass
class Witness:
    """What a caller knows: what was acknowledged, and what it asked for since."""

    acknowledged: list[bytes] = field(default_factory=list[bytes])
    under_way: list[bytes] = field(default_factory=list[bytes])
    replacement: list[bytes] | None = None

    def append(self, file: JournalFile, records: list[bytes]) -> None:
        self.under_way = records
        file.append(records)
        self.acknowledged, self.under_way = self.acknowledged + records, []

    def compact(self, file: JournalFile, records: list[bytes]) -> None:
        self.replacement = records
        file.compact(records)
        self.acknowledged, self.replacement = records, None

    def accepts(self, found: list[bytes]) -> bool:
        if self.replacement is not None and found == self.replacement:
            return True
        known, more = found[: len(self.acknowledged)], found[len(self.acknowledged) :]
        return known == self.acknowledged and more == self.under_way[: len(more)]


def opened(file: JournalFile) -> list[bytes]:
    fold = Lines()
    assert file.open(fold).damage is None
    return fold.lines


def on_disk(disk: SimulatedDisk) -> list[bytes]:
    """The lines of all files, as they stand there."""
    found: list[bytes] = []
    for segment in segments(PATH, disk):
        with open_segment(PATH, segment.number, disk) as part:
            found += part.file.read().splitlines() if part is not None else []
    return found


def journal(disk: SimulatedDisk, *, chained: bool) -> JournalFile:
    return JournalFile(PATH, chained=chained, files=disk, rotation=SMALL if chained else None)


def live(disk: SimulatedDisk, witness: Witness, *, chained: bool) -> None:
    new = numbered()
    for generation in range(2):
        file = journal(disk, chained=chained)
        opened(file)
        witness.append(file, [next(new)])
        witness.append(file, [next(new) for _ in range(4)])
        if not chained:
            witness.compact(file, [*witness.acknowledged[1::2], next(new)])
        if chained:
            file.checkpoint(b"\n".join(on_disk(disk)))
        witness.append(file, [next(new), next(new)])
        if generation == 0:
            file.close()


def check(disk: SimulatedDisk, witness: Witness, *, chained: bool) -> None:
    first = journal(disk, chained=chained)
    lines = opened(first)
    assert witness.accepts([without_seal(line) for line in lines])
    first.append([b'{"after":1}'])
    fold = Lines()
    again = journal(disk.survivor(random.Random(0)), chained=chained).open(fold)
    assert fold.lines[:-1] == lines
    assert without_seal(fold.lines[-1]) == b'{"after":1}'
    assert again.quarantined_bytes == 0
    assert chain_fault(fold.lines) == ""


def calls_of_a_whole_life(*, chained: bool, short_writes: int) -> int:
    disk = SimulatedDisk(short_writes=short_writes)
    live(disk, Witness(), chained=chained)
    return disk.calls


@pytest.mark.parametrize("short_writes", [10**9, 50])
@pytest.mark.parametrize("chained", [False, True])
def test_nothing_acknowledged_is_lost_wherever_the_process_is_killed(chained: bool, short_writes: int):
    for cut in range(1, calls_of_a_whole_life(chained=chained, short_writes=short_writes) + 1):
        disk, witness = SimulatedDisk(cut_at=cut, short_writes=short_writes), Witness()
        with pytest.raises(PowerCut):
            live(disk, witness, chained=chained)
        check(disk.survivor(None), witness, chained=chained)


@pytest.mark.parametrize("short_writes", [10**9, 50])
@pytest.mark.parametrize("chained", [False, True])
def test_nothing_acknowledged_is_lost_wherever_the_power_is_cut(chained: bool, short_writes: int):
    for cut in range(1, calls_of_a_whole_life(chained=chained, short_writes=short_writes) + 1):
        for seed in range(OUTCOMES_PER_CUT):
            disk, witness = SimulatedDisk(cut_at=cut, short_writes=short_writes), Witness()
            with pytest.raises(PowerCut):
                live(disk, witness, chained=chained)
            check(disk.survivor(random.Random(seed)), witness, chained=chained)


def test_the_scenario_begins_new_files():
    disk = SimulatedDisk()
    live(disk, Witness(), chained=True)
    assert len(segments(PATH, disk)) > 2


def test_packing_sealed_files_loses_nothing_wherever_the_power_is_cut():
    disk = SimulatedDisk()
    live(disk, Witness(), chained=True)
    before = on_disk(disk)
    for cut in itertools.count(1):
        packing = disk.survivor(None, cut_at=cut)
        try:
            Archiver(PATH, packing)._pack_all(9)
        except PowerCut:
            for seed in range(OUTCOMES_PER_CUT):
                assert on_disk(packing.survivor(random.Random(seed))) == before
        else:
            done = packing.survivor(None)
            assert all(segment.is_compressed for segment in segments(PATH, done)[:-1])
            assert on_disk(done) == before
            break


class FullDisk(SimulatedDisk):
    """Takes `room` bytes more, then nothing."""

    room = 10**9

    def write(self, fd: int, content: memoryview) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "no space")
        taken = super().write(fd, content[: self.room])
        self.room -= taken
        return taken


def test_a_refused_record_does_not_come_back_after_a_power_cut():
    for seed in range(50):
        disk = FullDisk()
        file = JournalFile(PATH, chained=True, files=disk)
        opened(file)
        file.append([b'{"n":1}'])
        disk.room = 250
        with pytest.raises(OSError, match="no space"):
            file.append([b'{"n":2}', b'{"n":3}', b'{"n":4}'])
        found = opened(JournalFile(PATH, chained=True, files=disk.survivor(random.Random(seed))))
        assert [without_seal(line) for line in found] == [b'{"n":1}']


def test_a_cut_during_recovery_is_recovered_from_in_turn():
    calls = calls_of_a_whole_life(chained=True, short_writes=10**9)
    for seed in range(150):
        rng = random.Random(seed)
        disk, witness = SimulatedDisk(cut_at=rng.randint(1, calls)), Witness()
        with pytest.raises(PowerCut):
            live(disk, witness, chained=True)
        for cut in range(1, 20):
            second = disk.survivor(random.Random(seed), cut_at=cut)
            try:
                opened(journal(second, chained=True))
            except PowerCut:
                check(second.survivor(rng), witness, chained=True)
