"""The data directory: one process at a time, private, and the names of everything in it.

Guarantees: while a `DataDir` is open no other process opens the same one (flock; the kernel frees it however the process
ends); directories it makes are 0700, files 0600 (a directory that was there keeps its mode); `server.json` is replaced atomically. Does not read or write the journals.
Every call blocks on the disk, most of them for microseconds; `open` and `write_server_info` sync.
"""

import asyncio
import errno
import fcntl
import os
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from symbiont.adapters.file_ops import FileOps, replace_file
from symbiont.domain.errors import SymbiontError


class ServerInfo(msgspec.Struct, frozen=True):
    """Where a running server listens (`http://127.0.0.1:41237`), and its process."""

    url: str
    pid: int


class _Holder(msgspec.Struct, frozen=True):
    """Who holds the lock; written into the lock file for the error text of the others."""

    pid: int
    started_at: str


class DataDir:
    """An open data directory. Make one with `DataDir.open`."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self.ledger = path / "ledger.jsonl"
        self.queue = path / "queue.jsonl"
        self.heartbeat = path / "heartbeat.jsonl"
        self.limits = path / "limits.jsonl"
        self.switches = path / "switches.jsonl"
        self.budgets = path / "budgets.jsonl"
        self.schedules = path / "schedules.jsonl"
        self.webhooks = path / "webhooks.jsonl"
        self.cli_cwd = path / "cli"
        self._lock_fd = lock_fd
        self._files = FileOps()

    @classmethod
    def open(cls, path: Path, *, make_parents: bool = False, wall: Callable[[], float] = time.time) -> "DataDir":
        """Create it if need be and take its lock.

        `make_parents` creates missing parents too: right for the platform's default place, wrong for one that somebody
        typed. `wall` (epoch seconds) dates the lock. Raises `SymbiontError`: `DATA_DIR_LOCKED` when another process has
        it, `CONFIG_INVALID` when `path` cannot be a data directory.
        """
        path = path.absolute()
        try:
            _make_private(path, make_parents=make_parents)
            _make_private(path / "cli", make_parents=False)
            lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            _lock(path, lock_fd)
            _sign(lock_fd, wall())
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(path, lock_fd)

    async def free_bytes(self) -> int:
        """Bytes that this process may still write here. Raises `OSError`. A disk that hangs holds up a thread alone."""
        state = await asyncio.to_thread(os.statvfs, self.path)
        return state.f_bavail * state.f_frsize

    def write_server_info(self, url: str, pid: int) -> None:
        """Tell command-line clients where the server listens. Raises `OSError`."""
        content = msgspec.json.encode(ServerInfo(url, pid)) + b"\n"
        replace_file(self._files, _server_file(self.path), [content])

    def close(self) -> None:
        """Withdraw `server.json` and release the lock. Closing twice does nothing."""
        if self._lock_fd < 0:
            return
        lock_fd, self._lock_fd = self._lock_fd, -1
        try:
            self._files.remove(_server_file(self.path))
        finally:
            # the lock file stays: removing it would let two processes lock two files of the same name
            os.close(lock_fd)


def read_server_info(path: Path) -> ServerInfo | None:
    """What the server of the data directory `path` wrote; None if there is nothing readable.

    Needs no lock. After a kill the last words of a dead server are still there: whether it answers, only a request tells.
    """
    try:
        return msgspec.json.decode(_server_file(path).read_bytes(), type=ServerInfo)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _server_file(path: Path) -> Path:
    return path / "server.json"


def _make_private(path: Path, *, make_parents: bool) -> None:
    if path.is_dir():
        return
    if make_parents:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = FileOps()
    files.make_directory(path)
    with suppress(PermissionError):  # one may be allowed to enter a directory but not to open it
        files.sync_directory(path.parent)


def _lock(path: Path, lock_fd: int) -> None:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _locked(path, _holder(lock_fd)) from error
    except OSError as error:
        raise _unusable(path, error) from error


def _sign(lock_fd: int, now: float) -> None:
    started_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with suppress(OSError):  # on a full disk the lock holds all the same; only the name of its holder is lost
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, msgspec.json.encode(_Holder(os.getpid(), started_at)) + b"\n", 0)


def _holder(lock_fd: int) -> _Holder | None:
    try:
        return msgspec.json.decode(os.pread(lock_fd, 4096, 0), type=_Holder)
    except msgspec.DecodeError:
        return None  # between taking the lock and signing it


def _locked(path: Path, holder: _Holder | None) -> SymbiontError:
    who = f"process {holder.pid}, started {holder.started_at}" if holder else "a process that has just started"
    return SymbiontError(
        "DATA_DIR_LOCKED",
        f"expected data_dir to be used by one process, got: {path} is held by {who}",
        hint="stop that process, or give this one a directory of its own: SYMBIONT_DATA_DIR=…",
        details={"data_dir": str(path), "pid": holder.pid if holder else None},
    )


def _unusable(path: Path, error: OSError) -> SymbiontError:
    expected, hint = _EXPECTED.get(error.errno or 0, ("usable", _ELSEWHERE))
    if error.errno == errno.ENOENT and path.parent.is_dir():  # as in /proc, where nobody can make anything
        expected, hint = "a place where a directory can be made", _ELSEWHERE
    return SymbiontError(
        "CONFIG_INVALID",
        f"expected data_dir to be {expected}, got: {path} ({error.strerror})",
        hint=hint.format(path=shlex.quote(str(path)), parent=shlex.quote(str(path.parent))),
        details={"data_dir": str(path)},
    )


_ELSEWHERE = "set SYMBIONT_DATA_DIR to a directory on a local disk"
_EXPECTED: dict[int, tuple[str, str]] = {
    errno.EEXIST: ("a directory", "set SYMBIONT_DATA_DIR to a directory"),
    errno.ENOTDIR: ("a directory", "set SYMBIONT_DATA_DIR to a path without a file in it"),
    errno.ENOENT: ("inside an existing directory", "mkdir -p {parent}"),
    errno.EACCES: ("writable", 'chown -R "$(id -un)" {path}, or set SYMBIONT_DATA_DIR'),
    errno.EPERM: ("writable", 'chown -R "$(id -un)" {path}, or set SYMBIONT_DATA_DIR'),
    errno.EROFS: ("writable", "set SYMBIONT_DATA_DIR to a directory on a writable disk"),
    errno.ENOSPC: ("on a disk with free space", "df -h {parent}"),
}
