"""The system calls by which a journal touches the disk, one method each, so that a test can make any of them fail.

Guarantees: `sync` and `sync_data` return only when the device says the bytes are safe (on macOS that takes F_FULLFSYNC);
files are private (0600), directories too (0700). Does not retry and does not interpret errors: every method raises `OSError`.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

if sys.platform == "darwin":
    import fcntl


class FileOps:
    """The real disk."""

    def make_directory(self, path: Path) -> None:
        """Create it unless it exists; its parent must exist."""
        path.mkdir(mode=0o700, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        """What is in a directory; nothing if there is none."""
        try:
            return [entry.name for entry in path.iterdir()]
        except FileNotFoundError:
            return []

    def reader(self, path: Path) -> BinaryIO:
        return path.open("rb")

    def create(self, path: Path) -> int:
        """A descriptor on a new or emptied file that writes at its end."""
        return self._open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def append_to(self, path: Path) -> int:
        """A descriptor that writes at the end of a file, which is created if need be."""
        return self._open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, fd: int, content: memoryview) -> int:
        """How many bytes were taken, which may be fewer than were given."""
        return os.write(fd, content)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def sync_data(self, fd: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def sync(self, fd: int) -> None:
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fsync(fd)

    def sync_directory(self, path: Path) -> None:
        """Make names in the directory durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def size_here(self, path: Path, fd: int) -> int | None:
        """How large the open file is; None if `path` names another file by now, or none."""
        opened = os.fstat(fd)
        try:
            named = path.stat()
        except FileNotFoundError:
            return None
        return opened.st_size if os.path.samestat(opened, named) else None

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove it; nothing happens if it is not there."""
        path.unlink(missing_ok=True)

    def protect(self, path: Path) -> None:
        """Nobody writes to it any more, by mistake."""
        path.chmod(0o400)

    def close(self, fd: int) -> None:
        os.close(fd)

    def _open(self, path: Path, flags: int) -> int:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)
        return fd


def write_all(files: FileOps, fd: int, content: bytes) -> None:
    """Write all of it, however small the bites the system takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[files.write(fd, rest) :]


def create_synced(files: FileOps, path: Path, chunks: Iterable[bytes]) -> int:
    """Write a new file and sync it; returns its descriptor. On `OSError` nothing of it remains."""
    fd = files.create(path)
    try:
        for chunk in chunks:
            write_all(files, fd, chunk)
        files.sync(fd)
    except BaseException:
        files.close(fd)
        files.remove(path)
        raise
    return fd


def replace_file(files: FileOps, path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the content of a file so that a crash leaves the old or the new content, never a mixture."""
    beside = path.with_name(path.name + ".tmp")
    files.close(create_synced(files, beside, chunks))
    files.rename(beside, path)
    files.sync_directory(path.parent)
