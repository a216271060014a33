"""One read-only snapshot of the process table. Numbers and names only, never the contents of a mailbox or a state."""

from dataclasses import dataclass

from supervisors.actor_process import ActorProcess
from supervisors.inbox import MailboxStats
from supervisors.process import Process
from supervisors.runtime import Runtime

__all__ = ["ProcessInfo", "snapshot"]


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A row of the table. `queued`, `peak`, `capacity`, `refused` describe the mailbox (0 for a task, which has none)."""

    pid: int
    label: str
    name: str | None
    parent: int | None
    state: str
    incarnation: int
    uptime_s: float
    reductions: int
    queued: int
    peak: int
    capacity: int
    refused: int


def snapshot(runtime: Runtime) -> tuple[ProcessInfo, ...]:
    """Every living process, oldest first; zombies are in `runtime.zombies`."""
    now_s = runtime.clock.monotonic()
    return tuple(_info(process, now_s) for process in runtime.processes.values())


def _info(process: Process, now_s: float) -> ProcessInfo:
    reductions, box = 0, MailboxStats(0, 0, 0, 0)
    if isinstance(process, ActorProcess):
        reductions, box = process.reductions, process.mailbox
    return ProcessInfo(
        pid=process.pid,
        label=process.label,
        name=process.name,
        parent=None if process.parent is None else process.parent.pid,
        state=process.state.value,
        incarnation=process.incarnation,
        uptime_s=now_s - process.started_s,
        reductions=reductions,
        queued=box.depth,
        peak=box.peak,
        capacity=box.capacity,
        refused=box.refused,
    )
