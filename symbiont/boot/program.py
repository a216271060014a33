"""A whole Symbiont as a program: from a configuration to a running tree, and back down in order.

Order of a start: data directory locked → calls left over from a killed process stopped → listening sockets opened → tree up → API
answers. What is above the tree (sockets, connections) stays while the tree restarts. Order of an end: runs stopped and settled →
tree down in reverse → connections and sockets closed → data directory free; all within `supervision.shutdown_s`, after which the
process leaves anyway, but not without the model calls: left alone, they would go on costing money.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from socket import socket
from typing import ClassVar, Final

import structlog
import uvloop
from aiohttp import web

from supervisors import SHUTDOWN, CallExit, MailboxFull, NotStarted, Process, Runtime, application, spawn
from supervisors.application import GAVE_UP, Application, stop_tree
from symbiont.actors import names
from symbiont.actors.dispatcher import Drain
from symbiont.actors.run_talk import World
from symbiont.actors.tree import Makers, tree
from symbiont.adapters.claude_cli import reap_orphans
from symbiont.adapters.data_dir import DataDir
from symbiont.adapters.ledger_files import LedgerFiles
from symbiont.boot.parts import Only, Parts, choose_worker, journals_of, owner_of, task_urls, world_of
from symbiont.config import Loaded, check_whole, data_dir
from symbiont.domain.errors import SymbiontError
from symbiont.http.actor_gate import ActorGate
from symbiont.http.app import build_app
from symbiont.http.listen import allow_files, bind, url_of
from symbiont.http.listen import serve as listen
from symbiont.service.running import RunningService
from symbiont.telemetry import logs

SPARE_TASKS: Final = 64
"""Room under the task supervisor besides requests and runs."""

CONNECTIONS_PER_REQUEST: Final = 2
"""Connections that are open at a time, by requests that are worked on at a time: some are idle."""

SPARE_FILES: Final = 512
"""Open files besides connections: journals, pipes of model calls."""

DRAIN_SHARE: Final = 0.75
"""How much of the time for an orderly end the runs may take; the rest is for what they write to."""

CLOSE_S: Final = 0.5
"""What closing connections gets even if nothing is left."""

_log = structlog.get_logger("symbiont.boot")


def our_version() -> str:
    try:
        return version("symbiont")
    except PackageNotFoundError:
        return "0+unknown"


class Symbiont(Application):
    """Everything, over one data directory. `only` restricts which tasks it runs; `url` is empty without HTTP."""

    signals: ClassVar[Sequence[signal.Signals]] = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    runtime: Runtime
    root: Process
    service: RunningService

    def __init__(self, loaded: Loaded, *, with_http: bool = True, only: Only | None = None) -> None:
        """Raises `SymbiontError` for a configuration that cannot be run."""
        check_whole(loaded)
        self.loaded: Final = loaded
        self.url = ""
        self.hard_shutdown_s = loaded.config.supervision.shutdown_s + 2 * CLOSE_S
        self._with_http = with_http
        self._only = only or Only()
        self._ends_at = 0.0  # on the loop's clock, once the end has begun
        self._above = AsyncExitStack()  # what is above the tree, the first taken given back last

    async def start(self, runtime: Runtime) -> Process:
        config = self.loaded.config
        data = DataDir.open(data_dir(config), make_parents=not config.data_dir)
        self._above.callback(data.close)
        sockets = bind(config.server.host, config.server.port) if self._with_http else []
        for sock in sockets:
            self._above.callback(sock.close)
        await _reap(owner_of(data.path))
        worker, is_available = choose_worker(self.loaded, data)
        world, journals = world_of(self.loaded, runtime, worker), journals_of(data)
        self.runtime = runtime
        self.root = await _spawn_root(world, Parts(world, journals, data, is_available, self._only).makers())
        self.service = RunningService(
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
        if sockets:
            await self._listen(data, sockets, world)
        return self.root

    async def _listen(self, data: DataDir, sockets: list[socket], world: World) -> None:
        config = self.loaded.config
        connections = CONNECTIONS_PER_REQUEST * config.server.max_in_flight
        allow_files(connections + SPARE_FILES)
        app = build_app(
            self.service,
            ActorGate(self.runtime),
            config.server,
            world.tiers,
            config.dispatch.max_task_chars,
            task_urls=task_urls(config.webhooks),
        )
        try:
            runner = await listen(app, sockets, max_connections=connections)
            self._above.push_async_callback(self._close, runner)
            self.url = url_of(sockets)
            data.write_server_info(self.url, os.getpid())
        except BaseException:
            await stop_tree(self.root, SHUTDOWN, within_s=config.supervision.shutdown_s)
            raise

    async def prep_stop(self) -> None:
        """Runs stopped and settled; the tree gets what is left of the time."""
        within_s = self.loaded.config.supervision.shutdown_s
        loop = asyncio.get_running_loop()
        self.service.is_closing = True
        self._ends_at = loop.time() + within_s
        with suppress(CallExit, MailboxFull):
            await self.runtime.named(names.DISPATCHER).call(Drain(), timeout_s=within_s * DRAIN_SHARE)
        self.shutdown_s = max(0.0, self._ends_at - loop.time())

    async def stop(self) -> None:
        await self._above.aclose()

    async def _close(self, runner: web.AppRunner) -> None:
        """Connections, in what is left of the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(self._ends_at, asyncio.get_running_loop().time() + CLOSE_S)):
                await runner.cleanup()

    def last_words(self, code: int) -> None:
        with suppress(OSError):
            reap_orphans(owner_of(data_dir(self.loaded.config)), grace_s=0.0)
        logs.flush()


@asynccontextmanager
async def running(loaded: Loaded, *, with_http: bool = True, only: Only | None = None) -> AsyncGenerator[Symbiont]:
    """A whole Symbiont inside a running loop, taken down in order at the end."""
    symbiont = Symbiont(loaded, with_http=with_http, only=only)
    async with application.running(symbiont):
        yield symbiont


async def _spawn_root(world: World, makers: Makers) -> Process:
    config = world.config
    runs_each = 1 + config.batching.max_tasks if config.batching.enabled else 1
    runs = sum(worker.slots for worker in world.workers.values()) * runs_each
    supervisor = tree(
        makers,
        max_tasks=config.server.max_in_flight + runs + config.webhooks.max_in_flight + SPARE_TASKS,
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


# The server


class _Server(Symbiont):
    async def start(self, runtime: Runtime) -> Process:
        root = await super().start(runtime)
        workers, path = ", ".join(self.service.workers), data_dir(self.loaded.config)
        logs.say(f"symbiont {our_version()} on {self.url} · worker: {workers} · data: {path}")
        gc.freeze()
        return root


def serve(loaded: Loaded) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; returns the exit code. Raises `SymbiontError` when it cannot start."""
    logs.configure(loaded.config.logging)
    server = _Server(loaded)
    code = application.run(server, loop_factory=uvloop.new_event_loop)
    if code == GAVE_UP:
        _log.critical("gave_up", reason=str(server.root.exit_reason))
    return code
