"""Logging as a process sets it up: on standard error, whatever has become of that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOGS = """
import structlog
from symbiont.config.schema import Logging
from symbiont.telemetry import logs
logs.configure(Logging(format="json"))
structlog.get_logger("a test").info("something_happened", task="task-1")
logs.say("a line for people")
print("still alive")
"""


def run(stderr):
    return subprocess.run(
        [sys.executable, "-c", LOGS], stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, timeout=30, check=False
    )


def test_events_are_lines_on_standard_error_by_the_time_the_process_ends():
    ran = run(subprocess.PIPE)
    event, said = ran.stderr.decode().splitlines()
    assert (json.loads(event)["event"], json.loads(event)["task"]) == ("something_happened", "task-1")
    assert (said, ran.returncode) == ("a line for people", 0)


@pytest.fixture
def nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_a_process_whose_log_nobody_reads_goes_on(nobody_reads):
    ran = run(nobody_reads)
    assert (ran.stdout, ran.returncode) == (b"still alive\n", 0)


def test_a_process_without_a_standard_error_writes_its_log_into_no_file_of_its_own(tmp_path):
    """The first file it opens gets the number that standard error should have had."""
    script = f"ledger = open({str(tmp_path / 'ledger')!r}, 'wb')\nassert ledger.fileno() == 2\n{LOGS}"
    command = f'exec "{sys.executable}" -c "$0" 2>&-'
    subprocess.run(["/bin/sh", "-c", command, script], cwd=ROOT, timeout=30, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "ledger").read_bytes() == b""
