"""A whole server, killed with SIGKILL again and again while it tells a receiver on a real socket how tasks ended.

Three witnesses are compared: what clients were told, what the receiver verified, and the queue's file. The number of kills is
SYMBIONT_CRASH_ROUNDS (10).
"""

import asyncio
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from http.client import HTTPException

import pytest
from aiohttp import web

from tests.doubles.receiver import SECRET, Receiver
from tests.e2e.orchestrator import Orchestrator, until

ROUNDS = int(os.environ.get("SYMBIONT_CRASH_ROUNDS", "10"))

CONFIG = """
[webhooks]
[[webhooks.endpoints]]
name = "ops"
url = "{url}"
secret_env = "OPS_SECRET"
allow_http = true
allow_private = true
timeout_s = 2.0
[[webhooks.endpoints]]
name = "failures"
url = "{url}"
secret_env = "OPS_SECRET"
events = ["task.failed"]
allow_http = true
allow_private = true
"""


class Unsteady(Receiver):
    """Takes its time, and says no once: then it is left alone for some seconds."""

    rng = random.Random()

    async def _take(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.rng.uniform(0.0, 0.03))
        if len(self.headers) == 20:
            self.answers.append(503)
        return await super()._take(request)


@pytest.fixture
def receiver() -> Iterator[Unsteady]:
    """In a thread with a loop of its own, so that it goes on while the test waits."""
    found, started, ending = Unsteady(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with found:
            started.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert started.wait(10)
    yield found
    loop.call_soon_threadsafe(ending.set)
    thread.join()
    loop.close()


@pytest.fixture
def server(tmp_path, receiver) -> Orchestrator:
    file = tmp_path / "symbiont.toml"
    file.write_text(CONFIG.format(url=receiver.url), "utf-8")
    settings = {"dispatch.worker": "rehearsal", "dispatch.max_attempts": 1_000, "dispatch.backoff_max_s": 2.0}
    return Orchestrator(tmp_path, settings, {"SYMBIONT_CONFIG": str(file), "OPS_SECRET": SECRET})


def accepted(asked: "Future") -> str | None:
    """The id of the task, if the client heard it before the kill."""
    try:
        answer = asked.result()
    except (OSError, HTTPException):
        return None
    return answer.body["id"] if answer.status == 200 else None


def ends_on(path) -> dict[str, str]:
    """Message ids of all ends, from the lines of the queue without our own code, with their tasks."""
    found = {}
    for line in map(json.loads, path.read_bytes().splitlines()):
        if line.get("finish"):
            found[f"task_{line['id']}_{line['status']}_{line['finish']}"] = line["id"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(60 + 8 * ROUNDS)
def test_killed_at_any_moment_it_tells_every_end_under_one_id_and_invents_none(server, receiver):
    rng, ids = random.Random(), []
    with server:
        for _ in range(ROUNDS):
            asked = [server.ask_meanwhile("POST", "/queue", {"task": f"task {n}"}) for n in range(rng.randint(5, 20))]
            time.sleep(rng.uniform(0.0, 0.6))  # the random moment itself
            server.kill()
            ids += [task_id for task_id in map(accepted, asked) if task_id is not None]
            server.start()
        queue = server.data / "queue.jsonl"
        until(lambda: set(ids) <= set(ends_on(queue).values()), 60)
        until(lambda: {heard.id for heard in receiver.verified} >= ends_on(queue).keys(), 60)
        until(lambda: server.ask("GET", "/webhooks/deliveries?status=pending").body["total"] == 0, 120)
        assert server.stop() == 0

    ends = ends_on(queue)
    told = Counter(heard.id for heard in receiver.verified)
    assert receiver.forged == 0
    assert told.keys() == ends.keys()
    assert {(heard.id, heard.data["id"]) for heard in receiver.verified} == set(ends.items())
    assert SECRET not in server.said()
    assert SECRET.encode() not in (server.data / "webhooks.jsonl").read_bytes()
    assert "/hook" not in server.said()
