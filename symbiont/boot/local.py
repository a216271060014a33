"""One piece of work in a tree of this process's own, without a server.

Guarantees: what earlier processes have left is for a server to finish, and is not touched. Raises `DATA_DIR_LOCKED` while a server
runs. Asked to stop by a signal, it stops its call, puts the task back and raises `KeyboardInterrupt`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
import uvloop

from supervisors import Process, Runtime, application
from symbiont.adapters.system import SystemClock
from symbiont.boot.parts import Only, task_urls
from symbiont.boot.program import CLOSE_S, Symbiont
from symbiont.config import Loaded, check_whole, price_table, tier_table
from symbiont.domain.advice import advice_without_server
from symbiont.domain.errors import SymbiontError
from symbiont.domain.intake import Intake
from symbiont.domain.ledger import Entry
from symbiont.domain.moment import rfc3339
from symbiont.domain.task import NewTask
from symbiont.service import ledger_views, views
from symbiont.service.dry_run import dry_run
from symbiont.service.running import RunningService
from symbiont.telemetry import logs

T = TypeVar("T")


def run_local(loaded: Loaded, new: NewTask) -> views.TaskAnswer:
    """One task. Raises its failure. Below warnings, it logs only what the configuration asks for."""
    is_asked = loaded.provenance.get("logging.level", "default") != "default"
    _log_quietly(loaded, loaded.config.logging.level if is_asked else "warning")
    admitted = _admitted(loaded, new)

    async def run(service: RunningService) -> views.TaskAnswer:
        try:
            return await service.run_task(admitted, wait_s=loaded.config.server.wait_s)
        except SymbiontError as error:
            error.hint = advice_without_server(error.code, error.hint)
            raise

    return _done(loaded, run)


def import_local(loaded: Loaded, portions: Iterable[Sequence[Entry]], *, dry_run: bool) -> ledger_views.LedgerImported:
    """Take lines into the ledger."""
    _log_quietly(loaded, "warning")

    async def run(service: RunningService) -> ledger_views.LedgerImported:
        imported = duplicates = 0
        for portion in portions:
            done = await service.import_ledger(portion, dry_run=dry_run)
            imported += done.imported
            duplicates += done.duplicates
        return ledger_views.LedgerImported(imported, duplicates, dry_run)

    return _done(loaded, run)


def dry_run_local(loaded: Loaded, new: NewTask) -> views.DryRun:
    """What the task would cost; starts nothing."""
    check_whole(loaded)
    config = loaded.config
    return dry_run(_admitted(loaded, new), config, tier_table(config), price_table(config))


class _Local(Symbiont, Generic[T]):
    """Does its work once the tree is up, and ends."""

    def __init__(self, loaded: Loaded, work: Callable[[RunningService], Coroutine[Any, Any, T]]) -> None:
        super().__init__(loaded, with_http=False, only=Only("direct", rfc3339(SystemClock().wall())))
        self._work: Final = work
        self.job: asyncio.Task[T] | None = None
        self.is_interrupted = False

    async def start(self, runtime: Runtime) -> Process:
        root = await super().start(runtime)
        self.job = asyncio.create_task(self._work(self.service))
        self.job.add_done_callback(lambda _: self.request_stop())
        return root

    async def prep_stop(self) -> None:
        if self.job is not None and not self.job.done():
            self.is_interrupted = True
            self.job.add_done_callback(_unheard)
            self.job.cancel()
            await asyncio.wait([self.job], timeout=CLOSE_S)
        await super().prep_stop()


def _unheard(job: asyncio.Task[Any]) -> None:
    """What an interrupted job has to say; without this asyncio complains that nobody asked."""
    if not job.cancelled():
        job.exception()


def _done(loaded: Loaded, work: Callable[[RunningService], Coroutine[Any, Any, T]]) -> T:
    local = _Local(loaded, work)
    code = application.run(local, loop_factory=uvloop.new_event_loop)
    if local.job is None or local.is_interrupted:
        raise KeyboardInterrupt
    if local.job.cancelled() and code == application.GAVE_UP:
        raise SymbiontError("INTERNAL", f"the tree gave up: {local.root.exit_reason}")
    return local.job.result()


def _log_quietly(loaded: Loaded, level: str) -> None:
    logs.configure(msgspec.structs.replace(loaded.config.logging, level=level))


def _admitted(loaded: Loaded, new: NewTask) -> NewTask:
    config = loaded.config
    return Intake(tier_table(config), config.dispatch.max_task_chars, task_urls(config.webhooks)).admit(new)
