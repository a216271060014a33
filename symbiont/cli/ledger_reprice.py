"""`symbiont ledger reprice`: what the recorded calls would have cost by another price table. The ledger stays as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from symbiont.cli import address, output
from symbiont.cli.ledger_flags import NO_FILTER, SharedFilter, encoded, files_of, filter_of, readable
from symbiont.cli.options import SOURCE_DEFAULTS, Json, SharedSource
from symbiont.cli.rendering import counted, money
from symbiont.config import price_table, tier_table
from symbiont.domain.ledger_query import Dimension, LedgerFilter
from symbiont.domain.moment import rfc3339
from symbiont.domain.price import usd
from symbiont.domain.reprice import Compared, Repricing
from symbiont.service.ledger_views import NotRepriced, Repriced, RepricedRow

SHOWN_UNKNOWN = 10


def reprice(
    *,
    prices: Annotated[Path, Parameter(help="Price table in the form of prices.toml.")],
    by: Annotated[Dimension, Parameter(help="List the sums by this.")] = "model",
    only: SharedFilter = NO_FILTER,
    source: SharedSource = SOURCE_DEFAULTS,
    json: Json = False,
) -> None:
    """Show what the recorded tokens would cost by other prices, beside what the ledger says.

    Reads the files of the data directory, whether a server runs or not.
    """
    config, wanted = address.loaded(source).config, filter_of(only)
    table = price_table(msgspec.structs.replace(config, prices_file=str(prices.expanduser())))
    repricing = Repricing(table, tier_table(config), by)

    def read() -> None:
        for _, entry in files_of(source).matching_now(wanted):
            repricing.add(entry)

    readable(read)
    found = _view(repricing, table.version, by, wanted)
    if json:
        output.show_json(encoded(found))
    else:
        _show(found)


def _view(repricing: Repricing, version: str, by: Dimension, wanted: LedgerFilter) -> Repriced:
    since, until = (None if moment is None else rfc3339(moment.timestamp()) for moment in (wanted.since, wanted.until))
    return Repriced(
        price_table=version,
        by=by,
        since=since,
        until=until,
        rows=tuple(_row(name, compared) for name, compared in sorted(repricing.rows.items())),
        total=_row("", repricing.total),
        unknown_calls=repricing.unknown_calls,
        unknown=tuple(NotRepriced(**msgspec.structs.asdict(one)) for one in repricing.unknown),
    )


def _row(name: str, compared: Compared) -> RepricedRow:
    recorded, repriced = compared.recorded_nanos, compared.repriced_nanos
    return RepricedRow(name, compared.calls, usd(recorded), usd(repriced), usd(repriced - recorded))


def _show(found: Repriced) -> None:
    columns = (found.by, "calls", "recorded usd", "repriced usd", "difference")
    rows = [_cells(row) for row in found.rows]
    output.show_table(columns, [*rows, _cells(msgspec.structs.replace(found.total, name="all"))])
    for one in found.unknown[:SHOWN_UNKNOWN]:
        name = f"{one.task_id or 'a call'} attempt {one.attempt} ({one.kind})"
        output.talk(f"not compared: {one.timestamp} {name}: {one.reason}")
    if found.unknown_calls > SHOWN_UNKNOWN:
        output.talk(f"not compared in all: {counted(found.unknown_calls, 'call')}; see them with --json")


def _cells(row: RepricedRow) -> Sequence[str]:
    difference = f"{row.difference_usd:+.4f}"
    return (row.name, str(row.calls), money(row.recorded_usd), money(row.repriced_usd), difference)
