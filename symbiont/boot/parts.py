"""What the tree is made of: the worker, the journals, and how each actor is made. All from one configuration.

Makers are called again at every restart of an actor; what outlives a restart (journals, the world of a run) is made once.
"""

import asyncio
import os
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from supervisors import Runtime
from symbiont.actors.dispatcher import Dispatcher
from symbiont.actors.heartbeat import Heartbeat
from symbiont.actors.http_server import HTTPServer
from symbiont.actors.ledger import Ledger
from symbiont.actors.life import Life
from symbiont.actors.queue import Queue
from symbiont.actors.run_talk import World
from symbiont.actors.schedules import Schedules
from symbiont.actors.tree import Makers
from symbiont.actors.webhooks import Webhooks
from symbiont.adapters.claude_cli import ClaudeCli, find_claude
from symbiont.adapters.data_dir import DataDir
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.rehearsal import Rehearsal
from symbiont.adapters.system import SystemClock, SystemRandomness
from symbiont.adapters.webhook import Target, WebhookSender
from symbiont.config import Loaded, price_table, tier_table
from symbiont.config.policies import closure_policy, hooks, queue_rules, timetables
from symbiont.config.schema import Config
from symbiont.config.schema import Webhooks as WebhookSettings
from symbiont.config.webhook_keys import webhook_keys
from symbiont.domain.intake import TaskUrls
from symbiont.domain.task import Source
from symbiont.domain.webhook import TASK_HOOK
from symbiont.ports import Disk, Worker, WorkerCheck


@dataclass(frozen=True)
class Only:
    """Which tasks are run: those of a source, and those created since a moment (RFC 3339). By default all."""

    source: Source | None = None
    since: str = ""


def choose_worker(loaded: Loaded, data: DataDir) -> tuple[Worker, WorkerCheck]:
    """The worker and how to tell whether it is there.

    `auto` falls back to rehearsal only if nobody named an executable: who names one means it, and is told when it is missing.
    """
    dispatch = loaded.config.dispatch
    is_named = loaded.provenance.get("dispatch.claude_cli", "default") != "default"
    is_found = find_claude(dispatch.claude_cli, os.environ.get("PATH")) is not None
    if dispatch.worker == "rehearsal" or (dispatch.worker == "auto" and not is_found and not is_named):
        return Rehearsal(tier_table(loaded.config), price_table(loaded.config)), _always
    claude = ClaudeCli(
        executable=dispatch.claude_cli,
        slots=dispatch.slots,
        stop_grace_s=dispatch.stop_grace_s,
        environment=os.environ,
        cwd=data.cli_cwd,
        owner=owner_of(data.path),
        clock=SystemClock(),
    )
    return claude, partial(asyncio.to_thread, claude.is_available)


async def _always() -> bool:
    return True


def owner_of(path: Path) -> str:
    """The mark on our children's environment: by it a later start finds those that outlived a kill."""
    status = path.stat()
    return f"symbiont-{status.st_dev:x}-{status.st_ino:x}"


def world_of(loaded: Loaded, runtime: Runtime, worker: Worker) -> World:
    return World(
        runtime=runtime,
        workers={worker.name: worker},
        classifies=frozenset({worker.name}) - {Rehearsal.name},
        tiers=tier_table(loaded.config),
        prices=price_table(loaded.config),
        config=loaded.config,
        clock=SystemClock(),
        randomness=SystemRandomness(),
    )


@dataclass(frozen=True)
class Journals:
    """Made once: a new life of an actor opens the same one, which waits for the writer of the old."""

    ledger: FileJournal
    queue: FileJournal
    switches: FileJournal
    beats: FileJournal
    limits: FileJournal
    alerts: FileJournal
    outbox: FileJournal
    schedules: FileJournal

    def problems(self) -> tuple[str, ...]:
        """What is damaged, and how to mend it."""
        found = (getattr(self, field.name).damage for field in fields(self))
        return tuple(f"{damage.reason}; repair: {damage.hint}" for damage in found if damage is not None)


def journals_of(data: DataDir) -> Journals:
    return Journals(
        FileJournal(data.ledger, chained=True, rotation=Rotation(), repair="symbiont ledger repair"),
        FileJournal(data.queue, chained=False, repair="symbiont queue repair"),
        FileJournal(data.switches, chained=False),
        FileJournal(data.heartbeat, chained=False),
        FileJournal(data.limits, chained=False),
        FileJournal(data.budgets, chained=False),
        FileJournal(data.webhooks, chained=False),
        FileJournal(data.schedules, chained=False),
    )


@dataclass(frozen=True)
class Parts:
    """Makes each actor of the tree."""

    world: World
    journals: Journals
    disk: Disk
    is_available: WorkerCheck
    only: Only

    @property
    def config(self) -> Config:
        return self.world.config

    def makers(self) -> Makers:
        sender = WebhookSender(targets_of(self.config.webhooks), self.world.clock)
        return Makers(
            ledger=self.ledger,
            queue=self.queue,
            dispatcher=self.dispatcher,
            heartbeat=self.heartbeat,
            schedules=self.schedules,
            webhooks=partial(self.webhooks, sender),
            http_server=lambda: HTTPServer(self.config.server.max_in_flight),
        )

    def ledger(self) -> Ledger:
        journals = self.journals
        return Ledger(journals.ledger, clock=self.world.clock, budgets=self.config.budgets, notes=journals.alerts)

    def queue(self) -> Queue:
        journals = self.journals
        return Queue(journals.queue, journals.switches, self.world.clock, queue_rules(self.config))

    def dispatcher(self) -> Dispatcher:
        config, world = self.config, self.world
        return Dispatcher(
            run=lambda task: Life(task, world).run(),
            workers={name: worker.slots for name, worker in world.workers.items()},
            lanes=[(name, tier) for name in world.workers for tier in world.tiers.names],
            tiers=world.tiers,
            journal=self.journals.limits,
            clock=world.clock,
            randomness=SystemRandomness(),
            policy=closure_policy(config),
            wake_jitter_s=config.limits.wake_jitter_s,
            source=self.only.source,
            since=self.only.since,
            per_sweep=config.queue.max_queue_batch if config.queue.drain == "heartbeat" else None,
            batching=config.batching,
        )

    def heartbeat(self) -> Heartbeat:
        settings = self.config.heartbeat
        return Heartbeat(
            journal=self.journals.beats,
            clock=self.world.clock,
            disk=self.disk,
            worker=self.is_available,
            interval_s=settings.interval_s,
            min_free_bytes=settings.min_free_bytes,
        )

    def schedules(self) -> Schedules:
        """Who runs some tasks only, for a command line, submits none of others."""
        return Schedules(
            timetables=timetables(self.config),
            journal=self.journals.schedules,
            clock=self.world.clock,
            is_on=self.only == Only(),
        )

    def webhooks(self, sender: WebhookSender) -> Webhooks:
        return Webhooks(
            hooks=hooks(self.config),
            journal=self.journals.outbox,
            notifier=sender,
            clock=self.world.clock,
            randomness=SystemRandomness(),
            max_in_flight=self.config.webhooks.max_in_flight,
        )


def targets_of(settings: WebhookSettings) -> dict[str, Target]:
    """Where endpoints are and how to sign for them: for the sender alone."""
    keys = webhook_keys(settings, os.environ)
    targets = {
        one.name: Target(one.url, keys[one.name], one.timeout_s, one.allow_http, one.allow_private)
        for one in settings.endpoints
    }
    if settings.allow_task_urls:
        allowed = settings.allow_task_http, settings.allow_task_private
        targets[TASK_HOOK] = Target("", keys[TASK_HOOK], settings.task_timeout_s, *allowed)
    return targets


def task_urls(settings: WebhookSettings) -> TaskUrls:
    if not settings.allow_task_urls:
        return "none"
    return "http" if settings.allow_task_http else "https"
