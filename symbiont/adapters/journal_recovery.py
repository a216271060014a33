"""Brings a journal file back after any kind of stop.

Guarantees: every acknowledged record is kept, byte for byte; a torn tail is put aside before it is cut, and nothing is cut
in place; what `recover` returns is durable. Of damage that no crash can explain (a broken chain too) it tells, and then changes
nothing. Raises `OSError` when the disk refuses.

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
from symbiont.adapters.journal_reading import Journalled, Reading, read_journal
from symbiont.adapters.journal_scan import Scan
from symbiont.ports import Fold, Opened

NOT_OPEN = -1
_CHUNK_BYTES = 1 << 20
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Clean(msgspec.Struct, frozen=True):
    """The marker of an orderly close: the length of the file at that moment."""

    length: int


class Recovered(NamedTuple):
    """An open file: its descriptor (writing at the end), its durable length, and what was read; no descriptor if damaged."""

    fd: int
    length: int
    reading: Reading
    opened: Opened


def recover(files: FileOps, journal: Journalled, fold: Fold) -> Recovered:
    """Open a journal and feed its lines to `fold`; it and its directory are created if need be (its parent must exist)."""
    path = journal.path
    _prepare_directory(files, path)
    clean_length = marked_length(files, path)
    reading = read_journal(files, journal, fold)
    if reading.damage is not None:
        return Recovered(NOT_OPEN, 0, reading, Opened(reading.position.seq, damage=reading.damage))
    files.remove(_marker(path))  # and this is synced below, before anything is appended
    found = reading.active
    aside = _put_aside(files, path, found) if found.torn_bytes else None
    if found.torn_bytes or clean_length != found.good.offset or found.lacks_newline:
        _copy_valid_part(files, path, found)
    fd = files.append_to(path)
    try:
        files.sync_directory(path.parent)
    except OSError:
        files.close(fd)
        raise
    opened = Opened(
        seq=reading.position.seq,
        quarantined_bytes=found.torn_bytes,
        quarantine_file=str(aside or ""),
        missing_bytes=max(0, (clean_length or 0) - found.size),
    )
    return Recovered(fd, found.good.offset, reading, opened)


def mark_clean(files: FileOps, path: Path, length: int) -> None:
    """Note that the file was closed in order. Failing is harmless: the next open copies, which is the safe side."""
    with suppress(OSError):
        replace_file(files, _marker(path), [msgspec.json.encode(_Clean(length))])


def _prepare_directory(files: FileOps, path: Path) -> None:
    files.make_directory(path.parent)
    # also when it was there: the crash may have come between making it and making its name durable
    with suppress(PermissionError):  # one may be allowed to enter a directory but not to open it
        files.sync_directory(path.parent.parent)
    for name in files.names(path.parent):
        if name.startswith(path.stem) and name.endswith(".tmp"):
            files.remove(path.with_name(name))


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".clean")


def marked_length(files: FileOps, path: Path) -> int | None:
    """The length noted at the last close."""
    try:
        with files.reader(_marker(path)) as file:
            return msgspec.json.decode(file.read(), type=_Clean).length
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _put_aside(files: FileOps, path: Path, found: Scan) -> Path:
    """Keep the torn bytes in a file of their own; one of an earlier accident at the same place is left alone."""
    torn = b"".join(_chunks(files, path, found.good.offset, found.size))
    aside = next(name for name in _aside_names(path, found.good.offset) if torn.startswith(_read(files, name)))
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
        replace_file(files, path, _valid_part(files, path, found))
    except OSError as error:
        # a full disk must not keep a healthy journal from opening; only the protection against an earlier failed sync is lost
        if found.torn_bytes or found.lacks_newline or error.errno not in _NO_SPACE:
            raise


def _valid_part(files: FileOps, path: Path, found: Scan) -> Iterator[bytes]:
    yield from _chunks(files, path, 0, min(found.good.offset, found.size))
    if found.lacks_newline:
        yield b"\n"


def _chunks(files: FileOps, path: Path, start: int, end: int) -> Iterator[bytes]:
    with files.reader(path) as file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(_CHUNK_BYTES, end - start))
            if not chunk:
                raise OSError(errno.EIO, f"expected {path} to have {end} bytes, got: {start}")
            start += len(chunk)
            yield chunk
