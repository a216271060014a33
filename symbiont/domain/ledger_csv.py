"""Lines of the ledger as a table for spreadsheets: one row a call, the columns those of `Entry`, always in that order.

Guarantees: no cell starts a formula, whatever a prompt or a project is called: a text that a spreadsheet would compute
(`=`, `+`, `-`, `@`, a tab or a return first) begins with an apostrophe. Unknown is empty, not 0. Numbers are written in full.
"""

import csv
import io
from typing import Final

import msgspec

from symbiont.domain.ledger import Entry

COLUMNS: Final[tuple[str, ...]] = Entry.__struct_fields__

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def header() -> str:
    return _row(COLUMNS)


def row(entry: Entry) -> str:
    """One line of CSV (RFC 4180, but for the line end, which is a newline)."""
    return _row([_cell(getattr(entry, name)) for name in COLUMNS])


def _cell(value: object) -> str:
    match value:
        case None | msgspec.UNSET:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}" if value.startswith(_STARTS_A_FORMULA) else value
        case _:
            return str(value)


def _row(cells: "tuple[str, ...] | list[str]") -> str:
    text = io.StringIO()
    # with a newline alone as the end of a line, the writer would not quote a return within a cell
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"
