"""Packs the sealed files of a journal with gzip, in a thread of its own: appends never wait for it.

Guarantees: a file is removed only after its archive is durable and has been read back and compared; a crash leaves the file, or
the archive, or both (then the file counts). Only files that a checkpoint has passed are packed, so that opening a journal does
not unpack any. A disk that refuses is no error: the file stays as it is, and the next checkpoint tries again.
"""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock, Thread

import structlog

from symbiont.adapters.file_ops import FileOps, create_synced
from symbiont.adapters.journal_segments import archived_file, segments

_CHUNK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS

_log = structlog.get_logger("symbiont.journal")


class _Stopped(Exception):
    """The journal is being closed; the rest is for another time."""


class Archiver:
    """`consider` and `stop` must not be called at the same time."""

    def __init__(self, path: Path, files: FileOps) -> None:
        self._path = path
        self._files = files
        self._stopping = Event()
        self._lock = Lock()
        self._before = 0
        self._is_packing = False
        self._thread: Thread | None = None

    def consider(self, before: int) -> None:
        """Pack the sealed files with a number below `before`; what is asked while others are packed follows behind them."""
        with self._lock:
            self._before = max(self._before, before)
            if self._is_packing:
                return
            self._is_packing = True
        self._thread = Thread(target=self._run, name=f"archive {self._path.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave off within one portion, and wait for that."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait until what `consider` began is done."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        before = 0
        while before := self._asked_beyond(before):
            try:
                self._pack_all(before)
            except _Stopped:
                return
            except (OSError, zlib.error) as error:
                _log.warning("segment_not_archived", file=str(self._path), error=str(error))

    def _asked_beyond(self, before: int) -> int:
        """What has been asked for by now; 0 if it is no more than that, and then the next to ask begins anew."""
        with self._lock:
            self._is_packing = self._before > before
            return self._before if self._is_packing else 0

    def _pack_all(self, before: int) -> None:
        for segment in segments(self._path, self._files):
            if segment.number < before and not segment.is_compressed and segment.path != self._path:
                self._pack(segment.path, archived_file(self._path, segment.number))

    def _pack(self, source: Path, target: Path) -> None:
        beside = target.with_name(target.name + ".tmp")
        self._files.close(create_synced(self._files, beside, self._packed(source)))
        try:
            self._compare(source, beside)
            self._files.rename(beside, target)
        except BaseException:
            self._files.remove(beside)
            raise
        self._files.protect(target)
        self._files.sync_directory(target.parent)
        self._files.remove(source)
        self._files.sync_directory(target.parent)
        _log.info("segment_archived", file=str(target))

    def _packed(self, source: Path) -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=_GZIP)
        for chunk in self._chunks(source):
            yield packer.compress(chunk)
        yield packer.flush()

    def _compare(self, source: Path, packed: Path) -> None:
        """Raises `OSError` unless the archive holds what the file holds."""
        unpacker = zlib.decompressobj(wbits=_GZIP)
        found, expected = hashlib.sha256(), hashlib.sha256()
        for chunk in self._chunks(packed):
            found.update(unpacker.decompress(chunk))
        for chunk in self._chunks(source):
            expected.update(chunk)
        if not unpacker.eof or found.digest() != expected.digest():
            raise OSError(f"expected {packed} to hold what {source} holds, got: something else")

    def _chunks(self, path: Path) -> Iterator[bytes]:
        with self._files.reader(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                if self._stopping.is_set():
                    raise _Stopped
                yield chunk
