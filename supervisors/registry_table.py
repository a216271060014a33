"""The table behind a registry: who has registered what under which key. Values and processes only; no mailbox, no waiting.

Guarantees: an entry whose owner has died is never seen, whether it was reaped yet or not; reaping happens before links and
monitors hear of the death; a key whose owner is dead may be taken at once. What is left of an owner without entries is nothing
but one callback, however often it registers. Each operation is complete when it returns: nothing else runs in between.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from supervisors.errors import SupervisorsError
from supervisors.process import Process

__all__ = [
    "AlreadyRegistered",
    "Entry",
    "Keys",
    "NotRegistered",
    "NotUnique",
    "Reaper",
    "Table",
    "watch",
]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Keys(StrEnum):
    """How many processes may hold one key (Elixir's option `keys`)."""

    UNIQUE = "unique"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class AlreadyRegistered:
    """The key of a unique registry is taken by `owner`, a living process (it may be the caller itself)."""

    owner: Process


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """The caller holds no entry under the key."""


class NotUnique(SupervisorsError):
    """An operation that needs one owner for a key was asked of a registry with duplicate keys: a bug of the programmer."""

    def __init__(self, operation: str, registry: str) -> None:
        super().__init__(
            f"expected {registry} to have unique keys for {operation}, got: a registry with duplicate keys"
        )


class Entry(Generic[K, V]):
    """One registration. Compared by identity: a process may register the same value twice under a duplicate key."""

    __slots__ = ("key", "owner", "value")

    def __init__(self, key: K, owner: Process, value: V) -> None:
        self.key: Final = key
        self.owner: Final = owner
        self.value = value

    @property
    def pair(self) -> tuple[Process, V]:
        return self.owner, self.value


Shelf = dict[Entry[K, V], None]
Left = Callable[[Entry[Any, Any]], object]


class Table(Generic[K, V]):
    """All entries, by key and by owner. `left` is told of every entry that goes."""

    def __init__(self, keys: Keys, left: Left) -> None:
        self.keys: Final = keys
        self._left = left
        self._by_key: dict[K, Shelf[K, V]] = {}
        self._by_owner: dict[Process, Shelf[K, V]] = {}

    # Reading

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Entry[K, V]]:
        return (entry for shelf in self._by_key.values() for entry in shelf if entry.owner.alive)

    def under(self, key: K) -> list[Entry[K, V]]:
        """The entries of the living under `key`, oldest first."""
        return [entry for entry in self._by_key.get(key, ()) if entry.owner.alive]

    def of(self, owner: Process) -> list[Entry[K, V]]:
        """The entries of `owner`, oldest first; none when it is dead."""
        return list(self._by_owner.get(owner, ())) if owner.alive else []

    @property
    def size(self) -> int:
        """Entries kept, those of the dead included: for tests of leaks."""
        return sum(map(len, self._by_key.values()))

    # Writing

    def add(self, key: K, owner: Process, value: V) -> AlreadyRegistered | None:
        """Put an entry in, unless the key is unique and a living process has it. Of the dead nothing is in the way."""
        if self.keys is Keys.UNIQUE and key in self._by_key:
            for entry in list(self._by_key[key]):
                if entry.owner.alive:
                    return AlreadyRegistered(entry.owner)
                self.remove(entry)
        entry = Entry(key, owner, value)
        self._by_key.setdefault(key, {})[entry] = None
        self._by_owner.setdefault(owner, {})[entry] = None
        watch(owner, self)
        return None

    def remove(self, entry: Entry[K, V]) -> None:
        """Take an entry out and tell so; harmless if it is out already."""
        if _take(self._by_key, entry.key, entry):
            _take(self._by_owner, entry.owner, entry)
            self._left(entry)

    def holds(self, owner: Process) -> bool:
        return owner in self._by_owner

    def reap(self, owner: Process) -> None:
        """Forget everything of a process that has ended."""
        for entry in list(self._by_owner.get(owner, ())):
            self.remove(entry)

    def close(self) -> None:
        """The registry has ended, and its table with it; nobody is told."""
        self._by_key.clear()
        self._by_owner.clear()


T = TypeVar("T")


def _take(shelves: dict[T, Shelf[K, V]], where: T, entry: Entry[K, V]) -> bool:
    """Whether `entry` was on the shelf; an empty shelf is taken down."""
    shelf = shelves.get(where)
    if shelf is None or entry not in shelf:
        return False
    del shelf[entry]
    if not shelf:
        del shelves[where]
    return True


# Deaths of owners


class Reaper(Protocol):
    """Keeps something in the name of processes, and forgets it when they end."""

    def reap(self, owner: Process) -> None: ...


_WATCHED: WeakKeyDictionary[Process, WeakSet[Reaper]] = WeakKeyDictionary()
"""Who keeps something of a process. One callback serves them all, so that registering again and again adds none."""


def watch(owner: Process, reaper: Reaper) -> None:
    """`reaper.reap(owner)` is called when `owner` ends; being asked again is harmless."""
    reapers = _WATCHED.get(owner)
    if reapers is None:
        reapers = _WATCHED[owner] = WeakSet()
        owner.on_release(lambda: _reap(owner))
    reapers.add(reaper)


def _reap(owner: Process) -> None:
    for reaper in list(_WATCHED.pop(owner, ())):
        reaper.reap(owner)
