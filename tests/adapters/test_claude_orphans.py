"""What calls leave behind is found by its marker, and nothing else is."""

import os
import signal
import subprocess
import sys

import pytest

from symbiont.adapters.claude_cli import reap_orphans
from symbiont.adapters.claude_cli.orphans import kill_marked

DEAF = "signal.signal(signal.SIGINT, signal.SIG_IGN); "


@pytest.fixture
def start(tmp_path):
    """Start a marked process in a session of its own; `deaf` ignores SIGINT."""
    started = []

    def begin(marker, *, deaf=False):
        code = f"import signal, time; {DEAF if deaf else ''}print(flush=True); time.sleep(600)"
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code],
            env={"SYMBIONT_CALL": marker},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process.stdout.readline()
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def owner(tmp_path):
    return f"owner of {tmp_path}"


def test_the_orphans_of_an_owner_are_interrupted_and_counted(start, owner):
    orphans = [start(f"{owner}:task-1:1"), start(f"{owner}:task-2:3")]

    assert reap_orphans(owner) == 2
    assert [orphan.wait() for orphan in orphans] == [-signal.SIGINT] * 2


def test_an_orphan_deaf_to_the_interrupt_is_killed(start, owner):
    orphan = start(f"{owner}:task-1:1", deaf=True)

    assert reap_orphans(owner, grace_s=0.1) == 1
    assert orphan.wait() == -signal.SIGKILL


def test_the_processes_of_another_owner_are_left_alone(start, owner):
    other = start(f"{owner}2:task-1:1")

    assert reap_orphans(owner) == 0
    assert other.poll() is None


def test_one_call_is_not_mistaken_for_another_that_begins_alike(start, owner):
    ours, other = start(f"{owner}:task-1:1"), start(f"{owner}:task-1:11")

    assert kill_marked(f"{owner}:task-1:1") == 1
    assert ours.wait() == -signal.SIGKILL
    assert other.poll() is None


def test_without_orphans_nothing_happens(owner):
    assert reap_orphans(owner) == 0


def test_a_process_never_stops_itself_or_its_ancestors(owner):
    code = f"from symbiont.adapters.claude_cli import reap_orphans; print(reap_orphans({owner!r}))"
    env = {"SYMBIONT_CALL": f"{owner}:task-1:1", "PYTHONPATH": os.pathsep.join(sys.path)}

    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "0"
