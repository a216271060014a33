"""A whole Symbiont as its users meet it: a process of its own, driven over HTTP and by signals. Standard library only.

    with Orchestrator(tmp_path, {"dispatch.worker": "rehearsal"}) as server:
        server.ask("POST", "/task", {"task": "…"}).status
        server.stop()                              # SIGTERM; returns the exit code

The process sees the environment given here and nothing of the test's own. Its standard error goes to `log`. Leaving the block
kills the server and the calls it left, and fails if the server ever logged a traceback.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

T = TypeVar("T")

START_S = 20.0


class Answer(NamedTuple):
    status: int
    body: Any
    headers: HTTPMessage


class Orchestrator:
    """One data directory and the server on it, which may be started again and again. `settings` by their dotted keys."""

    def __init__(
        self, folder: Path, settings: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        home = folder / "home"
        home.mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "SYMBIONT_DATA_DIR": str(self.data),
            **{f"SYMBIONT_{key.replace('.', '_').upper()}": str(value) for key, value in (settings or {}).items()},
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._threads = ThreadPoolExecutor(max_workers=32)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        self.kill()
        for pid in self.calls():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._threads.shutdown()
        if kind is None:
            assert "Traceback" not in self.said(), self.said()

    # The process

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "symbiont.cli", "serve", *(arguments or ("--port", "0"))]

    def launch(self) -> None:
        """Start it and do not wait."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), env=self.environment, stdout=log, stderr=log)

    def start(self) -> Self:
        """Start it and wait until `server.json` says where it listens."""
        self.launch()
        until(lambda: self._info().get("pid") == self.process.pid or self.process.poll() is not None, START_S)
        assert self.process.poll() is None, self.said()
        return self

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another server on the same data directory, to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=START_S, check=False
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, within_s: float = 30.0) -> int:
        """The exit code."""
        return self.process.wait(within_s)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: nothing is put in order."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        return self.log.read_text("utf-8")

    # Over HTTP

    @property
    def url(self) -> str:
        return str(self._info()["url"])

    def ask(self, method: str, path: str, body: object = None, *, within_s: float = 60.0, url: str = "") -> Answer:
        """One request on a connection of its own. `url` for when `server.json` cannot be asked."""
        place = (url or self.url).removeprefix("http://")
        with closing(HTTPConnection(place, timeout=within_s)) as connection:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()), response.headers)

    def ask_meanwhile(self, method: str, path: str, body: object = None) -> "Future[Answer]":
        """The same in a thread."""
        return self._threads.submit(self.ask, method, path, body)

    def enqueue(self, text: str, **fields: object) -> str:
        """Put a task on the queue; its id."""
        answer = self.ask("POST", "/queue", {"task": text, **fields})
        assert answer.status == 200, answer.body
        return str(answer.body["id"])

    def task(self, task_id: str) -> Any:
        return self.ask("GET", f"/task/{task_id}").body

    def ended(self, task_id: str, within_s: float = 30.0) -> Any:
        """The task, once it is done, failed or cancelled."""
        until(lambda: self.task(task_id)["status"] not in {"pending", "processing"}, within_s)
        return self.task(task_id)

    # What is left

    def ledger(self) -> list[Any]:
        path = self.data / "ledger.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def calls(self) -> list[int]:
        """Process ids of model calls of this data directory that still run, whoever their parent is now."""
        status = self.data.stat() if self.data.exists() else None
        if status is None:
            return []
        mark = f"SYMBIONT_CALL=symbiont-{status.st_dev:x}-{status.st_ino:x}:".encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _carries(entry, mark)]

    def _info(self) -> Any:
        try:
            return json.loads((self.data / "server.json").read_bytes())
        except FileNotFoundError:
            return {}


def until(probe: Callable[[], T], within_s: float = 20.0) -> T:
    """What `probe` says as soon as that is something; another process has no event to wait for."""
    deadline = time.monotonic() + within_s
    while not (found := probe()):
        assert time.monotonic() < deadline, f"nothing within {within_s} s"
        time.sleep(0.02)
    return found


def _carries(entry: Path, mark: bytes) -> bool:
    """Whether a process has the mark in its environment. A zombie has none any more."""
    try:
        return mark in (entry / "environ").read_bytes()
    except OSError:
        return False
