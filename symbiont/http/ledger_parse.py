"""What a request about the ledger means: moments, filters, the lines of an import. Refuses in the words of `parse.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast, get_args

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, utc
from symbiont.domain.ledger_query import DIMENSIONS, Dimension, Kind, LedgerFilter
from symbiont.domain.task import Billing
from symbiont.domain.wording import quoted
from symbiont.http import parse

MAX_IMPORT = 5_000
TEXTS = ("model", "tier", "worker", "node", "project", "error", "task")
RANGE = ("since", "until")
FIELDS = (*RANGE, *TEXTS, "kind", "billing", "success")


class ImportBody(msgspec.Struct, frozen=True):
    """What `POST /ledger/import` takes: at most 5,000 lines of a ledger, of any version, as objects."""

    entries: list[dict[str, Any]]
    dry_run: bool = False


def ledger_filter(params: Mapping[str, str]) -> LedgerFilter:
    """The filter that the parameters named like its fields make."""
    return LedgerFilter(
        **{name: params.get(name) for name in TEXTS},
        since=moment(params, "since"),
        until=moment(params, "until"),
        kind=parse.one_of(params, "kind", get_args(Kind)),
        billing=parse.one_of(params, "billing", get_args(Billing)),
        success=parse.flag(params, "success") if "success" in params else None,
    )


def moment(params: Mapping[str, str], name: str) -> datetime | None:
    """A day or an RFC 3339 timestamp; UTC if it names no zone."""
    text = params.get(name)
    if text is None:
        return None
    try:
        return utc(text)
    except (ValueError, OverflowError):
        message = f"expected {name} to be a day or an RFC 3339 timestamp, got: {quoted(text)}"
        raise SymbiontError("BAD_VALUE", message, hint=f"{name}=2026-03-19 or {name}=2026-03-19T14:00:00Z") from None


def dimension(params: Mapping[str, str]) -> Dimension | None:
    return parse.one_of(params, "by", DIMENSIONS)


def entries(fields: Mapping[str, object]) -> tuple[list[Entry], bool]:
    """The lines of an import, and whether it is only to be tried."""
    parse.no_unknown(fields, ImportBody.__struct_fields__, "field")
    given, dry_run = fields.get("entries"), fields.get("dry_run") or False
    if not isinstance(given, list):
        raise SymbiontError("WRONG_TYPE", f"expected entries to be an array, got: {quoted(given)}")
    if not isinstance(dry_run, bool):
        raise SymbiontError("WRONG_TYPE", f"expected dry_run to be true or false, got: {quoted(dry_run)}")
    lines = cast("list[object]", given)
    if len(lines) > MAX_IMPORT:
        message = f"expected at most {MAX_IMPORT} entries, got: {len(lines)}"
        raise SymbiontError("BODY_TOO_LARGE", message, hint="send them in several requests")
    return [_entry(number, line) for number, line in enumerate(lines, start=1)], dry_run


def _entry(number: int, line: object) -> Entry:
    try:
        return msgspec.convert(line, Entry)
    except (msgspec.ValidationError, OverflowError) as error:
        message = f"expected entry {number} to be a line of a ledger ({error}), got: {quoted(line)}"
        raise SymbiontError("BAD_VALUE", message, details={"entry": number}) from error
