"""Many copies of one child under one supervisor, and messages routed to them by key (Elixir `PartitionSupervisor`).

    spec = PartitionSupervisor.spec("buckets", bucket, partitions=8)     # bucket: a ChildSpec, or a function of the partition
    buckets = Partitions(runtime.named("buckets"))
    await buckets.via("user:42").call(Hit())                             # always the same bucket for the same key

Guarantees: a key leads to the same partition as long as their number is the same, in every run and on every machine; an address is
resolved at each send, so it follows restarts. Shrinking stops the partitions above and keeps their places, growing starts them
again: never beyond the number the supervisor was made with, as in Elixir.
Deviation: keys are integers, texts, bytes, and tuples of them, for which a hash that never changes can be given.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary, ref
from zlib import crc32

from supervisors.admin import ChildInfo, CountChildren, Counts, RestartChild, TerminateChild, WhichChildren
from supervisors.errors import BadSpec, SupervisorsError
from supervisors.exits import NOPROC, CallExit
from supervisors.flags import AutoShutdown, Flags
from supervisors.process import Process
from supervisors.ref import Address
from supervisors.runtime import Runtime
from supervisors.spawning import actor
from supervisors.spec import ChildSpec, ChildType, Restart, Start, Started
from supervisors.supervisor import Supervisor

__all__ = ["PartitionKey", "PartitionSupervisor", "Partitions", "UnknownPartitions", "partition_of"]

PartitionKey = int | str | bytes | tuple["PartitionKey", ...]
Template = ChildSpec | Callable[[int], ChildSpec]


class UnknownPartitions(SupervisorsError):
    """No partition supervisor runs under the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"expected {name} to be the name of a running partition supervisor, got: unknown name {name}")


def partition_of(key: PartitionKey, partitions: int) -> int:
    """Where `key` belongs: integers in turn (by their absolute value, as in Elixir), everything else by CRC-32."""
    if isinstance(key, int):
        return abs(key) % partitions
    return crc32(_encoded(key)) % partitions


def _encoded(key: PartitionKey) -> bytes:
    """Different keys differ here, too."""
    match key:
        case bytes():
            return b"b" + key
        case str():
            return b"s" + key.encode("utf-8", "surrogatepass")
        case int():
            return b"i%d" % key
        case tuple():
            parts = [_encoded(each) for each in key]
            return b"t" + b"".join(b"%d:%b" % (len(part), part) for part in parts)
        case _:
            raise TypeError(f"expected a key of int, str, bytes or tuples of them, got: {type(key).__name__}")


class _Slots:
    """What runs in each partition, and how many of them take messages."""

    __slots__ = ("__weakref__", "in_use", "processes", "resizing")

    def __init__(self, partitions: int) -> None:
        self.processes: list[Process | None] = [None] * partitions
        self.in_use = partitions
        self.resizing = asyncio.Lock()


class _PartitionStart:
    """Starts one partition, and notes where it went."""

    __slots__ = ("_index", "_slots", "_start")

    def __init__(self, start: Start, slots: _Slots, index: int) -> None:
        self._start, self._slots, self._index = start, slots, index

    async def __call__(self, runtime: Runtime, parent: Process) -> Process | Started | None:
        outcome = self._start(runtime, parent)
        started = await outcome if isinstance(outcome, Awaitable) else outcome
        self._slots.processes[self._index] = started.process if isinstance(started, Started) else started
        return started


class PartitionSupervisor(Supervisor):
    """A static supervisor whose children, named `0`, `1`, …, are made from `child`.

    `child` is a specification (its id gives way to the number), or a function of the partition that makes one (Elixir's
    `with_arguments`). `partitions` is by default the number of processors, as in Elixir.
    """

    def __init__(self, child: Template, *, partitions: int | None = None, flags: Flags | None = None) -> None:
        _refuse_auto_shutdown(flags)
        number = (os.cpu_count() or 1) if partitions is None else _checked(partitions)
        self._slots = _Slots(number)
        super().__init__(flags or Flags(), [self._partition(child, index) for index in range(number)])

    async def init(self) -> object:
        _RUNNING[self.me] = ref(self._slots)
        return await super().init()

    def _partition(self, child: Template, index: int) -> ChildSpec:
        spec = child if isinstance(child, ChildSpec) else _made(child, index)
        return replace(spec, id=str(index), start=_PartitionStart(spec.start, self._slots, index))

    @staticmethod
    def spec(
        name: str,
        child: Template,
        *,
        partitions: int | None = None,
        flags: Flags | None = None,
        id: str | None = None,  # noqa: A002 -- the field is called so
        restart: Restart = Restart.PERMANENT,
    ) -> ChildSpec:
        """The child to put into a tree; its id is the name unless told otherwise. Mistakes in the arguments are found here."""
        if not name:
            raise BadSpec("missing_name", "expected a partition supervisor to have a name, got: an empty one")
        make = partial(PartitionSupervisor, child, partitions=partitions, flags=flags)
        make()
        return ChildSpec(id or name, actor(make, name=name), restart, type=ChildType.SUPERVISOR)


_RUNNING: WeakKeyDictionary[Process, ref[_Slots]] = WeakKeyDictionary()


class Partitions:
    """The partition supervisor behind an address, a name or a key of a registry, wherever it leads at the moment.

    Raises `UnknownPartitions` while there is none.
    """

    __slots__ = ("_supervisor",)

    def __init__(self, supervisor: Address) -> None:
        self._supervisor: Final = supervisor

    @property
    def label(self) -> str:
        return self._supervisor.label

    @property
    def partitions(self) -> int:
        """How many take messages."""
        return self.slots().in_use

    def via(self, key: PartitionKey) -> "PartitionVia":
        """The address of the partition `key` belongs to at the moment of sending."""
        partition_of(key, 1)
        return PartitionVia(self, key)

    async def resize(self, partitions: int) -> int:
        """Use so many from now on; returns how many it was (Elixir `resize!/2`). Done when those not in use have ended, or those new are up.

        Raises `BadSpec` above the number the supervisor was made with, `CallExit` if one does not come up again.
        """
        slots = self.slots()
        _checked(partitions, len(slots.processes))
        async with slots.resizing:
            before = slots.in_use
            slots.in_use = min(before, partitions)  # no message goes to who is about to end
            for index in range(before - 1, partitions - 1, -1):
                await self._supervisor.call(TerminateChild(str(index)), timeout_s=None)
            for index in range(before, partitions):
                await self._grow(index)
                slots.in_use = index + 1
            return before

    async def _grow(self, index: int) -> None:
        request = RestartChild(str(index))
        await self._supervisor.call(request, timeout_s=None)
        process = self.slots().processes[index]
        if process is None or not process.alive:
            raise CallExit(NOPROC, f"{self.label}[{index}]", request)

    async def which_children(self) -> tuple[ChildInfo, ...]:
        """All partitions, those not in use included."""
        self.slots()
        return await self._supervisor.call(WhichChildren())

    async def count_children(self) -> Counts:
        self.slots()
        return await self._supervisor.call(CountChildren())

    def slots(self) -> _Slots:
        """For addresses: what is where."""
        process = self._supervisor.target()
        found = _RUNNING.get(process) if isinstance(process, Process) else None
        slots = None if found is None else found()
        if slots is None:
            raise UnknownPartitions(self.label)
        return slots


class PartitionVia(Address):
    """A key as an address."""

    __slots__ = ("_key", "_partitions")

    def __init__(self, partitions: Partitions, key: PartitionKey) -> None:
        self._partitions = partitions
        self._key = key

    def target(self) -> Process | None:
        try:
            slots = self._partitions.slots()
        except UnknownPartitions:
            return None
        process = slots.processes[partition_of(self._key, slots.in_use)]
        return process if process is not None and process.alive else None

    @property
    def label(self) -> str:
        return f"{self._partitions.label}:{self._key!r}"


def _checked(partitions: int, most: int | None = None) -> int:
    if type(partitions) is not int or partitions < 1:
        raise BadSpec("invalid_partitions", f"expected partitions to be a positive integer, got: {partitions!r}")
    if most is not None and partitions > most:
        text = f"expected partitions to be at most {most}, which the supervisor was made with, got: {partitions}"
        raise BadSpec("invalid_partitions", text)
    return partitions


def _made(child: object, index: int) -> ChildSpec:
    made: object = child(index) if callable(child) else child
    if not isinstance(made, ChildSpec):
        raise BadSpec("invalid_child_spec", f"expected a ChildSpec or a function of the partition, got: {made!r}")
    return made


def _refuse_auto_shutdown(flags: Flags | None) -> None:
    """A partition that ends by itself must not take the others along: keys would lead nowhere."""
    if flags is not None and flags.auto_shutdown is not AutoShutdown.NEVER:
        text = f"expected auto_shutdown of a partition supervisor to be never, got: {flags.auto_shutdown}"
        raise BadSpec("invalid_auto_shutdown", text)
