"""A service that lives in memory and the real application on a real loopback socket in front of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import aiohttp
import msgspec
import pytest

from symbiont.config.schema import Server
from symbiont.domain.bulk import Filter
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry
from symbiont.domain.ledger_query import Dimension, LedgerFilter
from symbiont.domain.outbox import State
from symbiont.domain.task import NewTask
from symbiont.domain.tier import Tier, TierTable
from symbiont.http.app import build_app
from symbiont.http.examples import EXAMPLES
from symbiont.http.listen import bind, serve
from symbiont.service import ledger_views, queue_views, schedule_views, views, webhook_views
from symbiont.telemetry.metrics import Reading

T = TypeVar("T")
AT = "2026-03-19T14:33:12Z"
TIERS = TierTable.of(
    [Tier(name, rank, name, name, "") for rank, name in enumerate(("haiku", "sonnet", "opus"), start=1)]
)


@dataclass
class MemoryService:
    """Answers from memory; `fails_with` makes the next calls fail, `seen` records what reached it."""

    billing: str = "subscription"
    fails_with: BaseException | None = None
    seen: list[tuple[object, ...]] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def _note(self, *call: object) -> None:
        self.seen.append(call)
        if self.fails_with is not None:
            raise self.fails_with

    def _state_of(self, task_id: str) -> str:
        if task_id not in self.known:
            raise SymbiontError("NOT_FOUND", f"expected id to be that of a known task, got: {task_id}")
        return self.known[task_id]

    async def run_task(self, new: NewTask, *, wait_s: float) -> views.TaskAnswer:
        self._note("run_task", new, wait_s)
        model = new.force_tier or "haiku"
        return views.TaskAnswer("task-1", new.task, model, "fine", 2.3, 45, 87, 0.0082, AT, self.billing)

    async def enqueue(self, new: NewTask) -> views.Queued:
        self._note("enqueue", new)
        self.known[f"queued-{len(self.known) + 1}"] = "pending"
        return views.Queued(f"queued-{len(self.known)}", "queued", len(self.known))

    async def dry_run(self, new: NewTask) -> views.DryRun:
        self._note("dry_run", new)
        return msgspec.structs.replace(EXAMPLES[views.DryRun], task=new.task)

    async def task(self, task_id: str) -> views.TaskView:
        self._note("task", task_id)
        return msgspec.structs.replace(EXAMPLES[views.TaskView], id=task_id, status=self._state_of(task_id))

    async def tasks(self, status: str | None, limit: int) -> views.TaskList:
        self._note("tasks", status, limit)
        return EXAMPLES[views.TaskList]

    async def cancel(self, task_id: str) -> views.TaskChanged:
        return self._change("cancel", task_id, "cancelled")

    async def retry(self, task_id: str) -> views.TaskChanged:
        return self._change("retry", task_id, "pending")

    def _change(self, verb: str, task_id: str, state: str) -> views.TaskChanged:
        self._note(verb, task_id)
        self._state_of(task_id)
        self.known[task_id] = state
        return views.TaskChanged(task_id, state)

    async def bulk(self, verb: str, chosen: Filter, limit: int, *, dry_run: bool) -> queue_views.BulkAnswer:
        self._note("bulk", verb, chosen, limit, dry_run)
        return EXAMPLES[queue_views.BulkAnswer]

    async def switch(self, project: str | None, state: str) -> queue_views.QueueState:
        self._note("switch", project, state)
        return EXAMPLES[queue_views.QueueState]

    async def drain(self, project: str | None, wait_s: float) -> queue_views.QueueState:
        self._note("drain", project, wait_s)
        return EXAMPLES[queue_views.QueueState]

    async def queue_status(self) -> queue_views.QueueStatus:
        self._note("queue_status")
        return EXAMPLES[queue_views.QueueStatus]

    async def status(self) -> views.Status:
        self._note("status")
        usage = {name: views.TierUsage(calls_today=rank, tokens_used=0) for rank, name in enumerate(TIERS.names)}
        return msgspec.structs.replace(EXAMPLES[views.Status], tier_usage=usage)

    def health(self) -> views.Health:
        self._note("health")
        return views.Health("python/asyncio", "ok")

    async def metrics(self) -> Reading:
        self._note("metrics")
        return Reading("0.1.0", 1.0, 0, (), None, None, None, None, None)

    async def ledger(self, limit: int) -> views.LedgerPage:
        self._note("ledger", limit)
        return EXAMPLES[views.LedgerPage]

    async def search_ledger(self, wanted: LedgerFilter, limit: int) -> views.LedgerPage:
        self._note("search_ledger", wanted, limit)
        return EXAMPLES[views.LedgerPage]

    async def ledger_stats(self) -> views.LedgerStats:
        self._note("ledger_stats")
        return EXAMPLES[views.LedgerStats]

    async def search_stats(self, wanted: LedgerFilter) -> views.LedgerStats:
        self._note("search_stats", wanted)
        return EXAMPLES[views.LedgerStats]

    async def ledger_table(self, by: Dimension, wanted: LedgerFilter) -> ledger_views.LedgerTable:
        self._note("ledger_table", by, wanted)
        return msgspec.structs.replace(EXAMPLES[ledger_views.LedgerTable], by=by)

    async def import_ledger(self, entries: Sequence[Entry], *, dry_run: bool) -> ledger_views.LedgerImported:
        self._note("import_ledger", tuple(entries), dry_run)
        return ledger_views.LedgerImported(len(entries), 0, dry_run)

    async def budgets(self) -> ledger_views.BudgetList:
        self._note("budgets")
        return EXAMPLES[ledger_views.BudgetList]

    async def schedules(self) -> schedule_views.ScheduleList:
        self._note("schedules")
        return EXAMPLES[schedule_views.ScheduleList]

    async def add_schedule(self, schedule, *, replace: bool, dry_run: bool) -> schedule_views.ScheduleView:
        self._note("add_schedule", schedule, replace, dry_run)
        return msgspec.structs.replace(EXAMPLES[schedule_views.ScheduleView], name=schedule.name, added=True)

    async def remove_schedule(self, name: str) -> schedule_views.ScheduleView:
        self._note("remove_schedule", name)
        return EXAMPLES[schedule_views.ScheduleView]

    async def pause_schedule(self, name: str, *, is_paused: bool) -> schedule_views.ScheduleView:
        self._note("pause_schedule", name, is_paused)
        return msgspec.structs.replace(EXAMPLES[schedule_views.ScheduleView], paused=is_paused)

    async def webhooks(self) -> webhook_views.WebhookList:
        self._note("webhooks")
        return EXAMPLES[webhook_views.WebhookList]

    async def deliveries(
        self, limit: int, *, webhook: str | None, state: State | None, task_id: str | None
    ) -> webhook_views.DeliveryList:
        self._note("deliveries", limit, webhook, state, task_id)
        return EXAMPLES[webhook_views.DeliveryList]

    async def enable_webhook(self, name: str) -> webhook_views.WebhookView:
        self._note("enable_webhook", name)
        return EXAMPLES[webhook_views.WebhookView]

    async def test_webhook(self, name: str) -> webhook_views.WebhookTested:
        self._note("test_webhook", name)
        return EXAMPLES[webhook_views.WebhookTested]

    async def retry_delivery(self, delivery_id: str) -> webhook_views.DeliveryView:
        self._note("retry_delivery", delivery_id)
        return EXAMPLES[webhook_views.DeliveryView]

    async def heartbeat(self) -> views.Beat:
        self._note("heartbeat")
        return EXAMPLES[views.Beat]

    async def wake(self) -> views.Woken:
        self._note("wake")
        return EXAMPLES[views.Woken]


class OpenGate:
    """Lets everything in, each in a task of its own, as the real one does."""

    async def run(self, body: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        async def supervised() -> T:
            return await body()

        return await asyncio.create_task(supervised())


@dataclass
class BrokenGate:
    """Fails with the given error instead of running anything."""

    error: BaseException

    async def run(self, body: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        raise self.error


class CuttingGate:
    """Runs the body and kills its task, as a restart of the part of the tree above it does."""

    async def run(self, body: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        async def supervised() -> T:
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.Event().wait()
            return await body()

        task = asyncio.create_task(supervised())
        return await task


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        assert self.headers["Content-Type"] == "application/json"
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        return self.json["code"]


@dataclass
class Api:
    """A running server and ways to talk to it."""

    service: MemoryService
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, method: str, path: str, **how) -> Reply:
        async with self.session.request(method, f"{self.url}{path}", **how) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, fields: object = None) -> Reply:
        """A POST with these fields as its JSON body, or without a body."""
        if fields is None:
            return await self.ask("POST", path)
        return await self.post_bytes(path, msgspec.json.encode(fields))

    async def post_bytes(self, path: str, body: bytes, **headers: str) -> Reply:
        sent = {"Content-Type": "application/json"} | headers
        return await self.ask("POST", path, data=body, headers=sent)

    async def raw(self, wire: bytes) -> Reply:
        """What comes back for exactly these bytes, read as one response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(wire)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["Content-Length"]))
            return Reply(int(lines[0].split()[1]), headers, body)
        finally:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def running(
    gate=None, service=None, max_task_chars=1_000, shutdown_s=1.0, task_urls="none", **settings
) -> AsyncIterator[Api]:
    """The application on a free loopback port for the length of a `with`."""
    service = service or MemoryService()
    app = build_app(service, gate or OpenGate(), Server(**settings), TIERS, max_task_chars, task_urls=task_urls)
    sockets = bind("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    runner = await serve(app, sockets, shutdown_s=shutdown_s)
    async with aiohttp.ClientSession() as session:
        try:
            yield Api(service, port, session)
        finally:
            await runner.cleanup()


@pytest.fixture
def start():
    """`async with start(gate=…, …) as api`: a server with other parts or settings than the usual."""
    return running


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with running(max_body_bytes=100_000) as usual:
        yield usual


class NamedGates(NamedTuple):
    open: type[OpenGate]
    broken: type[BrokenGate]
    cutting: type[CuttingGate]


@pytest.fixture
def gates() -> NamedGates:
    """The gates a test can choose from: `open()`, `broken(error)`, `cutting()`."""
    return NamedGates(OpenGate, BrokenGate, CuttingGate)


@pytest.fixture
def memory_service() -> MemoryService:
    return MemoryService()


@pytest.fixture(scope="session")
def tiers() -> TierTable:
    return TIERS


@pytest.fixture
def settings() -> Server:
    return Server()
