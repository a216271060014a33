"""The files a journal consists of, and its lines, for whoever reads beside the writer: another thread, another process.

A journal `ledger.jsonl` is the active file of that name, and the sealed ones before it: `ledger-000001.jsonl`,
`ledger-000002.jsonl` …, or `….jsonl.gz` once they are archived. Lines go on from one to the next.

Guarantees: `lines` yields whole lines alone, each once and in order, whatever the writer does meanwhile: append, seal, archive.
Raises `FileNotFoundError` for a gap. Does not take a lock, and does not verify. A line may be seen a moment before it is durable.
"""

import errno
import gzip
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from symbiont.adapters.file_ops import FileOps

_ARCHIVED = ".gz"


class Segment(NamedTuple):
    """One file of a journal; `number` counts from 1, the active one has the highest."""

    path: Path
    number: int
    is_compressed: bool


class OpenSegment(NamedTuple):
    """A file that is read; `file` yields what it holds, unpacked."""

    path: Path
    file: BinaryIO
    is_active: bool

    @property
    def is_packed(self) -> bool:
        return self.path.suffix == _ARCHIVED


def segments(path: Path, files: FileOps | None = None) -> list[Segment]:
    """The files of the journal `path` as they are now, oldest first; the last one is active and may not exist yet."""
    sealed: dict[int, Segment] = {}
    name = re.compile(re.escape(path.stem) + r"-(\d{6,})" + re.escape(path.suffix) + r"(\.gz)?")
    for match in filter(None, map(name.fullmatch, (files or FileOps()).names(path.parent))):
        # of a segment that is there twice the archive may be unfinished business
        if match[2] is None or int(match[1]) not in sealed:
            file = path.with_name(match[0])
            sealed[int(match[1])] = Segment(file, int(match[1]), match[2] is not None)
    active = Segment(path, max(sealed, default=0) + 1, is_compressed=False)
    return [*(sealed[number] for number in sorted(sealed)), active]


def sealed_file(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


def archived_file(path: Path, number: int) -> Path:
    sealed = sealed_file(path, number)
    return sealed.with_name(sealed.name + _ARCHIVED)


def lines(path: Path) -> Iterator[bytes]:
    """Every whole line of all segments, oldest first, without its newline; blank lines are left out."""
    number = segments(path)[0].number
    is_last = False
    while not is_last:
        with open_segment(path, number) as part:
            if part is None and segments(path)[-1].number > number:
                raise FileNotFoundError(
                    errno.ENOENT, "expected no gap between the files of a journal", sealed_file(path, number)
                )
            if part is None:
                return
            for line in part.file:
                if line.endswith(b"\n") and line.strip():
                    yield line.rstrip(b"\r\n")
        is_last = part.is_active
        number += 1


@contextmanager
def open_segment(path: Path, number: int, files: FileOps | None = None) -> Generator[OpenSegment | None]:
    """The file that is segment `number` of the journal `path` now; None if there is none."""
    part = _find(path, number, files or FileOps())
    if part is None:
        yield None
        return
    with part.file as file:
        if not part.is_packed:
            yield part
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield part._replace(file=cast("BinaryIO", unpacked))


def _find(path: Path, number: int, files: FileOps) -> OpenSegment | None:
    sealed = _sealed(path, number, files)
    if sealed is not None:
        return sealed
    try:
        file = files.reader(path)
    except FileNotFoundError:
        return None
    try:
        is_it = segments(path, files)[-1].number <= number
    except OSError:
        file.close()
        raise
    if is_it:
        return OpenSegment(path, file, is_active=True)
    file.close()  # it was sealed in between, and what is open here may be its successor; or a file is missing
    return _sealed(path, number, files)


def _sealed(path: Path, number: int, files: FileOps) -> OpenSegment | None:
    for name in (sealed_file(path, number), archived_file(path, number)):
        with suppress(FileNotFoundError):
            return OpenSegment(name, files.reader(name), is_active=False)
    return None
