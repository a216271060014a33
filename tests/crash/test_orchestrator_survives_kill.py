"""A whole server, killed with SIGKILL at random moments with model calls under way, and started again over the same data.

Three witnesses are compared: what clients were told over HTTP, what the fake CLI noted when it was started, and the files. The
number of kills is SYMBIONT_CRASH_ROUNDS (10).
"""

import json
import os
import random
import time
from collections import Counter
from concurrent.futures import Future
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.contract.journal_contract import chain_fault
from tests.doubles.claude import FakeClaude, a_result
from tests.e2e.orchestrator import Answer, Orchestrator, until

ROUNDS = int(os.environ.get("SYMBIONT_CRASH_ROUNDS", "10"))
LONGEST_ROUND_S = 1.0
KILLED_WHILE_STARTING = 0.4
EASY = {"tier": 1, "confidence": "high", "reason": "easy", "task_type": "test"}


class NotingClaude(FakeClaude):
    """The fake CLI, which also notes every start of it: the only trace a call leaves that is not ours."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.notes = folder / "started"
        self.notes.touch()
        fake = self.executable.with_name("fake")
        self.executable.rename(fake)
        self.executable.write_text(f'#!/bin/sh\necho "$SYMBIONT_CALL" >> "{self.notes}"\nexec "{fake}" "$@"\n', "utf-8")
        self.executable.chmod(0o755)

    def started(self) -> set[tuple[str, int]]:
        """(task id, attempt) of every process that was started."""
        marks = (line.split(":") for line in self.notes.read_text("utf-8").splitlines())
        return {(task_id, int(attempt)) for _, task_id, attempt in marks}


@pytest.fixture
def server(tmp_path):
    claude = NotingClaude(tmp_path / "claude")
    claude.does({"pause": [0.0, 0.25]}, {"event": a_result(structured_output=EASY)})
    environment = {"CLAUDE_CONFIG_DIR": str(claude.folder), "SYMBIONT_CLAUDE_CLI": str(claude.executable)}
    # a task may be cut off in any number of rounds, and is not meant to be given up here
    settings = {
        "dispatch.slots": 4,
        "dispatch.max_attempts": 1_000,
        "queue.max_rescues": 1_000,
        "dispatch.backoff_max_s": 2.0,
    }
    return Orchestrator(tmp_path, settings, environment), claude


def told(asked: "Future[Answer]") -> Answer | None:
    """What the client heard; None if the server died before it answered."""
    try:
        return asked.result()
    except (OSError, HTTPException):
        return None


def a_round(server: Orchestrator, rng: random.Random) -> list[Answer]:
    """A handful of tasks, some of them waited for, and the kill in the midst of it; returns what was answered."""
    queued = [
        server.ask_meanwhile("POST", "/queue", {"task": f"queued {number}"}) for number in range(rng.randint(1, 5))
    ]
    direct = [
        server.ask_meanwhile("POST", "/task", {"task": f"direct {number}"}) for number in range(rng.randint(0, 3))
    ]
    time.sleep(rng.uniform(0.0, LONGEST_ROUND_S))  # the random moment itself
    server.kill()
    return [answer for answer in map(told, queued + direct) if answer is not None]


def opened_calls(path: Path) -> Counter[tuple[str, int, str]]:
    """Every model call that the queue wrote down before it was made, folded from its lines without our own code."""
    tasks: dict[str, dict] = {}
    opened: Counter[tuple[str, int, str]] = Counter()
    for line in map(json.loads, path.read_bytes().splitlines()):
        task = tasks.setdefault(line["id"], {})
        task.update(line)
        if line.get("call"):
            opened[line["id"], task["attempt"], line["call"]["kind"]] += 1
    return opened


@pytest.mark.slow
@pytest.mark.timeout(30 + 8 * ROUNDS)
def test_killed_at_any_moment_it_loses_no_task_and_no_call(server):
    rng, (orchestrator, claude) = random.Random(), server
    answers: list[Answer] = []
    with orchestrator:
        for _ in range(ROUNDS):
            answers += a_round(orchestrator, rng)
            if rng.random() < KILLED_WHILE_STARTING:
                orchestrator.launch()
                time.sleep(rng.uniform(0.2, 0.6))
                orchestrator.kill()
            orchestrator.start()
        until(lambda: is_idle(orchestrator), 60)
        ends = {answer.body["id"]: orchestrator.task(answer.body["id"]) for answer in answers}
        assert orchestrator.stop() == 0
        assert orchestrator.calls() == []

    assert {answer.status for answer in answers} <= {200}
    assert {task["status"] for task in ends.values()} <= {"done"}, ends
    lines = (orchestrator.data / "ledger.jsonl").read_bytes().splitlines()
    assert chain_fault(lines) == ""
    assert_every_call_is_settled(orchestrator, claude, [json.loads(line) for line in lines])
    assert_what_was_answered_is_in_the_ledger(answers, [json.loads(line) for line in lines])


def test_a_call_that_outlived_the_kill_is_stopped_before_the_next_one_begins(server):
    orchestrator, claude = server
    claude.does({"touch": "asked"}, {"hang": True})
    with orchestrator:
        task_id = orchestrator.enqueue("Say OK", force_tier="haiku")
        until((claude.folder / "asked").exists)
        orphans = orchestrator.calls()
        orchestrator.kill()
        assert orchestrator.calls() == orphans != []

        claude.does({"event": a_result()})
        orchestrator.start()

        assert set(orphans).isdisjoint(orchestrator.calls())
        assert orchestrator.ended(task_id)["attempt"] == 2
        assert [line["error_code"] for line in orchestrator.ledger()] == ["INTERRUPTED", None]


def assert_every_call_is_settled(orchestrator, claude, lines):
    """Once each, the cut off ones marked: neither more calls than were begun, nor fewer than were made."""
    settled = Counter((line["task_id"], line["attempt"], line["kind"]) for line in lines)
    assert set(settled.values()) <= {1}
    assert settled == opened_calls(orchestrator.data / "queue.jsonl")
    assert claude.started() <= {(task_id, attempt) for task_id, attempt, _ in settled}
    unfinished = [line for line in lines if not line["success"]]
    assert {line["error_code"] for line in unfinished} <= {"INTERRUPTED"}
    assert {line["estimated_cost_usd"] for line in unfinished} <= {None}


def assert_what_was_answered_is_in_the_ledger(answers, lines):
    paid = Counter(line["task_id"] for line in lines if line["success"] and line["kind"] == "task")
    assert [answer.body["id"] for answer in answers if "result" in answer.body and paid[answer.body["id"]] != 1] == []


def is_idle(orchestrator):
    status = orchestrator.ask("GET", "/status").body
    return status["queue_size"] == status["processing"] == 0
