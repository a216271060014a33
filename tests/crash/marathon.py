"""Many tasks through a server that is killed again and again, until all are through; then everything is counted.

    python -m tests.crash.marathon [--tasks 10000] [--kill-every 1.0]

Each client submits its tasks under idempotency keys and asks again until it is told of each, as a careful caller does. Nobody sleeps
to be in time for anything: the kills come when they come. What must hold afterwards is read from the files, by code that shares
nothing with ours: each key has one task, each task ended once (a call whose answer was lost in a kill is made again, as another
attempt), each call is in the ledger once, the chain links up, and the totals that the server states are those of the lines. Exits 1
with what does not.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.crash import independent_reader
from tests.e2e.orchestrator import Orchestrator, until

CLIENTS = 16
PAUSE_S = 0.02
LONGEST_S = 3_600.0
TICK_S = 0.005
LEAST_KILLS = 5
"""About so many at least, however fast the machine is."""


class Marathon:
    """`tasks` tasks, and a kill about every `kill_every_s` seconds that the server is up, or more often if it is fast."""

    def __init__(self, folder: Path, tasks: int, kill_every_s: float) -> None:
        # the answers are to be there when all is over, however many tries one took
        settings = {
            "dispatch.worker": "rehearsal",
            "dispatch.max_attempts": 1_000,
            "dispatch.backoff_max_s": 1.0,
            "supervision.max_restarts": 100,
        }
        self.server = Orchestrator(folder, settings)
        self.told: dict[str, str] = {}
        self.kills = 0
        self._tasks = tasks
        self._kill_every_s = kill_every_s
        self._chance = random.Random()
        self._is_over = threading.Event()

    def run(self) -> None:
        with self.server:
            killing = threading.Thread(target=self._kill)
            killing.start()
            try:
                with ThreadPoolExecutor(CLIENTS) as clients:
                    list(clients.map(self._submit, [f"key-{number}" for number in range(self._tasks)]))
                self._wait_until_idle()
            finally:
                self._is_over.set()
                killing.join()
            self._wait_until_idle()
            self.stats = self.server.ask("GET", "/ledger/stats").body
            self.page = self.server.ask("GET", "/status").body
            assert self.server.stop() == 0

    def _kill(self) -> None:
        while self._is_due():
            self.server.kill()
            self.kills += 1
            self.server.start()

    def _is_due(self) -> bool:
        """Wait for the next kill; False if all is over before."""
        due_s = time.monotonic() + self._chance.uniform(0.5, 1.5) * self._kill_every_s
        due_told = len(self.told) + self._chance.uniform(0.5, 1.5) * self._tasks / LEAST_KILLS
        while not self._is_over.wait(TICK_S):
            if time.monotonic() >= due_s or len(self.told) >= due_told:
                return True
        return False

    def _submit(self, key: str) -> None:
        """Until somebody says that it is on disk; perhaps twice, for a lost answer is no loss."""
        while True:
            for _ in range(1 + (self._chance.random() < 0.05)):
                answer = self._try("POST", "/queue", {"task": f"task of {key}", "idempotency_key": key})
                if answer is not None and answer.status == 200:
                    known = self.told.setdefault(key, answer.body["id"])
                    assert known == answer.body["id"], f"{key} is {known} and {answer.body['id']}"
            if key in self.told:
                return
            self._is_over.wait(PAUSE_S)

    def _wait_until_idle(self) -> None:
        until(self._is_idle, LONGEST_S)

    def _is_idle(self) -> bool:
        answer = self._try("GET", "/status", None)
        return (
            answer is not None and answer.status == 200 and answer.body["queue_size"] == answer.body["processing"] == 0
        )

    def _try(self, method: str, path: str, body: object) -> Any:
        try:
            return self.server.ask(method, path, body)
        except (OSError, HTTPException, KeyError, ValueError):
            return None  # just being killed

    # Counting

    def faults(self) -> list[str]:
        data = self.server.data
        entries = [json.loads(line) for line in independent_reader.ledger_lines(data)]
        tasks, _ = independent_reader.tasks_of(data)
        answered = Counter(each["task_id"] for each in entries if each["success"] and each["kind"] == "task")
        of_key = Counter(task.get("key") for task in tasks.values())
        ends = {task_id: tasks.get(task_id, {}).get("status") for task_id in self.told.values()}
        found = {
            "keys without a word": self._tasks - len(self.told),
            "keys with more than one task": [key for key, count in of_key.items() if count != 1],
            "tasks lost or without an answer": {task_id: end for task_id, end in ends.items() if end != "done"},
            "tasks that nobody asked for": len(tasks) - self._tasks,
            "tasks answered by no call": [task_id for task_id in ends if not answered[task_id]],
            "the total": self._total_fault(entries),
        }
        wrong = [f"{what}: {str(each)[:500]}" for what, each in found.items() if each]
        return [*independent_reader.read(data)["faults"], *wrong]

    def _total_fault(self, entries: list[Any]) -> str:
        rehearsed = [each for each in entries if each["billing"] == "rehearsal"]
        summed = Decimal(independent_reader.money(rehearsed).get("rehearsal", "0"))
        stated = self.stats["rehearsal"]
        if stated["calls"] != len(rehearsed) or abs(Decimal(str(stated["cost"])) - summed) > Decimal("0.000001"):
            return f"stated {stated}, in the lines {len(rehearsed)} calls, {summed} USD"
        return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--kill-every", type=float, default=1.0)
    wanted = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        marathon = Marathon(Path(folder), wanted.tasks, wanted.kill_every)
        marathon.run()
        faults = marathon.faults()
    took_s = time.monotonic() - started
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    verdict = "faults" if faults else "nothing lost, nothing doubled"
    sys.stdout.write(f"{wanted.tasks} tasks, {marathon.kills} kills, {took_s:.0f} s: {verdict}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
