"""The only file that wires everything: from a configuration to a running tree, and back down in order.

Order of a start: data directory locked → listening sockets opened → tree up → API answers. What is above the tree (sockets,
connections) stays while the tree restarts. Order of an end: runs stopped and settled → tree down in reverse → sockets closed;
all within `supervision.shutdown_s`, after which the process leaves anyway.
"""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import structlog
import uvloop
from aiohttp import web

from supervisors import SHUTDOWN, CallExit, MailboxFull, NotStarted, Process, Runtime, spawn
from supervisors.application import stop_tree
from symbiont.actors import names
from symbiont.actors.dispatcher import Dispatcher, Drain
from symbiont.actors.heartbeat import Heartbeat
from symbiont.actors.http_server import HTTPServer
from symbiont.actors.ledger import Ledger
from symbiont.actors.life import Life, World
from symbiont.actors.queue import Queue
from symbiont.actors.schedules import Schedules
from symbiont.actors.tree import Makers, tree
from symbiont.actors.webhooks import Webhooks
from symbiont.adapters.claude_cli import ClaudeCli, find_claude, reap_orphans
from symbiont.adapters.data_dir import DataDir
from symbiont.adapters.journal import FileJournal
from symbiont.adapters.journal_rotation import Rotation
from symbiont.adapters.ledger_files import LedgerFiles
from symbiont.adapters.rehearsal import Rehearsal
from symbiont.adapters.stop_signals import on_stop_signals
from symbiont.adapters.system import SystemClock, SystemRandomness
from symbiont.adapters.webhook import Target, WebhookSender
from symbiont.config import Loaded, check_whole, data_dir, price_table, tier_table
from symbiont.config.policies import closure_policy, hooks, queue_rules, timetables
from symbiont.config.schema import Webhooks as WebhookSettings
from symbiont.config.webhook_keys import webhook_keys
from symbiont.domain.advice import advice_without_server
from symbiont.domain.errors import SymbiontError
from symbiont.domain.intake import Intake, TaskUrls
from symbiont.domain.ledger import Entry
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask, Source
from symbiont.domain.webhook import TASK_HOOK
from symbiont.http.actor_gate import ActorGate
from symbiont.http.app import build_app
from symbiont.http.listen import allow_files, bind, url_of
from symbiont.http.listen import serve as listen
from symbiont.ports import Disk, Worker, WorkerCheck
from symbiont.service import ledger_views, views
from symbiont.service.dry_run import dry_run
from symbiont.service.running import RunningService
from symbiont.telemetry import logs

SPARE_TASKS = 64
"""Room under the task supervisor besides requests and runs."""

CONNECTIONS_PER_REQUEST = 2
"""Connections that are open at a time, by requests that are worked on at a time: some are idle."""

SPARE_FILES = 512
"""Open files besides connections: journals, pipes of model calls."""
DRAIN_SHARE = 0.75
"""How much of the time for an orderly end the runs may take; the rest is for what they write to."""

CLOSE_S = 0.5
"""What closing connections gets even if nothing is left."""

EXIT_GAVE_UP = 70
"""The tree gave up: the service manager is to start the process again (sysexits: EX_SOFTWARE)."""

_log = structlog.get_logger("symbiont.boot")


@dataclass(frozen=True)
class Symbiont:
    """A running tree. `url` is empty without HTTP."""

    runtime: Runtime
    root: Process
    service: RunningService
    url: str


@dataclass(frozen=True)
class Only:
    """Which tasks are run: those of a source, and those created since a moment (RFC 3339). By default all."""

    source: Source | None = None
    since: str = ""


def our_version() -> str:
    try:
        return version("symbiont")
    except PackageNotFoundError:
        return "0+unknown"


# Parts


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
        """What of the ledger and the queue is damaged, and how to mend it."""
        found = (self.ledger.damage, self.queue.damage)
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


def makers_of(world: World, journals: Journals, disk: Disk, is_available: WorkerCheck, only: Only) -> Makers:
    config, clock = world.config, world.clock
    sender = WebhookSender(targets_of(config.webhooks), clock)

    def dispatcher() -> Dispatcher:
        return Dispatcher(
            run=lambda task: Life(task, world).run(),
            workers={name: worker.slots for name, worker in world.workers.items()},
            lanes=[(name, tier) for name in world.workers for tier in world.tiers.names],
            tiers=world.tiers,
            journal=journals.limits,
            clock=clock,
            randomness=SystemRandomness(),
            policy=closure_policy(config),
            wake_jitter_s=config.limits.wake_jitter_s,
            source=only.source,
            since=only.since,
            per_sweep=config.queue.max_queue_batch if config.queue.drain == "heartbeat" else None,
        )

    def heartbeat() -> Heartbeat:
        return Heartbeat(
            journal=journals.beats,
            clock=clock,
            disk=disk,
            worker=is_available,
            interval_s=config.heartbeat.interval_s,
            min_free_bytes=config.heartbeat.min_free_bytes,
        )

    def schedules() -> Schedules:
        """Who runs some tasks only, for a command line, submits none of others."""
        times = timetables(config) if only == Only() else ()
        return Schedules(timetables=times, journal=journals.schedules, clock=clock)

    def webhooks() -> Webhooks:
        return Webhooks(
            hooks=hooks(config),
            journal=journals.outbox,
            notifier=sender,
            clock=clock,
            randomness=SystemRandomness(),
            max_in_flight=config.webhooks.max_in_flight,
        )

    return Makers(
        ledger=lambda: Ledger(journals.ledger, clock=clock, budgets=config.budgets, notes=journals.alerts),
        queue=lambda: Queue(journals.queue, journals.switches, clock, queue_rules(config)),
        dispatcher=dispatcher,
        heartbeat=heartbeat,
        schedules=schedules,
        webhooks=webhooks,
        http_server=lambda: HTTPServer(config.server.max_in_flight),
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


# Running


@asynccontextmanager
async def running(loaded: Loaded, *, with_http: bool = True, only: Only | None = None) -> AsyncGenerator[Symbiont]:
    """A whole Symbiont inside a running loop, taken down in order at the end. `only` restricts which tasks it runs."""
    check_whole(loaded)
    path = data_dir(loaded.config)
    data = DataDir.open(path, make_parents=not loaded.config.data_dir)
    try:
        server = loaded.config.server
        sockets = bind(server.host, server.port) if with_http else []
        try:
            async with _tree(loaded, data, sockets, only or Only()) as symbiont:
                yield symbiont
        finally:
            for sock in sockets:
                sock.close()
    finally:
        data.close()


@asynccontextmanager
async def _tree(loaded: Loaded, data: DataDir, sockets: list[socket.socket], only: Only) -> AsyncGenerator[Symbiont]:
    await _reap(owner_of(data.path))
    config = loaded.config
    worker, is_available = choose_worker(loaded, data)
    runtime = Runtime()
    world = world_of(loaded, runtime, worker)
    journals = journals_of(data)
    root = await _spawn_root(world, makers_of(world, journals, data, is_available, only))
    service = RunningService(
        runtime,
        config=config,
        tiers=world.tiers,
        prices=world.prices,
        clock=world.clock,
        reader=LedgerFiles(data.ledger),
        workers=(worker.name,),
        version=our_version(),
        problems=journals.problems,
    )
    symbiont = Symbiont(runtime, root, service, url_of(sockets) if sockets else "")
    runner: web.AppRunner | None = None
    try:
        if sockets:
            gate = ActorGate(runtime)
            app = build_app(
                service,
                gate,
                config.server,
                world.tiers,
                config.dispatch.max_task_chars,
                task_urls=task_urls(config.webhooks),
            )
            connections = CONNECTIONS_PER_REQUEST * config.server.max_in_flight
            allow_files(connections + SPARE_FILES)
            runner = await listen(app, sockets, max_connections=connections)
            data.write_server_info(symbiont.url, os.getpid())
        yield symbiont
    finally:
        await _take_down(symbiont, runner, config.supervision.shutdown_s)


async def _spawn_root(world: World, makers: Makers) -> Process:
    config = world.config
    slots = sum(worker.slots for worker in world.workers.values())
    supervisor = tree(
        makers,
        max_tasks=config.server.max_in_flight + slots + config.webhooks.max_in_flight + SPARE_TASKS,
        max_restarts=config.supervision.max_restarts,
        within_s=config.supervision.within_s,
    )
    try:
        root = await spawn(world.runtime, supervisor, name="symbiont")
    except NotStarted as error:
        raise _explained(error) from None
    if root is None:
        raise SymbiontError("INTERNAL", "the tree did not start")
    return root


def _explained(error: NotStarted) -> SymbiontError:
    """The error behind a failed start, if it is one of ours, else the start's own words."""
    reason = getattr(getattr(error.reason, "term", None), "reason", error.reason)
    exception = getattr(reason, "exception", None)
    return exception if isinstance(exception, SymbiontError) else SymbiontError("INTERNAL", str(error))


async def _reap(owner: str) -> None:
    """Model calls of a process that was killed still cost money."""
    stopped = await asyncio.to_thread(reap_orphans, owner)
    if stopped:
        _log.warning("orphans_stopped", processes=stopped)


async def _take_down(symbiont: Symbiont, runner: web.AppRunner | None, within_s: float) -> None:
    """Runs stopped and settled, the tree down in reverse, connections closed: one deadline, and what is left of it for each."""
    symbiont.service.is_closing = True
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    with suppress(CallExit, MailboxFull):
        await symbiont.runtime.named(names.DISPATCHER).call(Drain(), timeout_s=within_s * DRAIN_SHARE)
    if not await stop_tree(symbiont.root, SHUTDOWN, within_s=max(0.0, ends_at - loop.time())):
        _log.error("tree_killed", within_s=within_s)
    if runner is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(ends_at, loop.time() + CLOSE_S)):
                await runner.cleanup()


# Programs


def serve(loaded: Loaded) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; returns the exit code. Raises `SymbiontError` when it cannot start."""
    logs.configure(loaded.config.logging)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(loaded))


async def _serve(loaded: Loaded) -> int:
    stopping = asyncio.Event()
    _on_stop(stopping.set, loaded)
    async with running(loaded) as symbiont:
        _banner(symbiont, loaded)
        gc.freeze()
        symbiont.root.on_death(lambda _reason: stopping.set())
        await stopping.wait()
        gave_up = not symbiont.root.alive
    if gave_up:
        _log.critical("gave_up", reason=str(symbiont.root.exit_reason))
        return EXIT_GAVE_UP
    return 0


def _on_stop(stop: Callable[[], object], loaded: Loaded) -> None:
    within_s = loaded.config.supervision.shutdown_s + 2 * CLOSE_S
    on_stop_signals(stop, partial(_leave, data_dir(loaded.config)), within_s=within_s)


def _leave(data: Path, exit_code: int) -> None:
    """Without any order, but not without the model calls: left alone, they would go on costing money."""
    with suppress(OSError):
        reap_orphans(owner_of(data), grace_s=0.0)
    logs.flush()
    os._exit(exit_code)


def _banner(symbiont: Symbiont, loaded: Loaded) -> None:
    path = data_dir(loaded.config)
    workers = ", ".join(symbiont.service.workers)
    logs.say(f"symbiont {our_version()} on {symbiont.url} · worker: {workers} · data: {path}")


def run_local(loaded: Loaded, new: NewTask) -> views.TaskAnswer:
    """One task in this process, without a server. Raises its failure, or `DATA_DIR_LOCKED` while a server runs.

    Asked to stop by a signal, it stops its call, puts the task back and raises `KeyboardInterrupt`. Quieter than a server: below warnings, it logs only what the configuration asks for.
    """
    is_asked = loaded.provenance.get("logging.level", "default") != "default"
    settings = loaded.config.logging
    logs.configure(settings if is_asked else msgspec.structs.replace(settings, level="warning"))
    admitted = _admitted(loaded, new)

    # What earlier processes have left is for a server to finish, not for whoever comes next with a task of their own.
    ours = Only("direct", rfc3339(SystemClock().wall()))

    async def run() -> views.TaskAnswer:
        if (task := asyncio.current_task()) is not None:
            _on_stop(task.cancel, loaded)
        async with running(loaded, with_http=False, only=ours) as symbiont:
            try:
                return await symbiont.service.run_task(admitted, wait_s=loaded.config.server.wait_s)
            except SymbiontError as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError from None  # Ctrl-C, which whoever pressed it needs not be told
                error.hint = advice_without_server(error.code, error.hint)
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(run())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


def import_local(loaded: Loaded, portions: Iterable[Sequence[Entry]], *, dry_run: bool) -> ledger_views.LedgerImported:
    """Take lines into the ledger without a server. Raises `DATA_DIR_LOCKED` while one runs."""
    logs.configure(msgspec.structs.replace(loaded.config.logging, level="warning"))
    nothing = Only("direct", rfc3339(SystemClock().wall()))

    async def run() -> ledger_views.LedgerImported:
        imported = duplicates = 0
        async with running(loaded, with_http=False, only=nothing) as symbiont:
            for portion in portions:
                done = await symbiont.service.import_ledger(portion, dry_run=dry_run)
                imported += done.imported
                duplicates += done.duplicates
        return ledger_views.LedgerImported(imported, duplicates, dry_run)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def dry_run_local(loaded: Loaded, new: NewTask) -> views.DryRun:
    """What the task would cost; starts nothing."""
    check_whole(loaded)
    config = loaded.config
    return dry_run(_admitted(loaded, new), config, tier_table(config), price_table(config))


def _admitted(loaded: Loaded, new: NewTask) -> NewTask:
    config = loaded.config
    return Intake(tier_table(config), config.dispatch.max_task_chars, task_urls(config.webhooks)).admit(new)
