"""The queue: submit → lease → done with nothing to do in between, beside other embedded queues of Python; and what depth costs.

    python bench/bench_queue.py [--tasks 2000] [--no-peers]

The whole Queue actor on its file, every step acknowledged when it is on disk; 64 callers at a time, as a server has. Peers are driven as
their documentation says, but with synchronous=FULL where they would else acknowledge what a power cut can lose, in threads of one process, each from a directory of its own: Huey with `SqliteHuey` (its
own consumer with 4 workers), persist-queue's `SQLiteAckQueue`, litequeue. They are installed on first use, outside the checkout
(bench/peers/install.py).

Depth: the mean of 2,000 submissions, then of 2,000 takes, on top of 2,000 and of 100,000 pending tasks. Medians of five rounds, all rows in each round.
"""

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from peers.install import interpreter

from supervisors import Actor, Runtime, TaskSupervisor, spawn
from symbiont.actors import names
from symbiont.actors.queue import Queue
from symbiont.actors.queue_messages import Submit, Take
from symbiont.actors.run_steps import Complete
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.system import SystemClock
from symbiont.config.policies import queue_rules
from symbiont.config.schema import Config, Dispatch
from symbiont.domain.task import Answer, NewTask

ROUNDS, CALLERS, SAMPLE = 5, 64, 2_000
DEPTHS = (2_000, 100_000)
ANSWER = Answer("ok", "haiku", "m", "w", "own", 0.0, 1, 1, 0.0, "2026-01-01T00:00:00Z")
NEW = NewTask("do it", "queued", "haiku")

PEERS = {
    "Huey (SQLite), 4 workers": """
import os, sys, threading, time, logging
logging.disable(logging.CRITICAL)
from huey import SqliteHuey
count, path = int(sys.argv[1]), sys.argv[2]
huey = SqliteHuey("bench", filename=path + "/huey.db", fsync=True)
@huey.task()
def nothing(): return 1
start = time.perf_counter()
consumer = huey.create_consumer(workers=4, initial_delay=0.001, backoff=1.0, max_delay=0.001, periodic=False)
consumer.start()
results = [nothing() for _ in range(count)]
for result in results: result.get(blocking=True, backoff=1.0, max_delay=0.001)
print(count / (time.perf_counter() - start)); sys.stdout.flush()
os._exit(0)
""",
    "persist-queue SQLiteAckQueue": """
import sys, time
from persistqueue import SQLiteAckQueue
count, path = int(sys.argv[1]), sys.argv[2]
queue = SQLiteAckQueue(path + "/ack", auto_commit=True); queue._putter.execute("PRAGMA synchronous=FULL"); queue._getter.execute("PRAGMA synchronous=FULL")
start = time.perf_counter()
for _ in range(count): queue.put("do it")
for _ in range(count): queue.ack(queue.get())
print(count / (time.perf_counter() - start))
""",
    "litequeue": """
import sys, time
from litequeue import LiteQueue
count, path = int(sys.argv[1]), sys.argv[2]
queue = LiteQueue(path + "/lite.db"); queue.conn.execute("PRAGMA synchronous=FULL")
start = time.perf_counter()
for _ in range(count): queue.put("do it")
for _ in range(count): queue.done(queue.pop().message_id)
print(count / (time.perf_counter() - start))
""",
}


class Nobody(Actor):
    """Takes the hints of the queue that are for the dispatcher, and stands for a ledger that is sound."""

    def handle_cast(self, message):
        return None

    def handle_call(self, request, from_):
        return None


class Bench:
    """A queue on its file, alone."""

    def __init__(self, directory):
        self.directory = directory

    async def __aenter__(self):
        config = Config(dispatch=Dispatch(max_pending=1_000_000))
        self.runtime = Runtime()
        await spawn(self.runtime, TaskSupervisor(), name=names.TASKS)
        for name in (names.DISPATCHER, names.LEDGER):
            await spawn(self.runtime, Nobody(), name=name)
        journals = [
            FileJournal(Path(self.directory) / name, chained=False) for name in ("queue.jsonl", "switches.jsonl")
        ]
        self.process = await spawn(self.runtime, Queue(*journals, SystemClock(), queue_rules(config)), name=names.QUEUE)
        self.queue = self.runtime.named(names.QUEUE)
        return self

    async def __aexit__(self, *_):
        await self.process.stop()

    async def life(self):
        await self.queue.call(Submit(NEW))
        task = await self.queue.call(Take())
        await self.queue.call(Complete(task.id, task.lease, ANSWER))

    async def submit(self):
        await self.queue.call(Submit(NEW), timeout_s=None)

    async def take(self):
        return await self.queue.call(Take(), timeout_s=None)


async def crowd(count, step):
    """`step`, so many times, by so many callers at a time; per second."""
    left = iter(range(count))

    async def caller():
        for _ in left:
            await step()

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return count / (time.perf_counter() - start)


async def ours(count):
    with tempfile.TemporaryDirectory() as directory:
        async with Bench(directory) as bench:
            return await crowd(count, bench.life)


async def depths():
    """Mean microseconds of a submission and of a take at each depth."""
    found = {}
    for depth in DEPTHS:
        with tempfile.TemporaryDirectory() as directory:
            async with Bench(directory) as bench:
                await crowd(depth, bench.submit)
                gc.collect()
                found[depth] = 1e6 / await crowd(SAMPLE, bench.submit), 1e6 / await crowd(SAMPLE, bench.take)
    return found


def peer(python, name, count):
    with tempfile.TemporaryDirectory() as directory:
        ran = subprocess.run(
            [python, "-c", PEERS[name], str(count), directory], capture_output=True, text=True, timeout=300, check=True
        )
        return float(ran.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--no-peers", action="store_true", help="our own queue alone")
    asked = parser.parse_args()
    if not asked.no_peers:
        subprocess.run([sys.executable, Path(__file__).parent / "peers" / "install.py", "queues"], check=True)
    rows, deep = {}, {}
    for _ in range(ROUNDS):
        rows.setdefault("symbiont, 64 callers", []).append(uvloop.run(ours(asked.tasks)))
        for name in () if asked.no_peers else PEERS:
            rows.setdefault(name, []).append(peer(interpreter("queues"), name, asked.tasks // 4))
        for depth, pair in uvloop.run(depths()).items():
            deep.setdefault(depth, []).append(pair)
    base = statistics.median(rows["symbiont, 64 callers"])
    for name, values in rows.items():
        median = statistics.median(values)
        print(f"{name:32} {median:10,.0f} tasks/s   ours is {base / median:5.1f} ×")
    for depth, pairs in deep.items():
        submit_us, take_us = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{depth:>9,} pending: submit {submit_us:6.1f} µs, take {take_us:6.1f} µs")


if __name__ == "__main__":
    main()
