"""A registry: processes under keys of any kind, unique like names or shared like topics (Elixir `Registry`).

    REGISTRY = Registry[str, int].spec("accounts")           # a child specification, first in its tree

    class Account(Actor):
        def init(self) -> object:
            taken = accounts.register(self.iban, 0)           # accounts = Registry[str, int](self.runtime, "accounts")
            return None if taken is None else Stop(Custom(taken))

    await accounts.via("GB33…").call(Balance())               # whoever holds the key at the moment

Reads and writes are plain method calls in the caller's own step, never through a mailbox (Elixir: ETS). The process of the registry
owns the table, which ends with it; it is linked to every owner of an entry, so owners end with it, too, unless they trap exits.
Guarantees: see `registry_table` (entries and deaths) and `registry_lock` (locks).
Deviations: predicates and projections stand in for match specifications; a process registers itself in its `init`, where Elixir's
`{:via, …}` as a name does it for the process; no partitions and no parallel dispatch, for there is but one thread to share; keys are
equal as in Python, so 1 and 1.0 are one key.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Generic, TypeVar

from supervisors.process import Process
from supervisors.ref import Address
from supervisors.registry_lock import LockHeld
from supervisors.registry_process import (
    NoOwner,
    Registered,
    RegistryProcess,
    UnknownRegistry,
    Unregistered,
    running_under,
)
from supervisors.registry_table import AlreadyRegistered, Entry, Keys, NotRegistered, NotUnique, Table
from supervisors.runtime import Runtime
from supervisors.signals import current_process
from supervisors.spawning import actor
from supervisors.spec import ChildSpec, Restart

__all__ = [
    "AlreadyRegistered",
    "Entry",
    "Keys",
    "LockHeld",
    "NoOwner",
    "NotRegistered",
    "NotUnique",
    "Registered",
    "Registry",
    "RegistryProcess",
    "UnknownRegistry",
    "Unregistered",
    "Via",
]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class Registry(Generic[K, V]):
    """The registry under `name`, wherever it leads at the moment. Raises `UnknownRegistry` while none is running."""

    __slots__ = ("_runtime", "name")

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._runtime = runtime
        self.name: Final = name

    @classmethod
    def spec(
        cls,
        name: str,
        keys: Keys = Keys.UNIQUE,
        *,
        listeners: Sequence[str] = (),
        id: str | None = None,  # noqa: A002 -- the field is called so
        restart: Restart = Restart.PERMANENT,
    ) -> ChildSpec:
        """The child to put before everybody who uses it."""
        return ChildSpec(id or name, actor(partial(RegistryProcess, keys, listeners), name=name), restart)

    # Writing, in the name of the process whose code is running

    def register(self, key: K, value: V, *, owner: Process | None = None) -> AlreadyRegistered | None:
        """None when registered. Under a unique key there is one owner at a time; the same may not register twice either."""
        holder, owner = self._holder(), self._owner(owner)
        taken = holder.table.add(key, owner, value)
        if taken is None:
            holder.me.link(owner)
            holder.announce(Registered(self.name, key, owner, value))
        return taken

    def unregister(self, key: K, *, owner: Process | None = None) -> None:
        """Take all entries of the caller under `key` out; none is fine."""
        self.unregister_match(key, _always, owner=owner)

    def unregister_match(self, key: K, where: Callable[[V], bool], *, owner: Process | None = None) -> None:
        """Take those entries of the caller under `key` out whose value satisfies `where`."""
        holder, owner = self._holder(), self._owner(owner)
        table = holder.table
        for entry in [entry for entry in table.under(key) if entry.owner is owner and where(entry.value)]:
            table.remove(entry)
        if not table.holds(owner) and owner is not holder.me.parent:
            holder.me.unlink(owner)

    def update_value(
        self, key: K, change: Callable[[V], V], *, owner: Process | None = None
    ) -> tuple[V, V] | NotRegistered:
        """The new and the old value of the caller's entry. Unique keys only."""
        table = self._unique("update_value").table
        owner = self._owner(owner)
        entry = next((entry for entry in table.under(key) if entry.owner is owner), None)
        if entry is None:
            return NotRegistered()
        old: V = entry.value
        entry.value = change(old)
        return entry.value, old

    # Reading

    def lookup(self, key: K) -> list[tuple[Process, V]]:
        """Who is registered under `key`, and with what, oldest first."""
        return [entry.pair for entry in self._table().under(key)]

    def whereis(self, key: K) -> Process | None:
        """The owner of a unique key."""
        entries = self._unique("whereis").table.under(key)
        return entries[0].owner if entries else None

    def keys(self, owner: Process) -> list[K]:
        """The keys of `owner`, as often as it has registered them, oldest first."""
        return [entry.key for entry in self._table().of(owner)]

    def values(self, key: K, owner: Process) -> list[V]:
        """The values of `owner` under `key`."""
        return [entry.value for entry in self._table().under(key) if entry.owner is owner]

    def count(self) -> int:
        """Entries of living processes."""
        return len(self._table())

    def match(self, key: K, where: Callable[[V], bool]) -> list[tuple[Process, V]]:
        """`lookup`, restricted to values that satisfy `where`."""
        return [entry.pair for entry in self._table().under(key) if where(entry.value)]

    def count_match(self, key: K, where: Callable[[V], bool]) -> int:
        return len(self.match(key, where))

    def select(self, where: Callable[[Entry[K, V]], bool], project: Callable[[Entry[K, V]], T]) -> list[T]:
        """`project` of every entry, under any key, that satisfies `where`."""
        return [project(entry) for entry in list(self._table()) if where(entry)]

    def count_select(self, where: Callable[[Entry[K, V]], bool]) -> int:
        return sum(1 for entry in list(self._table()) if where(entry))

    # Using

    def dispatch(self, key: K, action: Callable[[list[tuple[Process, V]]], object]) -> None:
        """Call `action` once with all entries under `key`, in the caller; not at all if there is none. What it raises is the caller's."""
        entries = self.lookup(key)
        if entries:
            action(entries)

    def via(self, key: K) -> "Via":
        """The address of whoever holds the unique key at the moment of sending."""
        self._unique("via")
        return Via(self, key)

    @asynccontextmanager
    async def locked(self, key: Hashable) -> AsyncGenerator[None]:
        """`async with registry.locked("deploy"):` runs by one process at a time. Raises `LockHeld` in the holder itself."""
        locks = self._holder().locks
        turn = await locks.take(key, current_process(), asyncio.get_running_loop())
        try:
            yield
        finally:
            locks.release(key, turn)

    # Finding

    def _holder(self) -> RegistryProcess:
        return running_under(self._runtime, self.name)

    def _table(self) -> Table[K, V]:
        return self._holder().table

    def _unique(self, operation: str) -> RegistryProcess:
        holder = self._holder()
        if holder.table.keys is not Keys.UNIQUE:
            raise NotUnique(operation, self.name)
        return holder

    def _owner(self, owner: Process | None) -> Process:
        owner = owner if owner is not None else current_process()
        if owner is None or not owner.alive:
            raise NoOwner(self.name)
        return owner


class Via(Address):
    """A key of a registry as an address. Without a registry there is nobody, as behind a name that is free."""

    __slots__ = ("_key", "_registry")

    def __init__(self, registry: Registry[Any, Any], key: Hashable) -> None:
        self._registry = registry
        self._key = key

    def target(self) -> Process | None:
        try:
            return self._registry.whereis(self._key)
        except UnknownRegistry:
            return None

    @property
    def label(self) -> str:
        return f"{self._registry.name}:{self._key}"


def _always(_value: object) -> bool:
    return True
