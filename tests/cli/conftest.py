"""A loopback server double that answers recorded views, and the real command line run against it."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from symbiont.cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after: threading.Event | None = None

    @property
    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Api:
    """What the server double answers, per method and path; the last of several replies is repeated."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.asked = threading.Event()
        self.released = threading.Event()
        self.url = ""
        self._replies: dict[tuple[str, str], list[Reply]] = {}

    def answers(self, method: str, path: str, *replies: Any, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._replies[method, path] = [
            reply if isinstance(reply, Reply) else Reply(reply, status, named) for reply in replies
        ]

    def refuses(self, method: str, path: str, status: int, code: str, details: Any = None, **headers: str) -> None:
        self.answers(method, path, error(code, details), status=status, **headers)

    def reply_to(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        self.asked.set()
        replies = self._replies.get((seen.method, seen.path))
        if not replies:
            return Reply(error("NOT_FOUND", {}), 404)
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def asked_for(self, method: str) -> list[str]:
        return [seen.path for seen in self.seen if seen.method == method]


def error(code: str, details: Any = None) -> dict[str, Any]:
    return {"error": f"the server says {code}", "code": code, "details": details or {}}


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
            reply = api.reply_to(seen)
            if reply.after is not None:
                reply.after.wait(30)
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.encoded))} | reply.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.encoded)

        do_POST = do_GET  # noqa: N815 - the name http.server calls

        def log_message(self, *args):
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hung up is part of some tests."""


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with _Server(("127.0.0.1", 0), _handler(api)) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api
        api.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> str:
    """The URL of a port at which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, and an environment that holds no setting."""
    for name in [name for name in os.environ if name.startswith("SYMBIONT_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys, monkeypatch) -> Run:
    """The command line in this process; streams are pipes."""

    def run(*argv: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        code = main(argv)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture
def ask(api, run, monkeypatch) -> Run:
    """The command line with the server double as its server."""
    monkeypatch.setenv("SYMBIONT_URL", api.url)
    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """The command line as a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
        options["env"] = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
        process = subprocess.Popen([sys.executable, "-m", "symbiont.cli", *argv], **options)
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def an_answer() -> Callable[..., dict[str, Any]]:
    """The nine classic fields of a finished task."""

    def an_answer(**changes: Any) -> dict[str, Any]:
        return {
            "id": "task-1711123456",
            "task": "Say hello",
            "model": "haiku",
            "result": "Hello!",
            "elapsed_seconds": 2.3,
            "input_tokens": 45,
            "output_tokens": 87,
            "estimated_cost_usd": 0.0082,
            "timestamp": "2026-03-19T14:33:12Z",
        } | changes

    return an_answer


@pytest.fixture
def a_task() -> Callable[..., dict[str, Any]]:
    """A task as `GET /task/{id}` shows it; pending unless told otherwise."""

    def a_task(**changes: Any) -> dict[str, Any]:
        return {
            "id": "task-1711123456",
            "task": "Say hello",
            "status": "pending",
            "created_at": "2026-03-19T14:33:10Z",
            "source": "direct",
            "priority": "normal",
            "attempt": 0,
            "force_tier": None,
            "project": "",
            "classification": None,
            "waiting_for": None,
            "not_before": None,
            "answer": None,
            "failure": None,
            "finished_at": None,
        } | changes

    return a_task


@pytest.fixture
def a_page() -> Callable[..., dict[str, Any]]:
    """A list of tasks as `GET /queue` shows it."""

    def a_page(*tasks: dict[str, Any], total: int | None = None) -> dict[str, Any]:
        return {"tasks": list(tasks), "count": len(tasks), "total": len(tasks) if total is None else total}

    return a_page


@pytest.fixture
def a_status() -> Callable[..., dict[str, Any]]:
    """What `GET /status` answers: flat, one `<tier>_usage` per tier."""

    def a_status(**changes: Any) -> dict[str, Any]:
        return {
            "status": "healthy",
            "runtime": "python/asyncio",
            "api_uptime_seconds": 86400,
            "rate_limited": False,
            "queue_size": 2,
            "last_heartbeat": "2026-03-19T14:30:00Z",
            "total_calls": 2,
            "total_cost_estimated_usd": 0.0006,
            "by_model": {"haiku": {"calls": 2, "cost": 0.0006}},
            "haiku_usage": {"calls_today": 42, "tokens_used": 8234},
            "opus_usage": {"calls_today": 0, "tokens_used": 0},
            "version": "1.2.3",
            "processing": 1,
            "limits": [],
            "workers": ["claude"],
            "rehearsal": {"calls": 0, "cost": 0.0},
        } | changes

    return a_status
