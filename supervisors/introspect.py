"""Read-only snapshots of everything: figures and names only, never the contents of a mailbox, of a message or of a state.

`snapshot` is the process table, `overview` all there is to know: the supervision tree, who waits for whom, zombies, and how late
the loop is. Guarantees: nothing is changed, nobody is asked, so it works on a system that hangs; its cost is that of the table.

What a supervisor tells of itself it tells by two attributes of its instance, both optional: `restarts() -> (how many count now, how
many may)`, and `awaits`, the child whose end it waits for.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from supervisors.callbacks import CallbackProcess
from supervisors.exits import bounded_text
from supervisors.inbox import Item, MailProcess
from supervisors.process import Process
from supervisors.ref import UNANSWERED, From
from supervisors.runtime import Runtime
from supervisors.signals import RUNNING

__all__ = ["Budget", "Lag", "LastExit", "Node", "Overview", "ProcessInfo", "Wait", "Watches", "overview", "snapshot"]

Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Budget:
    """Of a supervisor: so many restarts count at the moment, so many may."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class LastExit:
    """How the last life of a name ended, and how long ago."""

    reason: str
    incarnation: int
    ago_s: float


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A row of the table. `queued`, `peak`, `capacity`, `refused` describe the mailbox (0 for a task, which has none).

    `state` is that of the process, or `suspended`, or `zombie`. `working_on` is the callback that waits and the type of its
    message, for `working_s` by now; `busy_s` is the time the loop has spent on it.
    """

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
    runs: str = ""
    busy_s: float = 0.0
    working_on: str = ""
    working_s: float = 0.0
    restarts: Budget | None = None
    last_exit: LastExit | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A process and those it started that are alive, oldest first."""

    info: ProcessInfo
    children: "tuple[Node, ...]" = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """An edge of the wait-for graph: `waiting` has called `awaited` and has no answer yet, or (`request` empty) awaits its end.

    `is_deadlock`: it is part of a ring, so this never ends by itself.
    """

    waiting: int
    awaited: int
    request: str
    is_deadlock: bool = False


class Lag(Protocol):
    """How late the loop came round, lately."""

    @property
    def samples(self) -> int: ...
    @property
    def p50_s(self) -> float: ...
    @property
    def p99_s(self) -> float: ...
    @property
    def max_s(self) -> float: ...


class Watches(Protocol):
    """A watchdog of the loop."""

    def lag(self) -> Lag: ...


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment. `roots` are processes without a living parent; `last_exits` is by name, the living ones' too."""

    at_s: float
    processes: tuple[ProcessInfo, ...]
    roots: tuple[Node, ...]
    waits: tuple[Wait, ...]
    zombies: tuple[ProcessInfo, ...]
    last_exits: dict[str, LastExit]
    reports_lost: int
    lag: Lag | None

    @property
    def deadlocks(self) -> tuple[Wait, ...]:
        return tuple(wait for wait in self.waits if wait.is_deadlock)


def snapshot(runtime: Runtime) -> tuple[ProcessInfo, ...]:
    """Every living process, oldest first; zombies are in `runtime.zombies`."""
    now_s = runtime.clock.monotonic()
    return tuple(_info(process, now_s) for process in runtime.processes.values())


def overview(runtime: Runtime, *, watchdog: Watches | None = None) -> Overview:
    """All of it. `watchdog` tells how late the loop is."""
    now_s = runtime.clock.monotonic()
    processes = snapshot(runtime)
    return Overview(
        at_s=now_s,
        processes=processes,
        roots=_roots(processes),
        waits=_waits(runtime.processes.values()),
        zombies=tuple(replace(_info(each, now_s), state="zombie") for each in runtime.zombies.values()),
        last_exits={name: _last_exit(runtime, name, now_s) for name in runtime.last_exits},
        reports_lost=runtime.reports_lost,
        lag=None if watchdog is None else watchdog.lag(),
    )


# One process


def _info(process: Process, now_s: float) -> ProcessInfo:
    runtime, name = process.runtime, process.name
    info = ProcessInfo(
        pid=process.pid,
        label=process.label,
        name=name,
        parent=None if process.parent is None else process.parent.pid,
        state=process.state.value,
        incarnation=process.incarnation,
        uptime_s=now_s - process.started_s,
        reductions=0,
        queued=0,
        peak=0,
        capacity=0,
        refused=0,
        last_exit=_last_exit(runtime, name, now_s) if name is not None and name in runtime.last_exits else None,
    )
    if isinstance(process, MailProcess):
        box = process.mailbox
        info = replace(info, queued=box.depth, peak=box.peak, capacity=box.capacity, refused=box.refused)
        info = replace(info, busy_s=process.busy_s)
    return _with_callbacks(info, process, now_s) if isinstance(process, CallbackProcess) else info


def _with_callbacks(info: ProcessInfo, process: CallbackProcess, now_s: float) -> ProcessInfo:
    item = process.under_way
    return replace(
        info,
        state="suspended" if process.is_suspended and process.state is RUNNING else info.state,
        reductions=process.reductions,
        runs=type(process.instance).__qualname__,
        working_on="" if item is None else _named(item),
        working_s=0.0 if item is None else now_s - process.since_s,
        restarts=_budget(process.instance),
    )


def _named(item: Item) -> str:
    if isinstance(item, From):
        return f"handle_call {type(item.request).__name__}"
    kind, message = item
    return kind.value if message is None else f"{kind.value} {type(message).__name__}"


@runtime_checkable
class _Restarts(Protocol):
    def restarts(self) -> tuple[int, int]: ...


def _budget(instance: object) -> Budget | None:
    return Budget(*instance.restarts()) if isinstance(instance, _Restarts) else None


def _last_exit(runtime: Runtime, name: str, now_s: float) -> LastExit:
    reason, incarnation, at_s = runtime.last_exits[name]
    return LastExit(bounded_text(reason.__str__), incarnation, now_s - at_s)


# All of them


def _roots(processes: tuple[ProcessInfo, ...]) -> tuple[Node, ...]:
    """Whoever starts another is older, so from the youngest to the oldest all children are known before their parent."""
    alive = {info.pid for info in processes}
    children: dict[int | None, list[Node]] = {}
    for info in sorted(processes, key=lambda info: -info.pid):
        node = Node(info, tuple(reversed(children.pop(info.pid, ()))))
        children.setdefault(info.parent if info.parent in alive else None, []).append(node)
    return tuple(reversed(children.get(None, ())))


def _waits(processes: Iterable[Process]) -> tuple[Wait, ...]:
    waits = [wait for process in processes for wait in _waits_of(process)]
    edges = [(wait.waiting, wait.awaited) for wait in waits]
    rings = _flipped(_peeled(_flipped(_peeled(edges))))
    return tuple(replace(wait, is_deadlock=(wait.waiting, wait.awaited) in rings) for wait in waits)


def _waits_of(process: Process) -> list[Wait]:
    found: list[Wait] = []
    call = process.waits_for
    if call is not None and call.answer is UNANSWERED:
        found.append(Wait(process.pid, call.server.pid, type(call.request).__name__))
    child = getattr(process.instance, "awaits", None) if isinstance(process, CallbackProcess) else None
    if isinstance(child, Process):
        found.append(Wait(process.pid, child.pid, ""))
    return found


def _flipped(edges: Iterable[Edge]) -> set[Edge]:
    return {(end, start) for start, end in edges}


def _peeled(edges: Iterable[Edge]) -> set[Edge]:
    """Without those that lead to somebody who waits for nobody, directly or through others; peeled both ways, rings remain."""
    edges = set(edges)
    waits_for = Counter(start for start, _ in edges)
    waiting: dict[int, list[int]] = {}
    for start, end in edges:
        waiting.setdefault(end, []).append(start)
    free = [pid for pid in waiting if not waits_for[pid]]
    gone: set[int] = set()
    while free:
        pid = free.pop()
        gone.add(pid)
        for each in waiting.get(pid, ()):
            waits_for[each] -= 1
            if not waits_for[each]:
                free.append(each)
    return {edge for edge in edges if gone.isdisjoint(edge)}
