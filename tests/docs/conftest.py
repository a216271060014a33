"""Servers for the examples of the README: one that rehearses, one whose only worker is busy; each with a home of its own.

They end with the module that uses them: other tests count the children of this process.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.readme import ROOT, URL, Block, ids_in
from tests.doubles.claude import FakeClaude

GIVEN_UP_AFTER_S = 30.0


@dataclass
class Ran:
    code: int
    output: str


@dataclass
class Place:
    """A home with a server in it, and what is known of the ids the README names."""

    home: Path
    url: str
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block) -> Ran:
        """The block as its reader would run it: the README's ids and address stand for those of this server."""
        code = block.code.replace(URL, self.url)
        for shown in sorted(self.ids, key=len, reverse=True):
            code = code.replace(shown, self.ids[shown])
        done = subprocess.run(
            ["bash", "-eu", "-c", code],
            env=environment(self.home),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=GIVEN_UP_AFTER_S,
            check=False,
        )
        if block.answer is not None:
            self.ids |= dict(zip(ids_in(block.answer.code), ids_in(done.stdout), strict=False))
        return Ran(done.returncode, done.stdout)


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a fresh shell has, with the installed `symbiont` first on PATH."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", **more}


@contextmanager
def a_server(home: Path, **more: str) -> Iterator[Place]:
    """A server on a free port, which listens by the time this is entered."""
    settings = {"SYMBIONT_PORT": "0", "SYMBIONT_LOGGING_LEVEL": "error"} | more
    with subprocess.Popen(
        [sys.executable, "-m", "symbiont.cli", "serve"],
        env=environment(home, PYTHONPATH=str(ROOT), **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            banner = process.stderr.readline()
            assert " on http://" in banner, banner
            yield Place(home, banner.split(" on ")[1].split(" ")[0])
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(GIVEN_UP_AFTER_S)


@pytest.fixture(scope="module")
def rehearsing(tmp_path_factory):
    """A server that calls no model."""
    with a_server(tmp_path_factory.mktemp("home"), SYMBIONT_DISPATCH_WORKER="rehearsal") as place:
        yield place


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server with one slot, which a task has taken that never ends."""
    home = tmp_path_factory.mktemp("busy-home")
    fake = FakeClaude(home).does({"touch": "taken"}, {"hang": True})
    settings = {"SYMBIONT_CLAUDE_CLI": str(fake.executable), "SYMBIONT_DISPATCH_SLOTS": "1"}
    with a_server(home, CLAUDE_CONFIG_DIR=str(home), **settings) as place:
        body = json.dumps({"task": "Take the slot"}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{place.url}/queue", body, headers)).close()
        deadline_s = time.monotonic() + GIVEN_UP_AFTER_S
        while not (home / "taken").exists() and time.monotonic() < deadline_s:
            time.sleep(0.005)  # between two looks; what is waited for is the file
        yield place
