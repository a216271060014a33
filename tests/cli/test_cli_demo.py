"""`symbiont demo` as a process of its own, without a terminal: what it shows, what it leaves behind, how it fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from symbiont.cli.demo_run import tasks_for
from symbiont.cli.demo_text import Restart, Seen, closing, why
from symbiont.config.builtin import BUILT_IN_TIERS
from symbiont.domain.task import Classification, Failure
from symbiont.domain.tier import TierTable
from symbiont.service import views
from tests.doubles.claude import FakeClaude, a_result

ROOT = Path(__file__).parents[2]
DOWNSTREAM = ", ".join(
    f"{name} (life 2)"
    for name in ("ledger", "queue", "dispatcher", "schedules", "heartbeat", "webhooks", "http_server")
)


def run_demo(folder, *argv, **env):
    """The demo in an environment that holds nothing but what is given; its temporary files go into `folder`/tmp."""
    (folder / "tmp").mkdir()
    bare = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "symbiont.cli", "demo", *argv],
        env=bare | env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ran(folder):
    return run_demo(folder)


def rows_of(ran):
    """The cells of every row about a task."""
    return [re.split(r"\s{2,}", line) for line in ran.stdout.splitlines() if re.match(r"(task|queued)-\d", line)]


def test_a_demo_that_went_well_says_so_and_exits_0(ran):
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "All well.")


def test_every_task_is_a_row_that_ends_done(ran):
    rows = rows_of(ran)

    assert len(rows) == len(tasks_for(TierTable.of(BUILT_IN_TIERS))) + 1
    assert {row[-1] for row in rows} == {"done"}


def test_the_rows_tell_who_classified_them_and_where_they_went(ran):
    by_task = {row[1]: row for row in rows_of(ran)}

    assert by_task["What is the capital of Australia?"][2:4] == [
        "haiku, medium (heuristic)",
        "rehearsal/claude-haiku-5-5",
    ]
    assert by_task["Say hello."][2:4] == ["opus, high (forced)", "rehearsal/claude-opus-5-5"]


def test_a_task_the_rules_are_unsure_of_is_seen_going_one_tier_up(ran):
    assert "not sure of it, so one tier up: sonnet" in ran.stdout


def test_direct_and_queued_tasks_are_both_among_them(ran):
    assert {row[0].partition("-")[0] for row in rows_of(ran)} == {"task", "queued"}


def test_a_rehearsal_counts_in_no_real_total(ran):
    assert re.search(r"^real +0 +0\.000000$", ran.stdout, re.MULTILINE)
    assert re.search(r"^rehearsed +7 +0\.0\d+$", ran.stdout, re.MULTILINE)


def test_the_killed_ledger_takes_along_what_was_started_after_it_and_nothing_else(ran):
    assert f"came up    {DOWNSTREAM}, all within " in ran.stdout
    assert "untouched  symbiont (life 1), task_supervisor (life 1)\n" in ran.stdout
    assert "went down  ledger, http_server, webhooks, heartbeat, schedules, dispatcher, queue\n" in ran.stdout


def test_stderr_holds_the_announced_report_and_nothing_else(ran):
    (line,) = ran.stderr.splitlines()

    assert json.loads(line)["child"] == "ledger"


def test_nothing_is_left_behind(ran, folder):
    assert list((folder / "tmp").iterdir()) == []


def test_a_cli_that_is_there_is_named_but_not_called_unless_asked_for(tmp_path):
    fake = FakeClaude(tmp_path).does({"event": a_result()})

    ran = run_demo(tmp_path, SYMBIONT_CLAUDE_CLI=str(fake.executable))

    assert f"The Claude Code CLI is here ({fake.executable})" in ran.stdout
    assert not (fake.folder / "seen.json").exists()


def test_a_configuration_that_wants_models_does_not_make_the_demo_call_one(tmp_path):
    fake = FakeClaude(tmp_path).does({"event": a_result()})

    run_demo(tmp_path, SYMBIONT_CLAUDE_CLI=str(fake.executable), SYMBIONT_DISPATCH_WORKER="claude")

    assert not (fake.folder / "seen.json").exists()


def test_the_real_demo_calls_the_cli_and_counts_the_money(tmp_path):
    verdict = {"tier": "haiku", "confidence": "high", "reason": "easy", "task_type": "general"}
    fake = FakeClaude(tmp_path).does({"event": a_result(structured_output=verdict)})

    ran = run_demo(tmp_path, "--real", SYMBIONT_CLAUDE_CLI=str(fake.executable), **fake.environment)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "haiku, high (model)" in ran.stdout
    assert re.search(r"^rehearsed +0 ", ran.stdout, re.MULTILINE)
    assert re.search(r"^real +13 ", ran.stdout, re.MULTILINE)


def test_the_real_demo_without_a_cli_says_how_to_install_it(tmp_path):
    ran = run_demo(tmp_path, "--real", SYMBIONT_CLAUDE_CLI=str(tmp_path / "nowhere"))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error CLI_MISSING: ")
    assert "npm install" in ran.stderr


def test_a_task_that_fails_is_told_and_makes_the_demo_fail(tmp_path):
    fake = FakeClaude(tmp_path).does({"grumble": "error: unknown option '--x'"}, {"exit": 1})

    ran = run_demo(tmp_path, "--real", SYMBIONT_CLAUDE_CLI=str(fake.executable), **fake.environment)

    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1].startswith("FAILED: task-")
    assert "BAD_REQUEST" in ran.stdout


# What is said about what did not happen in these runs


def a_seen(wanted="haiku", **changes):
    fields = {
        "id": "task-1",
        "task": "Say hello",
        "status": "pending",
        "created_at": "2026-03-19T14:33:10Z",
        "source": "direct",
        "priority": "normal",
        "attempt": 0,
        "force_tier": None,
        "project": "",
        "classification": Classification("haiku", "high", "easy", "general", "model"),
        "waiting_for": None,
        "not_before": None,
        "answer": None,
        "failure": None,
        "finished_at": None,
    }
    return Seen(views.TaskView(**(fields | changes)), wanted, ())


def test_a_task_that_waits_says_what_for():
    assert why(a_seen(waiting_for="limit five_hour")) == "easy; waits: limit five_hour"


def test_a_task_that_failed_says_why():
    assert why(a_seen(failure=Failure("REFUSED", "no"))) == "easy; REFUSED: no"


def test_an_answer_of_another_tier_is_explained():
    answer = views.TaskAnswer("task-1", "Say hello", "sonnet", "Hi", 1.0, 1, 1, 0.1, "2026-03-19T14:33:10Z", "api")

    assert "answered by sonnet: haiku was closed" in why(a_seen(answer=answer))


def test_a_tree_that_did_not_come_back_is_not_as_expected():
    assert not Restart((), (), ("ledger",), ("ledger",), 0.1).is_as_expected


def test_failures_are_listed_at_the_end():
    assert closing(["task-1 is failed", "task-2 is pending"]) == "\nFAILED: task-1 is failed; task-2 is pending"
