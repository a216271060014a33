"""The real disk, with failures on order. For tests of what a journal does when a system call fails."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from symbiont.adapters.file_ops import FileOps


class FaultyFiles(FileOps):
    """Counts every call; `before` may raise, `bite` limits how many bytes a write takes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bite: int | None = None
        self._faults: dict[str, list[OSError]] = {}
        self._gate: threading.Event | None = None
        self.entered_sync = threading.Event()
        self.before: Callable[[int, str], None] = lambda _number, _name: None

    def fail(self, name: str, code: int, *, times: int = 1) -> None:
        """Let the next calls of the method `name` fail with this errno."""
        self._faults.setdefault(name, []).extend(OSError(code, f"injected {os.strerror(code)}") for _ in range(times))

    def hold_syncs(self) -> threading.Event:
        """Let `sync_data` wait until the returned event is set; `entered_sync` tells that it does."""
        self.entered_sync.clear()
        self._gate = threading.Event()
        return self._gate

    def make_directory(self, path: Path) -> None:
        self._enter("make_directory")
        super().make_directory(path)

    def names(self, path: Path) -> list[str]:
        self._enter("names")
        return super().names(path)

    def protect(self, path: Path) -> None:
        self._enter("protect")
        super().protect(path)

    def reader(self, path: Path) -> BinaryIO:
        self._enter("reader")
        return super().reader(path)

    def create(self, path: Path) -> int:
        self._enter("create")
        return super().create(path)

    def append_to(self, path: Path) -> int:
        self._enter("append_to")
        return super().append_to(path)

    def write(self, fd: int, content: memoryview) -> int:
        self._enter("write")
        return super().write(fd, content[: self.bite])

    def truncate(self, fd: int, length: int) -> None:
        self._enter("truncate")
        super().truncate(fd, length)

    def sync_data(self, fd: int) -> None:
        self.entered_sync.set()
        if self._gate is not None:
            self._gate.wait()
        self._enter("sync_data")
        super().sync_data(fd)

    def sync(self, fd: int) -> None:
        self._enter("sync")
        super().sync(fd)

    def sync_directory(self, path: Path) -> None:
        self._enter("sync_directory")
        super().sync_directory(path)

    def size_here(self, path: Path, fd: int) -> int | None:
        self._enter("size_here")
        return super().size_here(path, fd)

    def rename(self, source: Path, target: Path) -> None:
        self._enter("rename")
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._enter("remove")
        super().remove(path)

    def _enter(self, name: str) -> None:
        self.calls.append(name)
        self.before(len(self.calls), name)
        if self._faults.get(name):
            raise self._faults[name].pop(0)
