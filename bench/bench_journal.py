"""Acknowledged appends per second of the chained journal, as a ratio to what the disk does bare in the same run.

    python bench/bench_journal.py [DIRECTORY]

The bare loop is one `write` and one `fdatasync` per line, in one thread, without Python objects in between: what a program
without group commit could reach at best. Each figure is the median of five rounds; each round measures all rows, so that a
disk that changes its mood changes it for all. Only the ratio carries over to another machine.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from symbiont.adapters.journal import FileJournal

ROUNDS = 5
SECONDS = 0.5
PRODUCERS = (1, 64)
RECORD = b'{"timestamp":"2026-01-01T00:00:00.000000Z","model":"haiku","prompt_preview":"%b"}' % (b"x" * 120)


class Nothing:
    """A fold of nobody's interest."""

    def restore(self, state: bytes) -> None: ...

    def absorb(self, lines: Sequence[bytes]) -> None: ...


def bare(path: Path) -> float:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line, count, start = RECORD + b"\n", 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        os.write(fd, line)
        os.fdatasync(fd)
        count += 1
    os.close(fd)
    return count / elapsed


async def journalled(path: Path, producers: int) -> float:
    journal = FileJournal(path, chained=True)
    await journal.open(Nothing())
    start = time.perf_counter()

    async def produce() -> int:
        count = 0
        while time.perf_counter() - start < SECONDS:
            await journal.append(RECORD)
            count += 1
        return count

    counts = await asyncio.gather(*[produce() for _ in range(producers)])
    elapsed = time.perf_counter() - start
    await journal.close()
    return sum(counts) / elapsed


def measure(folder: Path, number: int) -> dict[str, float]:
    rates = {"bare write + fdatasync": bare(folder / f"bare-{number}")}
    for producers in PRODUCERS:
        path = folder / f"journal-{number}-{producers}.jsonl"
        rates[f"journal, {producers} producer(s)"] = asyncio.run(journalled(path, producers))
    return rates


def main() -> None:
    where = next(
        (argument for argument in sys.argv[1:] if Path(argument).is_dir()), None
    )  # the rest is for other scripts
    with tempfile.TemporaryDirectory(dir=where) as folder:
        rounds = [measure(Path(folder), number) for number in range(ROUNDS)]
    print(f"{'':28}{'appends/s':>12}{'min':>10}{'max':>10}{'x bare':>9}")
    for name in rounds[0]:
        rates = [rates[name] for rates in rounds]
        ratio = statistics.median(rates[name] / rates["bare write + fdatasync"] for rates in rounds)
        print(f"{name:28}{statistics.median(rates):12,.0f}{min(rates):10,.0f}{max(rates):10,.0f}{ratio:9.2f}")


if __name__ == "__main__":
    main()
