"""A power cut or a kill before every single call to the disk, in a scenario that uses all a journal can do.

After each one the journal opens; what was acknowledged is there, in order and unchanged, followed at most by the beginning
of what was under way; it goes on from there, and a second opening changes nothing.
"""

import errno
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from symbiont.adapters.journal_file import JournalFile
from tests.contract.journal_contract import Lines, chain_fault, without_seal
from tests.doubles.simulated_disk import PowerCut, SimulatedDisk

PATH = Path("/data/journal.jsonl")
OUTCOMES_PER_CUT = 12


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
    file.open(fold)
    return fold.lines


def live(disk: SimulatedDisk, witness: Witness, *, chained: bool) -> None:
    new = numbered()
    for generation in range(2):
        file = JournalFile(PATH, chained=chained, files=disk)
        opened(file)
        witness.append(file, [next(new)])
        witness.append(file, [next(new) for _ in range(4)])
        if not chained:
            witness.compact(file, [*witness.acknowledged[1::2], next(new)])
        witness.append(file, [next(new), next(new)])
        if generation == 0:
            file.close()


def check(disk: SimulatedDisk, witness: Witness, *, chained: bool) -> None:
    first = JournalFile(PATH, chained=chained, files=disk)
    lines = opened(first)
    assert witness.accepts([without_seal(line) for line in lines])
    first.append([b'{"after":1}'])
    fold = Lines()
    again = JournalFile(PATH, chained=chained, files=disk.survivor(random.Random(0))).open(fold)
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
        for cut in range(1, 12):
            second = disk.survivor(random.Random(seed), cut_at=cut)
            try:
                opened(JournalFile(PATH, chained=True, files=second))
            except PowerCut:
                check(second.survivor(rng), witness, chained=True)
