"""`symbiont ledger import`: the calls of an earlier version's ledger, or of another one of ours, at their own dates.

Guarantees: the file is read whole and found right before the first line is taken in; what is in the ledger already is left out, so
the same file twice changes nothing the second time. Goes through the running server, or does it alone while none runs.
"""

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import msgspec
from cyclopts import Parameter

from symbiont.cli import output
from symbiont.cli.address import loaded, locate
from symbiont.cli.client import Client
from symbiont.cli.ledger_flags import encoded
from symbiont.cli.options import DEFAULTS, FLAG, Options, Shared
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry
from symbiont.domain.ledger_import import entries_of
from symbiont.service import ledger_views

PORTION_LINES = 1_000
LOCAL_PORTION_LINES = 20_000
PORTION_S = 120.0

_GZIP_MAGIC = b"\x1f\x8b"

Portion = Sequence[Entry]
Send = Callable[[Portion], ledger_views.LedgerImported]


def import_file(
    file: Annotated[Path, Parameter(name="FILE", help="A ledger, one call a line as JSON; may be compressed (gzip).")],
    /,
    *,
    dry_run: Annotated[bool, FLAG, Parameter(help="Tell what would be taken in; take in nothing.")] = False,
    options: Shared = DEFAULTS,
) -> None:
    """Take in the calls of another ledger. They count in all totals, at their own dates."""
    path = file.expanduser()
    for _ in _entries(path):
        pass  # all of it is right before any of it is taken in
    done = _taken_in(options, path, dry_run=dry_run)
    if options.json:
        output.show_json(encoded(done))
        return
    output.show_record([("imported", str(done.imported)), ("already there", str(done.duplicates))])
    if dry_run:
        output.talk("nothing was taken in: this was a dry run")


def _taken_in(options: Options, path: Path, *, dry_run: bool) -> ledger_views.LedgerImported:
    where = locate(options, os.environ)
    client = Client(where)
    try:
        client.get("/health")
    except SymbiontError as error:
        if error.code != "SERVER_UNREACHABLE" or where.chosen:
            raise
        from symbiont import boot  # noqa: PLC0415 - brings in the whole orchestrator

        return boot.import_local(loaded(options), _portions(_entries(path), LOCAL_PORTION_LINES), dry_run=dry_run)

    def send(portion: Portion) -> ledger_views.LedgerImported:
        fields = {"entries": [msgspec.to_builtins(entry) for entry in portion], "dry_run": dry_run}
        body = client.post("/ledger/import", fields, timeout_s=PORTION_S)
        return client.decode(body, ledger_views.LedgerImported)

    return _summed(map(send, _portions(_entries(path), PORTION_LINES)), dry_run=dry_run)


def _summed(done: Iterable[ledger_views.LedgerImported], *, dry_run: bool) -> ledger_views.LedgerImported:
    imported = duplicates = 0
    for portion in done:
        imported += portion.imported
        duplicates += portion.duplicates
    return ledger_views.LedgerImported(imported, duplicates, dry_run)


def _portions(entries: Iterator[Entry], size: int) -> Iterator[Portion]:
    while portion := list(islice(entries, size)):
        yield portion


def _entries(path: Path) -> Iterator[Entry]:
    """Raises `BAD_VALUE` for a file that cannot be read, and at the first line that is no call."""
    try:
        with _opened(path) as lines:
            yield from entries_of(lines, str(path))
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"expected FILE to be a readable ledger, got: {path} ({reason.lower()})"
        raise SymbiontError("BAD_VALUE", message, hint="symbiont ledger import --help") from error


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if is_compressed else path.open("rb")
