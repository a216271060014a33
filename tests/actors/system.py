"""The whole tree over twins of the world: journals in memory, a scripted worker, virtual time, seeded chance.

    system = await System.start()
    task_id = await system.submit("do it")
    await system.quiet()
    assert (await system.task(task_id)).status == "done"

`quiet` waits until nothing can happen without time passing; `advance` lets time pass, timer by timer.
"""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Self

from supervisors import KILLED, SHUTDOWN, Process, Request, Runtime, spawn
from supervisors.application import stop_tree
from supervisors.testing import Recorder, VirtualClock, restarted, settle
from symbiont.actors import names
from symbiont.actors.dispatcher import Dispatcher
from symbiont.actors.heartbeat import Heartbeat
from symbiont.actors.http_server import HTTPServer
from symbiont.actors.ledger import Ledger
from symbiont.actors.life import Life
from symbiont.actors.queue import Queue
from symbiont.actors.queue_messages import Get, Submit, Submitted
from symbiont.actors.run_talk import World
from symbiont.actors.schedules import Schedules
from symbiont.actors.tree import Makers, tree
from symbiont.actors.webhooks import Webhooks
from symbiont.adapters.memory_journal import MemoryJournal
from symbiont.config import price_table, tier_table
from symbiont.config.policies import closure_policy, hooks, queue_rules, timetables
from symbiont.config.schema import Config, Dispatch
from symbiont.domain.task import NewTask, Source, Task
from symbiont.ports import Fold, Opened, Receipt
from tests.actors.endpoint_twin import ScriptedEndpoints
from tests.actors.worker_twin import ScriptedWorker

JOURNALS = ("ledger", "queue", "switches", "limits", "heartbeat", "budgets", "schedules", "webhooks")

PUNCTUAL = Config(dispatch=Dispatch(backoff_jitter=0.0))
"""Pauses are as long as the table says, so that a test can tell the moment."""


class TracedJournal(MemoryJournal):
    """Tells `trace` of every record once it is durable, as (journal, fields), and calls `when_durable`."""

    def __init__(self, name: str, records: tuple[bytes, ...], trace: list[tuple[str, Any]]) -> None:
        super().__init__(records, chained=name == "ledger")
        self.name = name
        self._trace = trace
        self.opened = 0
        self.when_durable: Callable[[], object] = lambda: None

    async def open(self, fold: Fold) -> Opened:
        self.opened += 1
        return await super().open(fold)

    def append(self, record: bytes) -> "asyncio.Future[Receipt]":
        receipt = super().append(record)
        receipt.add_done_callback(lambda done: self._note(record, done))
        return receipt

    def _note(self, record: bytes, done: "asyncio.Future[Receipt]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._trace.append((self.name, json.loads(record)))
            self.when_durable()


class SteadyDisk:
    """A disk with as much room as a test says."""

    def __init__(self) -> None:
        self.free = 1_000_000_000
        self.error: OSError | None = None

    async def free_bytes(self) -> int:
        if self.error is not None:
            raise self.error
        return self.free


class TracedWorker(ScriptedWorker):
    """Leaves a mark in the trace before a call does anything."""

    trace: list[tuple[str, Any]]

    async def run(self, call: Any) -> Any:
        self.trace.append(("call", call))
        return await super().run(call)


class System:
    """A running tree. `disk` is what an earlier one left: the records by journal."""

    def __init__(
        self,
        *,
        worker: ScriptedWorker,
        config: Config,
        disk: Mapping[str, tuple[bytes, ...]],
        seed: int,
        max_restarts: int,
        classifies: bool,
        source: Source | None,
        since: str,
        clock: VirtualClock | None,
        journal: type[TracedJournal],
        endpoints: ScriptedEndpoints | None = None,
        schedules_on: bool = True,
    ) -> None:
        self.worker = worker
        self.config = config
        self.clock = clock or VirtualClock()
        self.trace: list[tuple[str, Any]] = []
        self.reports = Recorder()
        self.journals = {name: journal(name, disk.get(name, ()), self.trace) for name in JOURNALS}
        self.disk = SteadyDisk()
        self.worker_is_there = True
        self.endpoints = endpoints or ScriptedEndpoints()
        self.runtime = Runtime(clock=self.clock, reporter=self.reports)
        self._random = random.Random(seed)
        self._max_restarts = max_restarts
        self._source: Source | None = source
        self._since = since
        self._schedules_on = schedules_on
        classifiers = frozenset({worker.name} if classifies else ())
        self.world = World(
            runtime=self.runtime,
            workers={worker.name: worker},
            classifies=classifiers,
            tiers=tier_table(config),
            prices=price_table(config),
            config=config,
            clock=self.clock,
            randomness=self._random,
        )
        self.root: Process

    @classmethod
    async def start(
        cls,
        *,
        slots: int = 2,
        worker: ScriptedWorker | None = None,
        config: Config | None = None,
        disk: Mapping[str, tuple[bytes, ...]] | None = None,
        seed: int = 7,
        max_restarts: int = 100,
        classifies: bool = True,
        source: Source | None = None,
        since: str = "",
        clock: VirtualClock | None = None,
        journal: type[TracedJournal] = TracedJournal,
        endpoints: ScriptedEndpoints | None = None,
        schedules_on: bool = True,
    ) -> Self:
        system = cls(
            worker=worker or TracedWorker(slots),
            config=config or PUNCTUAL,
            disk=disk or {},
            seed=seed,
            max_restarts=max_restarts,
            classifies=classifies,
            source=source,
            since=since,
            clock=clock,
            journal=journal,
            endpoints=endpoints,
            schedules_on=schedules_on,
        )
        if isinstance(system.worker, TracedWorker):
            system.worker.trace = system.trace
        await system._spawn()
        await system.quiet()
        return system

    async def _spawn(self) -> None:
        supervisor = tree(self._makers(), max_tasks=200, max_restarts=self._max_restarts, within_s=60.0)
        root = await spawn(self.runtime, supervisor, name="symbiont")
        assert root is not None
        self.root = root

    def _makers(self) -> Makers:
        config, clock = self.config, self.clock
        return Makers(
            ledger=lambda: Ledger(
                self.journals["ledger"], clock=clock, budgets=config.budgets, notes=self.journals["budgets"]
            ),
            queue=lambda: Queue(self.journals["queue"], self.journals["switches"], clock, queue_rules(config)),
            dispatcher=self._dispatcher,
            heartbeat=lambda: Heartbeat(
                journal=self.journals["heartbeat"],
                clock=clock,
                disk=self.disk,
                worker=self._is_worker_there,
                interval_s=config.heartbeat.interval_s,
                min_free_bytes=config.heartbeat.min_free_bytes,
            ),
            schedules=lambda: Schedules(
                timetables=timetables(config),
                journal=self.journals["schedules"],
                clock=clock,
                is_on=self._schedules_on,
            ),
            webhooks=lambda: Webhooks(
                hooks=hooks(config),
                journal=self.journals["webhooks"],
                notifier=self.endpoints,
                clock=clock,
                randomness=self._random,
                max_in_flight=config.webhooks.max_in_flight,
            ),
            http_server=lambda: HTTPServer(config.server.max_in_flight),
        )

    async def _is_worker_there(self) -> bool:
        return self.worker_is_there

    def _dispatcher(self) -> Dispatcher:
        config, limits = self.config, self.config.limits
        return Dispatcher(
            run=lambda task: Life(task, self.world).run(),
            workers={self.worker.name: self.worker.slots},
            lanes=[(self.worker.name, tier) for tier in self.world.tiers.names],
            tiers=self.world.tiers,
            journal=self.journals["limits"],
            clock=self.clock,
            randomness=self._random,
            policy=closure_policy(self.config),
            wake_jitter_s=limits.wake_jitter_s,
            source=self._source,
            since=self._since,
            per_sweep=config.queue.max_queue_batch if config.queue.drain == "heartbeat" else None,
            batching=config.batching,
        )

    # Time

    async def quiet(self) -> None:
        """Until nothing can happen without time passing."""
        passes = -1
        while passes != self.runtime.scheduler.passes:
            passes = self.runtime.scheduler.passes
            await settle()

    async def advance(self, seconds: float) -> None:
        end_s = self.clock.monotonic() + seconds
        await self.quiet()
        while (due_s := self._next_due()) is not None and due_s <= end_s:
            await self.clock.advance(max(0.0, due_s - self.clock.monotonic()))
            await self.quiet()
        await self.clock.advance(max(0.0, end_s - self.clock.monotonic()))
        await self.quiet()

    def _next_due(self) -> float | None:
        return min((when_s for when_s, _, armed in self.clock._heap if not armed.cancelled), default=None)

    # Talking to it

    async def ask(self, name: str, request: Request[Any]) -> Any:
        answer = asyncio.ensure_future(self.runtime.named(name).call(request))
        await self.quiet()
        return await answer

    async def submit(
        self, text: str = "do it", *, force_tier: str | None = None, source: Source = "queued", **more: Any
    ) -> str:
        submitted = await self.try_submit(text, force_tier=force_tier, source=source, **more)
        assert isinstance(submitted, Submitted), submitted
        return submitted.task.id

    async def try_submit(
        self,
        text: str = "do it",
        *,
        force_tier: str | None = None,
        source: Source = "queued",
        **more: Any,
    ) -> Any:
        new = NewTask(task=text, source=source, force_tier=force_tier, **more)
        return await self.ask(names.QUEUE, Submit(new))

    async def task(self, task_id: str) -> Task:
        task = await self.ask(names.QUEUE, Get(task_id))
        assert isinstance(task, Task), task
        return task

    # What is on disk

    def lines(self, journal: str) -> list[dict[str, Any]]:
        return [json.loads(record) for record in self.journals[journal].records]

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return self.lines("ledger")

    def on_disk(self) -> dict[str, tuple[bytes, ...]]:
        """What a power cut at this moment would leave."""
        return {name: journal.records for name, journal in self.journals.items()}

    # Faults

    def process(self, name: str) -> Process:
        process = self.runtime.whereis(name)
        assert process is not None, name
        return process

    async def crash(self, name: str) -> None:
        """Kill an actor and wait until the tree is whole again."""
        old = self.process(name)
        old.exit(KILLED)
        await self.quiet()
        await restarted(self.runtime, old)

    async def stop(self) -> None:
        """Take everything down; whoever waits for an actor that will not come back is given up after its patience."""
        stopping = asyncio.ensure_future(stop_tree(self.root, SHUTDOWN, within_s=300.0))
        await self.advance(300.0)
        assert await stopping
