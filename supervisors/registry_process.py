"""The process of a registry: it owns the table and the locks, tells the listeners, and otherwise does nothing."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

from supervisors.actor import Actor
from supervisors.errors import SupervisorsError
from supervisors.process import Process
from supervisors.registry_lock import Locks
from supervisors.registry_table import Entry, Keys, Table
from supervisors.runtime import Runtime
from supervisors.signals import Exit

__all__ = ["NoOwner", "Registered", "RegistryProcess", "UnknownRegistry", "Unregistered", "running_under"]


class UnknownRegistry(SupervisorsError):
    """No registry runs under the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"expected {name} to be the name of a running registry, got: unknown registry {name}")


class NoOwner(SupervisorsError):
    """Only a living process can hold entries."""

    def __init__(self, registry: str) -> None:
        super().__init__(f"expected an entry of {registry} to belong to a living process, got: none (give `owner=`)")


@dataclass(frozen=True, slots=True)
class Registered:
    """What listeners get in `handle_info` when an entry comes."""

    registry: str
    key: Hashable
    owner: Process
    value: object


@dataclass(frozen=True, slots=True)
class Unregistered:
    """What listeners get in `handle_info` when an entry goes, also by the death of its owner."""

    registry: str
    key: Hashable
    owner: Process


class RegistryProcess(Actor):
    """Owns a table. It does nothing; `listeners` are names of processes that hear of every entry that comes or goes
    (as far as their mailboxes have room: these are ordinary messages).
    """

    trap_exit = True

    def __init__(self, keys: Keys = Keys.UNIQUE, listeners: Sequence[str] = ()) -> None:
        self.table: Table[Any, Any] = Table(keys, self._left)
        self.listeners: Final = tuple(listeners)
        self.locks = Locks("registry")

    def init(self) -> None:
        _RUNNING[self.me] = ref(self)
        self.me.on_release(self._close)

    def handle_info(self, message: object) -> object:
        """The ends of linked owners arrive here; their entries are gone already."""
        return None if isinstance(message, Exit) else super().handle_info(message)

    def announce(self, message: Registered | Unregistered) -> None:
        for name in self.listeners:
            self.runtime.named(name).send(message)

    def _left(self, entry: Entry[Any, Any]) -> None:
        self.announce(Unregistered(self.me.label, entry.key, entry.owner))

    def _close(self) -> None:
        self.table.close()
        self.locks.close()


_RUNNING: WeakKeyDictionary[Process, ref[RegistryProcess]] = WeakKeyDictionary()


def running_under(runtime: Runtime, name: str) -> RegistryProcess:
    """The registry that holds the name now. Raises `UnknownRegistry`."""
    process = runtime.whereis(name)
    found = None if process is None else _RUNNING.get(process)
    holder = None if found is None else found()
    if holder is None:
        raise UnknownRegistry(name)
    return holder
