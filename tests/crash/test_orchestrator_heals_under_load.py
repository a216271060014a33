"""Actors of a whole Symbiont, killed one after another while HTTP clients hammer it: nobody is refused, nothing is lost."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest

from supervisors import KILLED
from supervisors.testing import restarted
from symbiont import boot
from symbiont.actors import names
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.queue_messages import Get, Take
from symbiont.config import load
from symbiont.domain.task import NewTask, Status
from tests.contract.journal_contract import chain_fault
from tests.doubles.claude import FakeClaude, a_result

IN_START_ORDER = [names.TASKS, names.LEDGER, names.QUEUE, names.DISPATCHER, names.HEARTBEAT, names.HTTP_SERVER]
BELOW = IN_START_ORDER[1:]
CLIENTS = 8
KILLS = 5


class Heard(NamedTuple):
    path: str
    status: int
    retry_after: str | None
    body: dict


class Load:
    """Clients that ask without a pause, half of them on a fresh connection each time. Whatever they hear is in `heard`.

    A connection that is refused or reset ends a client with its exception, which `stop` raises.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = False
        self._clients: list[asyncio.Task[None]] = []
        self._fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        self._kept = aiohttp.ClientSession()
        self.heard: list[Heard] = []

    def start(self) -> None:
        sessions = [self._fresh, self._kept]
        self._clients = [asyncio.create_task(self._client(number, sessions[number % 2])) for number in range(CLIENTS)]

    async def stop(self) -> None:
        self._stopping = True
        try:
            await asyncio.gather(*self._clients)
        finally:
            await self._fresh.close()
            await self._kept.close()

    async def passes(self, answers: int) -> None:
        """Wait until so many more good answers came."""
        wanted = self.good + answers
        while self.good < wanted and not any(client.done() for client in self._clients):
            await asyncio.sleep(0.001)

    @property
    def good(self) -> int:
        return sum(one.status == 200 for one in self.heard)

    async def ask(self, method: str, path: str, body: object = None, *, kept: bool = True) -> Heard:
        session = self._kept if kept else self._fresh
        return await self._ask(session, method, path, body)

    async def _client(self, number: int, session: aiohttp.ClientSession) -> None:
        while not self._stopping:
            await self._ask(session, "POST", "/task", {"task": f"client {number}", "force_tier": "haiku"})
            await self._ask(session, "GET", "/status")

    async def _ask(self, session: aiohttp.ClientSession, method: str, path: str, body: object = None) -> Heard:
        async with session.request(method, self._url + path, json=body) as response:
            one = Heard(path, response.status, response.headers.get("Retry-After"), await response.json())
        self.heard.append(one)
        return one


def configured(tmp_path, env=None):
    return load(
        env={
            "SYMBIONT_DATA_DIR": str(tmp_path / "data"),
            "SYMBIONT_PORT": "0",
            "SYMBIONT_SUPERVISION_MAX_RESTARTS": "100",
            **(env or {"SYMBIONT_DISPATCH_WORKER": "rehearsal"}),
        }
    )


@asynccontextmanager
async def symbiont_under_load(tmp_path, env=None):
    async with boot.running(configured(tmp_path, env)) as symbiont:
        clients = Load(symbiont.url)
        try:
            yield symbiont, clients
        finally:
            await clients.stop()


async def kill(symbiont, name):
    """Kill the actor and wait until all that were cycled with it are up again."""
    old = {other: symbiont.runtime.whereis(other) for other in IN_START_ORDER}
    old[name].exit(KILLED)
    for other in IN_START_ORDER[IN_START_ORDER.index(name) :]:
        await restarted(symbiont.runtime, old[other])


def ledger_lines(tmp_path):
    return (tmp_path / "data" / "ledger.jsonl").read_bytes().splitlines()


def calls_by_task(tmp_path):
    return Counter(json.loads(line)["task_id"] for line in ledger_lines(tmp_path))


@pytest.mark.parametrize("name", IN_START_ORDER)
async def test_an_actor_killed_again_and_again_costs_no_client_its_connection_and_no_answer_its_ledger_line(
    tmp_path, name
):
    async with symbiont_under_load(tmp_path) as (symbiont, clients):
        clients.start()
        for _ in range(KILLS):
            await clients.passes(20)
            await kill(symbiont, name)
        await clients.passes(20)

    # a request that runs under the one that was killed is cut off, and told the id of its task
    allowed = {200, 503, 504} if name == names.TASKS else {200, 503}
    assert {one.status for one in clients.heard} <= allowed, Counter(one.body.get("code") for one in clients.heard)
    assert [
        one for one in clients.heard if one.body.get("code") == "STILL_PENDING" and not one.body["details"]["id"]
    ] == []
    assert [one for one in clients.heard if one.status == 503 and not one.retry_after] == []
    answered = [one.body["id"] for one in clients.heard if one.path == "/task" and one.status == 200]
    lines = [json.loads(line) for line in ledger_lines(tmp_path)]
    keys = Counter((line["task_id"], line["attempt"], line["kind"]) for line in lines)
    assert set(answered) <= {line["task_id"] for line in lines if line["success"]}
    assert set(keys.values()) == {1}
    assert len(set(answered)) == len(answered)
    assert chain_fault(ledger_lines(tmp_path)) == ""


async def test_a_killed_ledger_takes_along_those_after_it_in_start_order_and_nobody_else(tmp_path):
    async with symbiont_under_load(tmp_path) as (symbiont, clients):
        clients.start()
        before = {name: symbiont.runtime.whereis(name) for name in IN_START_ORDER}

        await kill(symbiont, names.LEDGER)

        after = {name: symbiont.runtime.whereis(name) for name in IN_START_ORDER}
        assert after[names.TASKS] is before[names.TASKS]
        assert [name for name in BELOW if after[name] is before[name]] == []
        assert sorted(BELOW, key=lambda name: after[name].pid) == BELOW
        await clients.passes(20)


async def test_each_answer_after_a_kill_is_in_the_ledger_exactly_once(tmp_path):
    async with symbiont_under_load(tmp_path) as (symbiont, clients):
        clients.start()
        await clients.passes(10)
        await kill(symbiont, names.LEDGER)
        await clients.passes(40)

    answered = [one.body["id"] for one in clients.heard if one.path == "/task" and one.status == 200]
    calls = calls_by_task(tmp_path)
    assert {calls[task_id] for task_id in answered} == {1}


async def test_a_lease_whose_run_never_started_is_given_up_by_the_next_dispatcher(tmp_path):
    async with boot.running(configured(tmp_path), only=boot.Only("direct")) as symbiont:
        queue = symbiont.runtime.named(names.QUEUE)
        queued = await symbiont.service.enqueue(NewTask("Say OK", "queued"))
        await queue.call(Take("queued"))  # as a dispatcher would that dies before it can start the run

        await kill(symbiont, names.DISPATCHER)
        await symbiont.runtime.named(names.DISPATCHER).call(ReadLimits())

        assert (await queue.call(Get(queued.id))).status is Status.PENDING


@pytest.mark.parametrize("name", BELOW)
async def test_a_model_call_under_way_is_not_disturbed_by_the_death_of_an_actor(tmp_path, name):
    claude_dir = tmp_path / "claude"
    claude_dir.mkdir()
    claude = FakeClaude(claude_dir).does({"touch": "asked"}, {"await": "go"}, {"event": a_result(result="at last")})
    env = {"SYMBIONT_CLAUDE_CLI": str(claude.executable)}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLAUDE_CONFIG_DIR", str(claude_dir))
        async with symbiont_under_load(tmp_path, env) as (symbiont, clients):
            asked = asyncio.create_task(clients.ask("POST", "/task", {"task": "Say OK", "force_tier": "haiku"}))
            await claude.appears("asked")
            await kill(symbiont, name)
            (claude_dir / "go").touch()
            answer = await asked

    assert (answer.status, answer.body["result"]) == (200, "at last")
    (line,) = [json.loads(line) for line in ledger_lines(tmp_path)]
    assert (line["task_id"], line["attempt"], line["success"]) == (answer.body["id"], 1, True)


async def test_a_model_call_whose_supervisor_is_killed_is_settled_and_its_task_runs_again(tmp_path):
    claude_dir = tmp_path / "claude"
    claude_dir.mkdir()
    claude = FakeClaude(claude_dir).does({"touch": "asked"}, {"await": "go"}, {"event": a_result(result="at last")})
    env = {"SYMBIONT_CLAUDE_CLI": str(claude.executable)}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLAUDE_CONFIG_DIR", str(claude_dir))
        async with symbiont_under_load(tmp_path, env) as (symbiont, clients):
            queued = await clients.ask("POST", "/queue", {"task": "Say OK", "force_tier": "haiku"})
            await claude.appears("asked")
            await kill(symbiont, names.TASKS)
            (claude_dir / "go").touch()
            task_id = queued.body["id"]
            while (task := (await clients.ask("GET", f"/task/{task_id}")).body).get("status") != "done":
                await asyncio.sleep(0.01)

    lines = [json.loads(line) for line in ledger_lines(tmp_path)]
    # a lease in between that found nobody to run under has used up a number, but made no call
    assert [(line["attempt"], line["success"]) for line in lines] == [(1, False), (task["attempt"], True)]
