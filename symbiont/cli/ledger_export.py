"""`symbiont ledger export`: the calls as CSV or as the lines they are, streamed: a long ledger is never in memory as a whole."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from cyclopts import Parameter

from symbiont.cli import output
from symbiont.cli.ledger_flags import NO_FILTER, SharedFilter, files_of, filter_of, readable
from symbiont.cli.options import SOURCE_DEFAULTS, Json, SharedSource
from symbiont.domain import ledger_csv
from symbiont.domain.errors import SymbiontError

STDOUT = "-"
CHUNK_BYTES = 1 << 18


def export(
    *,
    format: Annotated[  # noqa: A002 - what the flag is called
        Literal["csv", "jsonl"],
        Parameter(
            help="`csv`: one row a call, columns as in the ledger; `jsonl`: the lines themselves, chain included."
        ),
    ] = "csv",
    output_file: Annotated[
        str, Parameter(name=("--output", "-o"), help="File to write; - is standard output.")
    ] = STDOUT,
    only: SharedFilter = NO_FILTER,
    source: SharedSource = SOURCE_DEFAULTS,
    json: Json = False,
) -> None:
    """Write the calls that match to a file or to standard output, oldest first.

    Reads the files of the data directory, whether a server runs or not. In CSV a text that a spreadsheet would take for a
    formula begins with an apostrophe.
    """
    del json  # errors alone: the output is data of its own
    wanted, files = filter_of(only), files_of(source)

    def content() -> Iterator[bytes]:
        if format == "csv":
            yield ledger_csv.header().encode()
        for line, entry in files.matching_now(wanted):
            yield line + b"\n" if format == "jsonl" else ledger_csv.row(entry).encode()

    if output_file == STDOUT:
        readable(lambda: _to_stdout(content()))
    else:
        _to_file(Path(output_file).expanduser(), content())


def _to_stdout(content: Iterator[bytes]) -> None:
    for chunk in _chunks(content):
        output.show_bytes(chunk)


def _to_file(path: Path, content: Iterator[bytes]) -> None:
    try:
        with _replacing(path) as file:
            for chunk in _chunks(content):
                file.write(chunk)
    except OSError as error:
        message = f"expected {path} to take the export, got: {(error.strerror or str(error)).lower()}"
        raise SymbiontError("STORAGE_REFUSED", message, hint="--output FILE") from error


@contextmanager
def _replacing(path: Path) -> Generator[BinaryIO]:
    """A file that is there whole or not at all, and that nobody else may read: it holds beginnings of prompts."""
    unfinished = path.with_name(f"{path.name}.part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            yield file
        unfinished.replace(path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def _chunks(content: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in content:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
