"""Which lines of the ledger a command is about: the flags, and where the lines come from.

A server is asked if one answers. If none does, and nobody named one, the files of the data directory are read: the ledger can be
looked at with Symbiont stopped, and while it runs.
"""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from symbiont.adapters.ledger_files import LedgerFiles
from symbiont.cli import address, output
from symbiont.cli.address import locate
from symbiont.cli.client import Client
from symbiont.cli.options import Options, Source
from symbiont.config import data_dir
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger_query import Kind, LedgerFilter
from symbiont.domain.task import Billing
from symbiont.http.ledger_parse import ledger_filter

T = TypeVar("T")

_GROUP = "Filter"


def _flag(help_text: str, **more: Any) -> Parameter:
    return Parameter(group=_GROUP, help=help_text, **more)


@dataclass(frozen=True, kw_only=True)
class Range:
    """From when to when."""

    since: Annotated[str | None, _flag("Calls at or after this day or RFC 3339 moment (UTC).")] = None
    until: Annotated[str | None, _flag("Calls before this day or RFC 3339 moment (UTC).")] = None


@dataclass(frozen=True, kw_only=True)
class Filter(Range):
    """Lines that have all of what is given."""

    model: Annotated[str | None, _flag("Calls with this model alias.")] = None
    tier: Annotated[str | None, _flag("Calls of this tier.")] = None
    worker: Annotated[str | None, _flag("Calls by this worker.")] = None
    node: Annotated[str | None, _flag("Calls on this node.")] = None
    project: Annotated[str | None, _flag('Calls for this project; "" for none.')] = None
    kind: Annotated[Kind | None, _flag("Calls of this kind.")] = None
    billing: Annotated[Billing | None, _flag("Calls billed like this.")] = None
    success: Annotated[bool | None, _flag("Calls that succeeded, or that did not.", negative="--failed")] = None
    error: Annotated[str | None, _flag("Calls that ended with this code.")] = None
    task: Annotated[str | None, _flag("Calls of the task with this id.")] = None


SharedRange = Annotated[Range, Parameter(name="*")]
SharedFilter = Annotated[Filter, Parameter(name="*")]
NO_RANGE = Range()
NO_FILTER = Filter()


def query_of(given: Range) -> dict[str, str]:
    """The query parameters these flags mean."""
    fields: dict[str, str | bool | None] = asdict(given)
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    return {name: value for name, value in told.items() if value is not None}


def filter_of(given: Range) -> LedgerFilter:
    """The filter these flags mean. Raises `BAD_VALUE` for a moment that is none."""
    return ledger_filter(query_of(given))


def files_of(source: Source) -> LedgerFiles:
    """The ledger's files in the data directory these flags mean."""
    return LedgerFiles(data_dir(address.loaded(source).config) / "ledger.jsonl")


def asked_or_read(options: Options, ask: Callable[[Client], T], read: Callable[[LedgerFiles], T]) -> T:
    """What the server says, else what the files say."""
    where = locate(options, os.environ)
    try:
        return ask(Client(where))
    except SymbiontError as error:
        if error.code != "SERVER_UNREACHABLE" or where.chosen:
            raise
    files = files_of(options)
    output.talk(f"no server answers at {where.url}; read from the files")
    return readable(lambda: read(files))


def readable(read: Callable[[], T]) -> T:
    """What `read` answers; files that cannot be read are `STORAGE_REFUSED`."""
    try:
        return read()
    except BrokenPipeError:
        raise
    except OSError as error:
        message = (
            f"expected the ledger to be readable, got: {error.filename} ({(error.strerror or str(error)).lower()})"
        )
        raise SymbiontError("STORAGE_REFUSED", message, hint="--data-dir DIRECTORY") from error


def encoded(view: object) -> bytes:
    return msgspec.json.encode(view)
