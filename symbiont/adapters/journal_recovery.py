"""Brings a journal file back after any kind of stop.

Guarantees: every acknowledged record is kept, byte for byte; a torn tail is put aside before it is cut, and nothing is cut
in place; what `recover` returns is durable. Raises `SymbiontError("DATA_CORRUPT")` for damage no crash can explain (a broken
chain too) and `OSError` when the disk refuses. Does not repair such damage.

Why a copy after every unclean stop: after a failed sync the page cache shows records that never reached the disk, and the
next sync of the same pages "succeeds". Only bytes written once more, to another file, are known to be there. A journal
closed in order leaves a marker with its length beside it, and needs no copy.
"""

import errno
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from symbiont.adapters.file_ops import FileOps, create_synced, replace_file
from symbiont.adapters.journal_format import Absorb, Position, Scan, scan
from symbiont.ports import Fold, Opened

_CHUNK_BYTES = 1 << 20
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Clean(msgspec.Struct, frozen=True):
    """The marker of an orderly close: the length of the file at that moment."""

    length: int


class Recovered(NamedTuple):
    """An open file: its descriptor (writing at the end), its durable length, where it goes on, and what came of opening it."""

    fd: int
    length: int
    position: Position
    opened: Opened


def recover(files: FileOps, path: Path, *, chained: bool, fold: Fold) -> Recovered:
    """Open the journal file `path` and feed its lines to `fold`; it and its directory are created if need be (the directory's parent must exist)."""
    _prepare_directory(files, path)
    clean_length = _take_marker(files, path)
    found = _scan_file(files, path, chained=chained, absorb=fold.absorb)
    aside = _put_aside(files, path, found) if found.is_torn else None
    if found.is_torn or clean_length != found.size:
        _copy_valid_part(files, path, found)
    fd = files.append_to(path)
    try:
        files.sync_directory(path.parent)
    except OSError:
        files.close(fd)
        raise
    torn_bytes = found.size - found.valid_length
    return Recovered(fd, found.valid_length, found.position, Opened(found.position.seq, torn_bytes, str(aside or "")))


def mark_clean(files: FileOps, path: Path, length: int) -> None:
    """Note that the file was closed in order. Failing is harmless: the next open copies, which is the safe side."""
    with suppress(OSError):
        replace_file(files, _marker(path), [msgspec.json.encode(_Clean(length))])


def _prepare_directory(files: FileOps, path: Path) -> None:
    files.make_directory(path.parent)
    # also when it was there: the crash may have come between making it and making its name durable
    with suppress(PermissionError):  # one may be allowed to enter a directory but not to open it
        files.sync_directory(path.parent.parent)
    files.remove(path.with_name(path.name + ".tmp"))


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".clean")


def _take_marker(files: FileOps, path: Path) -> int | None:
    """The length noted at the last close. The marker is removed; `recover` syncs that before anything is written."""
    try:
        with files.reader(_marker(path)) as file:
            length = msgspec.json.decode(file.read(), type=_Clean).length
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    files.remove(_marker(path))
    return length


def _scan_file(files: FileOps, path: Path, *, chained: bool, absorb: Absorb) -> Scan:
    try:
        with files.reader(path) as file:
            return scan(file, name=str(path), chained=chained, absorb=absorb)
    except FileNotFoundError:
        return scan((), name=str(path), chained=chained, absorb=absorb)


def _put_aside(files: FileOps, path: Path, found: Scan) -> Path:
    """Keep the torn bytes in a file of their own; one of an earlier accident at the same place is left alone."""
    torn = b"".join(_chunks(files, path, found.valid_length, found.size))
    aside = next(name for name in _aside_names(path, found.valid_length) if torn.startswith(_read(files, name)))
    files.close(create_synced(files, aside, [torn]))
    files.sync_directory(path.parent)
    return aside


def _aside_names(path: Path, offset: int) -> Iterator[Path]:
    yield path.with_name(f"{path.name}.{offset}.torn")
    for number in count(2):
        yield path.with_name(f"{path.name}.{offset}-{number}.torn")


def _read(files: FileOps, path: Path) -> bytes:
    try:
        with files.reader(path) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _copy_valid_part(files: FileOps, path: Path, found: Scan) -> None:
    if found.size == 0:
        return
    try:
        replace_file(files, path, _chunks(files, path, 0, found.valid_length))
    except OSError as error:
        # a full disk must not keep a healthy journal from opening; only the protection against an earlier failed sync is lost
        if found.is_torn or error.errno not in _NO_SPACE:
            raise


def _chunks(files: FileOps, path: Path, start: int, end: int) -> Iterator[bytes]:
    with files.reader(path) as file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(_CHUNK_BYTES, end - start))
            if not chunk:
                raise OSError(errno.EIO, f"expected {path} to have {end} bytes, got: {start}")
            start += len(chunk)
            yield chunk
