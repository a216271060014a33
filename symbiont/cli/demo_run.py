"""One run of the demo: a whole tree in a temporary data directory, asked over real HTTP, crashed once on purpose.

Guarantees: without `real` no model is called, whatever the configuration says; nothing outlives the run but what it printed.
Tells every failure and answers it as the exit code. Does not lay out text: `demo_text` does.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import uvloop

from supervisors import KILLED, ExitReason, Process, Runtime, Strategy
from supervisors.introspect import ProcessInfo, snapshot
from supervisors.strategy import round_of
from symbiont.actors import names
from symbiont.adapters.claude_cli import find_claude
from symbiont.adapters.claude_cli.command import INSTALL_HINT
from symbiont.boot import Symbiont, our_version, running
from symbiont.cli import address, demo_text, output
from symbiont.cli.client import Client
from symbiont.cli.demo_text import Restart, Seen
from symbiont.cli.options import SOURCE_DEFAULTS
from symbiont.cli.waiting import Patience, path_of, until_done
from symbiont.config import Loaded, tier_table
from symbiont.domain.errors import FAILED, OK, SymbiontError
from symbiont.domain.ledger import Entry, decode
from symbiont.domain.routing import wanted_tier
from symbiont.domain.task import NewTask, Status
from symbiont.domain.tier import TierTable
from symbiont.service import views
from symbiont.telemetry import logs

PATIENCE_S: Final = 300.0
RESTART_S: Final = 10.0
LAST: Final = NewTask("Extract the order number: my parcel 4711 never came.", "direct")


def tasks_for(tiers: TierTable) -> tuple[NewTask, ...]:
    """Tasks from easy to hard, direct and queued, and one whose tier the caller chooses."""
    return (
        NewTask("Classify this feedback: it arrived late, but it works.", "direct"),
        NewTask("What is the capital of Australia?", "direct"),
        NewTask("Translate into French: the meeting is on Tuesday.", "queued"),
        NewTask("Write a Python function that merges two sorted lists, with unit tests.", "direct"),
        NewTask("Bitte das Protokoll von gestern", "queued"),
        NewTask(
            "Design the architecture of a queue that survives the loss of a data centre; name trade-offs.", "queued"
        ),
        NewTask("Say hello.", "direct", force_tier=tiers.tiers[-1].name),
    )


def run(*, real: bool) -> int:
    """The demo; answers the exit code. Raises `CLI_MISSING` if models are wanted and there is no CLI."""
    with TemporaryDirectory(prefix="symbiont-demo-") as folder:
        loaded = address.loaded(SOURCE_DEFAULTS, _flags(folder, real=real))
        claude = find_claude(loaded.config.dispatch.claude_cli, os.environ.get("PATH"))
        if real and claude is None:
            message = f"expected the Claude Code CLI, got: no {loaded.config.dispatch.claude_cli}"
            raise SymbiontError("CLI_MISSING", message, hint=INSTALL_HINT)
        logs.configure(loaded.config.logging)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Demo(loaded).show("" if real else claude or ""))


def _flags(folder: str, *, real: bool) -> dict[str, object]:
    """What a demo insists on, over file and environment."""
    return {
        "data_dir": folder,
        "server.host": "127.0.0.1",
        "server.port": 0,
        "dispatch.worker": "claude" if real else "rehearsal",
        "logging.level": "warning",
    }


class _Demo:
    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._tiers = tier_table(loaded.config)
        self._failures: list[str] = []

    async def show(self, unused_claude: str) -> int:
        """The whole of it. `unused_claude`: a CLI that is there and is not going to be called."""
        async with running(self._loaded) as symbiont:
            client = Client(address.Address(symbiont.url, "the demo", chosen=True))
            worker = ", ".join(symbiont.service.workers)
            output.show_text(demo_text.opening(our_version(), symbiont.url, worker, unused_claude))
            await self._show_tasks(client)
            await self._show_totals(client)
            output.show_text(demo_text.tree(_named(symbiont.runtime)))
            await self._show_restart(symbiont, client)
        output.show_text(demo_text.closing(self._failures))
        return FAILED if self._failures else OK

    # What is shown, in order

    async def _show_tasks(self, client: Client) -> None:
        new = tasks_for(self._tiers)
        output.show_text(demo_text.tasks(await self._run(client, new)))

    async def _show_totals(self, client: Client) -> None:
        body = await asyncio.to_thread(client.get, "/ledger/stats")
        output.show_text(demo_text.totals(client.decode(body, views.LedgerStats)))

    async def _show_restart(self, symbiont: Symbiont, client: Client) -> None:
        output.show_text(demo_text.announcement(names.LEDGER))
        restart = await _restart_after_kill(symbiont.runtime, names.LEDGER)
        output.show_text(demo_text.restart(restart))
        if not restart.is_as_expected:
            self._failures.append(f"expected {', '.join(restart.expected)} to be restarted, in this order")
        output.show_text(demo_text.right_after(await self._run(client, [LAST])))

    # Tasks over HTTP

    async def _run(self, client: Client, new: Sequence[NewTask]) -> list[Seen]:
        """Submit all at a time, wait for all, and tell what became of each."""
        ids = await asyncio.gather(*(asyncio.to_thread(_submitted, client, one) for one in new))
        tasks = await asyncio.gather(*(asyncio.to_thread(_ended, client, task_id) for task_id in ids))
        body = await asyncio.to_thread(client.get, "/ledger", {"limit": 1000})
        entries = [decode(bytes(line)) for line in client.decode(body, views.LedgerPage).entries]
        self._failures += [f"{task.id} is {task.status}" for task in tasks if task.status != Status.DONE]
        return [self._seen(task, entries) for task in tasks]

    def _seen(self, task: views.TaskView, entries: Sequence[Entry]) -> Seen:
        return Seen(task, self._wanted(task), tuple(entry for entry in entries if entry.task_id == task.id))

    def _wanted(self, task: views.TaskView) -> str:
        if task.classification is None:
            return ""
        return wanted_tier(task.classification, self._tiers, self._loaded.config.routing.low_confidence)


class _Submitted(msgspec.Struct, frozen=True):
    id: str


def _submitted(client: Client, new: NewTask) -> str:
    """The id of the task. A direct one has ended by then; how, its record tells."""
    fields: Mapping[str, Any] = {"task": new.task, "force_tier": new.force_tier}
    try:
        body = client.post("/task" if new.source == "direct" else "/queue", fields, timeout_s=PATIENCE_S)
    except SymbiontError as error:
        match error.details:
            case {"id": str(task_id)}:
                return task_id
            case _:
                raise
    return msgspec.json.decode(body, type=_Submitted).id


def _ended(client: Client, task_id: str) -> views.TaskView:
    with suppress(SymbiontError):  # failed, or not finished in time: the record says which
        until_done(client, task_id, Patience(PATIENCE_S))
    return client.decode(client.get(path_of(task_id)), views.TaskView)


# The tree


def _named(runtime: Runtime) -> tuple[ProcessInfo, ...]:
    """The supervision tree without the tasks that come and go, oldest first."""
    return tuple(info for info in snapshot(runtime) if info.name is not None)


async def _restart_after_kill(runtime: Runtime, victim: str) -> Restart:
    """Kill an actor and watch its supervisor put things right."""
    before = _named(runtime)
    children = [info.name for info in before if info.name is not None and info.parent == before[0].pid]
    went_down: list[str] = []
    processes = {name: process for name in children if (process := runtime.whereis(name)) is not None}
    for name, process in processes.items():
        process.on_death(partial(_note, went_down, name))
    started_s = runtime.clock.monotonic()
    processes[victim].exit(KILLED)
    await _up_again(runtime, processes[children[-1]])
    took_s = runtime.clock.monotonic() - started_s
    expected = tuple(round_of(Strategy.REST_FOR_ONE, children, victim))
    return Restart(before, _named(runtime), tuple(went_down), expected, took_s)


def _note(went_down: list[str], name: str, _reason: ExitReason) -> None:
    went_down.append(name)


async def _up_again(runtime: Runtime, last: Process) -> None:
    """Whoever starts last is up last: when it has ended and is back, all are."""
    await last.ended(RESTART_S)
    await runtime.await_name(last.label, RESTART_S)
