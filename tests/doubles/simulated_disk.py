"""A disk in memory that can lose power before any call, and then shows one of the states a real disk may be in.

What is kept of a power cut: synced content and synced names, always; of the rest any content there was since, or a part of
what was added to it, with unwritten sectors as zeros; and any prefix of the unsynced changes of names. A killed process loses nothing: `survivor(rng=None)`.
"""

import io
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from symbiont.adapters.file_ops import FileOps

SECTOR = 64


class PowerCut(BaseException):
    """No error a program can handle: nothing runs after it."""


@dataclass
class Inode:
    """`since_sync` are the contents that were asked for since the last sync, the synced one first, the latest last."""

    since_sync: list[bytes] = field(default_factory=lambda: [b""])

    @property
    def content(self) -> bytes:
        return self.since_sync[-1]

    @content.setter
    def content(self, content: bytes) -> None:
        self.since_sync.append(content)

    def sync(self) -> None:
        self.since_sync = [self.content]

    def after_power_cut(self, rng: random.Random) -> bytes:
        content, kept = rng.choice(self.since_sync), len(self.since_sync[0])
        fate = rng.choice(["all", "prefix", "holes"])
        if fate == "all" or len(content) <= kept:
            return content
        if fate == "prefix":
            return content[: rng.randint(kept, len(content))]
        holes = bytearray(content)
        for start in range(kept - kept % SECTOR, len(holes), SECTOR):
            if rng.random() < 0.5:
                first = max(start, kept)
                holes[first : start + SECTOR] = bytes(len(holes[first : start + SECTOR]))
        return bytes(holes)


Names = dict[Path, Inode]


class SimulatedDisk(FileOps):
    """Raises `PowerCut` from call number `cut_at` on (0 = never). `short_writes` takes at most so many bytes a call."""

    def __init__(self, *, cut_at: int = 0, short_writes: int = 10**9) -> None:
        self.calls = 0
        self._cut_at = cut_at
        self._short_writes = short_writes
        self._names: Names = {}
        self._history: list[Names] = [{}]
        self._descriptors: dict[int, Inode] = {}
        self._next_fd = 3

    def survivor(self, rng: random.Random | None, *, cut_at: int = 0) -> "SimulatedDisk":
        """The disk as the next process finds it, after a power cut or (None) after a kill."""
        disk = SimulatedDisk(cut_at=cut_at)
        names = self._names if rng is None else rng.choice(self._history)
        for path, inode in names.items():
            content = inode.content if rng is None else inode.after_power_cut(rng)
            disk._names[path] = Inode([content])
        disk._history = [dict(disk._names)]
        return disk

    def content(self, path: Path) -> bytes:
        return self._names[path].content

    def make_directory(self, path: Path) -> None:
        self._enter()

    def names(self, path: Path) -> list[str]:
        self._enter()
        return [name.name for name in self._names if name.parent == path]

    def protect(self, path: Path) -> None:
        self._enter()

    def reader(self, path: Path) -> BinaryIO:
        self._enter()
        if path not in self._names:
            raise FileNotFoundError(path)
        return io.BytesIO(self._names[path].content)

    def create(self, path: Path) -> int:
        self._enter()
        self._link(path, Inode())
        return self._descriptor(path)

    def append_to(self, path: Path) -> int:
        self._enter()
        if path not in self._names:
            self._link(path, Inode())
        return self._descriptor(path)

    def write(self, fd: int, content: memoryview) -> int:
        self._enter()
        taken = bytes(content[: self._short_writes])
        self._descriptors[fd].content += taken
        return len(taken)

    def truncate(self, fd: int, length: int) -> None:
        self._enter()
        self._descriptors[fd].content = self._descriptors[fd].content[:length]

    def sync_data(self, fd: int) -> None:
        self._enter()
        self._descriptors[fd].sync()

    def sync(self, fd: int) -> None:
        self.sync_data(fd)

    def sync_directory(self, path: Path) -> None:
        self._enter()
        self._history = [dict(self._names)]

    def size_here(self, path: Path, fd: int) -> int | None:
        """No step of its own: it changes nothing, and how often it is asked is a matter of time."""
        inode = self._descriptors[fd]
        return len(inode.content) if self._names.get(path) is inode else None

    def rename(self, source: Path, target: Path) -> None:
        self._enter()
        self._link(target, self._names.pop(source))

    def remove(self, path: Path) -> None:
        self._enter()
        if self._names.pop(path, None) is not None:
            self._history.append(dict(self._names))

    def close(self, fd: int) -> None:
        self._enter()
        del self._descriptors[fd]

    def _enter(self) -> None:
        self.calls += 1
        if 0 < self._cut_at <= self.calls:
            raise PowerCut

    def _link(self, path: Path, inode: Inode) -> None:
        self._names[path] = inode
        self._history.append(dict(self._names))

    def _descriptor(self, path: Path) -> int:
        self._next_fd += 1
        self._descriptors[self._next_fd] = self._names[path]
        return self._next_fd
