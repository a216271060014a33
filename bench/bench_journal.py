"""What the journal costs: appends beside the bare disk and SQLite, the loop while a slow disk is written, and opening a long ledger.

    python bench/bench_journal.py [DIRECTORY] [--entries 1000000] [--rounds 5]

Each round measures all rows, so that a disk that changes its mood changes it for all; figures are medians, and only ratios carry
over to another machine. The bare loop is one `write` and one `fdatasync` a line, in one thread: what a program without group commit
could reach at best. SQLite (WAL, synchronous=FULL) stands behind the very same group commit, in place of the file, and takes what the
journal takes, checked to be one JSON object; it keeps no chain, so the journal without one, whose lines have a number and a CRC, is its like. The least group
commit is what Python allows at best: one thread, one write, one sync, one wake-up a batch, and neither check nor bound nor recovery;
once without and once with the chain.
Opening is measured in a process of its own, whose memory is that of Python with the journal and the ledger's fold; beside it, what
one thread needs at least: to split the file into lines and hash each, and to decode two fields of each.
"""

import argparse
import asyncio
import hashlib
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, cast

import msgspec
import uvloop

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_file import JournalFile
from symbiont.adapters.journal_format import Position, checked, stamp
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.journal_writer import JournalWriter
from symbiont.domain.ledger_fold import LedgerFold
from symbiont.ports import Fold, Opened

SECONDS = 1.0
PRODUCERS = (1, 64)
SLOW_S = 0.005
FIRST_S = 1_767_225_600
EVERY_S = 25
TICK_S = 0.001
BARE = "bare write + fdatasync"
UNCHAINED = "journal, no chain"
RECORD = b'{"timestamp":"2026-01-01T00:00:00.000000Z","model":"haiku","prompt_preview":"%b"}' % (b"x" * 120)
ENTRY = (
    '{"timestamp":"%s.000000Z","model":"haiku","success":true,"elapsed_seconds":1.2,"input_tokens":%d,'
    '"output_tokens":87,"estimated_cost_usd":0.0012,"prompt_preview":"Classify this customer feedback","task_id":"task-%d",'
    '"tier":"haiku","model_id":"claude-haiku-4-5","worker":"claude","billing":"api"}'
)

Append = Callable[[bytes], "asyncio.Future[Any]"]


class Nothing:
    """A fold of nobody's interest."""

    def restore(self, state: bytes) -> None: ...

    def absorb(self, lines: Sequence[bytes]) -> None: ...


class SqliteFile:
    """What the writer thread needs of a journal file, on SQLite as durable as it can be told to be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seq = 0

    def open(self, fold: Fold) -> Opened:
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE line (seq INTEGER PRIMARY KEY, record BLOB NOT NULL)")
        return Opened(0)

    def append(self, records: Sequence[bytes]) -> int:
        first = self._seq + 1
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO line VALUES (?, ?)", enumerate(records, start=first))
        self._db.execute("COMMIT")
        self._seq += len(records)
        return first

    def close(self) -> None:
        self._db.close()


class Least:
    """The least that a group commit in a thread of its own can do."""

    def __init__(self, path: Path, *, chained: bool) -> None:
        self._chained = chained
        self._position = Position()
        self._loop = asyncio.get_running_loop()
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        Thread(target=self._run).start()

    def append(self, record: bytes) -> "asyncio.Future[None]":
        receipt = self._loop.create_future()
        self._queue.append((record, receipt))
        if len(self._queue) == 1:
            self._bell.put(True)
        return receipt

    def stop(self) -> None:
        self._bell.put(False)

    def _run(self) -> None:
        while self._bell.get():
            while batch := self._queue:
                self._queue = []
                os.write(self._fd, self._content([record for record, _ in batch]))
                os.fdatasync(self._fd)
                self._loop.call_soon_threadsafe(self._acknowledge, batch)
        os.close(self._fd)

    def _content(self, records: list[bytes]) -> bytes:
        if not self._chained:
            return b"\n".join(records) + b"\n"
        content, self._position = stamp(records, self._position, chained=True)
        return content

    @staticmethod
    def _acknowledge(batch: list[tuple[bytes, "asyncio.Future[None]"]]) -> None:
        for _, receipt in batch:
            receipt.set_result(None)


class SlowFiles(FileOps):
    """Every sync of data takes as long as a slow disk's."""

    def sync_data(self, fd: int) -> None:
        time.sleep(SLOW_S)
        super().sync_data(fd)


def bare(path: Path) -> float:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line, count, start = RECORD + b"\n", 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        os.write(fd, line)
        os.fdatasync(fd)
        count += 1
    os.close(fd)
    return count / elapsed


async def rate(append: Append, producers: int) -> float:
    start = time.perf_counter()

    async def produce() -> int:
        count = 0
        while time.perf_counter() - start < SECONDS:
            await append(RECORD)
            count += 1
        return count

    counts = await asyncio.gather(*[produce() for _ in range(producers)])
    return sum(counts) / (time.perf_counter() - start)


async def journalled(path: Path, producers: int, *, chained: bool) -> float:
    journal = FileJournal(path, chained=chained)
    await journal.open(Nothing())
    found = await rate(journal.append, producers)
    await journal.close()
    return found


async def in_sqlite(path: Path, producers: int) -> float:
    file = cast("JournalFile", SqliteFile(path))
    writer = JournalWriter(path, file, Nothing(), max_pending=100_000)
    await writer.start()
    found = await rate(lambda record: writer.append(checked(record)), producers)
    writer.stop()
    await asyncio.to_thread(writer.join)
    return found


async def at_least(path: Path, producers: int, *, chained: bool) -> float:
    writer = Least(path, chained=chained)
    found = await rate(writer.append, producers)
    writer.stop()
    return found


async def lag_p99_s(path: Path) -> float:
    """How late a callback is that was due a moment ago, with 64 producers and a slow disk."""
    journal = FileJournal(path, chained=True, files=SlowFiles())
    await journal.open(Nothing())
    producing = asyncio.ensure_future(rate(journal.append, PRODUCERS[-1]))
    lags: list[float] = []
    while not producing.done():
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        lags.append(max(0.0, time.perf_counter() - due))
    await producing
    await journal.close()
    return sorted(lags)[int(len(lags) * 0.99)]


def appends(folder: Path, number: int) -> dict[str, float]:
    found = {BARE: bare(folder / f"bare-{number}")}
    for producers in PRODUCERS:
        for name, chained in (("journal", True), (UNCHAINED, False)):
            path = folder / f"j-{number}-{producers}-{chained}"
            found[f"{name}, {producers} at once"] = uvloop.run(journalled(path, producers, chained=chained))
        found[f"SQLite, {producers} at once"] = uvloop.run(in_sqlite(folder / f"s-{number}-{producers}", producers))
        for name, chained in (("the least", False), ("… chained", True)):
            path = folder / f"least-{number}-{producers}-{chained}"
            found[f"{name}, {producers} at once"] = uvloop.run(at_least(path, producers, chained=chained))
    return found


# Opening


def write_ledger(path: Path, entries: int) -> None:
    async def write() -> None:
        journal = FileJournal(path, chained=True)
        await journal.open(Nothing())
        for start in range(0, entries, 10_000):
            many = range(start, min(start + 10_000, entries))
            await asyncio.gather(*[journal.append(_entry(number)) for number in many])
        await journal.close()

    uvloop.run(write())


def _entry(number: int) -> bytes:
    """In the order of time, a call every 25 seconds."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(FIRST_S + EVERY_S * number))
    return (ENTRY % (moment, number % 1_000, number)).encode()


def opening(path: Path) -> dict[str, float]:
    """In a fresh process: seconds and peak memory."""
    done = subprocess.run([sys.executable, __file__, "--open", path], capture_output=True, text=True, check=True)
    seconds, peak_kb = done.stdout.split()
    return {"s": float(seconds), "MB": float(peak_kb) / 1_000}


async def open_and_tell(path: Path, *, note: bool) -> None:
    fold = LedgerFold()
    journal = FileJournal(path, chained=True, rotation=Rotation())
    start = time.perf_counter()
    await journal.open(fold)
    elapsed = time.perf_counter() - start
    if note:
        await journal.checkpoint(fold.checkpoint)
    await journal.close()
    print(elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


class _Least(msgspec.Struct, gc=False):
    timestamp: str
    estimated_cost_usd: float | None


def at_least_to_open(path: Path) -> tuple[float, float]:
    """Seconds to split the file and hash its lines, and to decode two fields of each, in one thread."""
    decode, sha256, rest, hashing, decoding = msgspec.json.Decoder(_Least).decode, hashlib.sha256, b"", 0.0, 0.0
    with path.open("rb") as file:
        start = time.perf_counter()
        while chunk := file.read(1 << 20):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                sha256(line).hexdigest()
            between = time.perf_counter()
            for line in lines:
                decode(line)
            hashing, decoding, start = hashing + between - start, decoding - between, time.perf_counter()
            decoding += start
    return hashing, decoding


def openings(folder: Path, entries: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    path = folder / "ledger.jsonl"
    write_ledger(path, entries)
    checkpoint = path.with_suffix(".checkpoint")
    checkpoint.unlink(missing_ok=True)
    whole = [opening(path) for _ in range(rounds)]
    uvloop.run(open_and_tell(path, note=True))
    return {"read and verified": whole, "from a checkpoint": [opening(path) for _ in range(rounds)]}


# Telling


def tell_appends(rounds: list[dict[str, float]]) -> None:
    print(f"\n{'':32}{'appends/s':>12}{'min':>10}{'max':>10}{'x bare':>9}{'x SQLite':>10}")
    for name in rounds[0]:
        rates = [each[name] for each in rounds]
        twin = name.replace(UNCHAINED, "SQLite").replace("journal", "SQLite")
        of_bare = statistics.median(each[name] / each[BARE] for each in rounds)
        of_twin = f"{statistics.median(each[name] / each[twin] for each in rounds):10.2f}" if twin != name else ""
        print(
            f"{name:32}{statistics.median(rates):12,.0f}{min(rates):10,.0f}{max(rates):10,.0f}{of_bare:9.2f}{of_twin}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    wanted, _ = parser.parse_known_args()
    if wanted.open is not None:
        uvloop.run(open_and_tell(wanted.open, note=False))
        return
    with tempfile.TemporaryDirectory(dir=wanted.directory) as name:
        folder = Path(name)
        tell_appends([appends(folder, number) for number in range(wanted.rounds)])
        lags = [uvloop.run(lag_p99_s(folder / f"slow-{number}")) for number in range(wanted.rounds)]
        print(f"\nlag of the loop, 64 producers, a disk slowed by 5 ms: p99 {statistics.median(lags) * 1e3:.2f} ms")
        found_openings = openings(folder, wanted.entries, wanted.rounds)
        hashing, decoding = at_least_to_open(folder / "ledger.jsonl")
        print(f"one thread at least: splitting and hashing {hashing:.2f} s, decoding two fields {decoding:.2f} s")
        for what, found in found_openings.items():
            seconds, peak = (statistics.median(each[unit] for each in found) for unit in ("s", "MB"))
            print(f"opening {wanted.entries:,} entries, {what}: {seconds:.3f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
