"""The files a journal consists of, and its lines, for whoever reads beside the writer: another thread, another process.

A journal `ledger.jsonl` is the active file of that name, and the sealed ones before it: `ledger-000001.jsonl`,
`ledger-000002.jsonl` …, or `….jsonl.gz` once they are archived. Lines go on from one to the next.

Guarantees: `lines` yields whole lines alone, each once and in order, whatever the writer does meanwhile: append, seal, archive.
Does not take a lock, and does not verify. A line may be seen a moment before it is durable.
"""

import gzip
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

_ARCHIVED = ".gz"


class Segment(NamedTuple):
    """One file of a journal; `number` counts from 1, the active one has the highest."""

    path: Path
    number: int
    is_compressed: bool


def segments(path: Path) -> list[Segment]:
    """The files of the journal `path` as they are now, oldest first; the last one is active and may not exist yet."""
    sealed: dict[int, Segment] = {}
    name = re.compile(re.escape(path.stem) + r"-(\d{6,})" + re.escape(path.suffix) + r"(\.gz)?")
    for file in path.parent.iterdir() if path.parent.is_dir() else ():
        match = name.fullmatch(file.name)
        # of a segment that is there twice the archive may be unfinished business
        if match and (match[2] is None or int(match[1]) not in sealed):
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
    first = segments(path)[0].number
    number = first
    while True:
        file, is_active = _open(path, number)
        if file is None:
            return
        with file:
            yield from _whole_lines(file)
        if is_active:
            return
        number += 1


def _open(path: Path, number: int) -> tuple[BinaryIO | None, bool]:
    """The file that is segment `number` now, and whether it is the active one."""
    while True:
        with suppress(FileNotFoundError):
            return sealed_file(path, number).open("rb"), False
        with suppress(FileNotFoundError):
            return cast("BinaryIO", gzip.open(archived_file(path, number))), False
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None, True
        if not (sealed_file(path, number).exists() or archived_file(path, number).exists()):
            return file, True
        file.close()  # it was sealed in between: what is open now may be its successor


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if line.endswith(b"\n") and line.strip():
            yield line.rstrip(b"\r\n")
