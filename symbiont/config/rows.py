"""Tables of rows in the configuration file, `[[tiers]]`, `[[budgets]]` and `[[schedules]]`: each row a struct, each refusal naming the row.

Guarantees: what comes back has no unknown key and no value that its field does not accept, nor one that makes no sense.
Does not compare rows with one another, nor with the rest of the configuration: `load.py` does.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar, cast

import msgspec

from symbiont.config.keys import in_words, invalid, unknown
from symbiont.domain.budget import Budget
from symbiont.domain.errors import SymbiontError
from symbiont.domain.schedule import Schedule, name_fault, timetable
from symbiont.domain.tier import Tier

Row = TypeVar("Row", bound=msgspec.Struct)


_Table = dict[str, object]
Shown = Callable[[str, object], object]
"""What may be seen of the value in a column."""


def tiers(rows: object, source: str) -> tuple[Tier, ...]:
    found = rows_of(rows, "tiers", Tier, source)
    for number, tier in enumerate(found, start=1):
        _check_tier(tier, f"tiers[{number}]", source)
    return found


def budgets(rows: object, source: str) -> tuple[Budget, ...]:
    found = rows_of(rows, "budgets", Budget, source)
    for number, budget in enumerate(found, start=1):
        _check_budget(budget, f"budgets[{number}]", source)
    return found


def schedules(rows: object, source: str) -> tuple[Schedule, ...]:
    found = rows_of(rows, "schedules", Schedule, source)
    for number, schedule in enumerate(found, start=1):
        _check_schedule(schedule, f"schedules[{number}]", source)
    return found


def is_table(value: object) -> TypeGuard[_Table]:
    return isinstance(value, dict)


def as_it_is(_column: str, value: object) -> object:
    """What a refusal shows of a value, where none is a secret."""
    return value


def rows_of(rows: object, table: str, kind: type[Row], source: str, shown: Shown = as_it_is) -> tuple[Row, ...]:
    """The rows of `[[table]]`, each a `kind`. `shown` says what of a refused value may be seen."""
    if not isinstance(rows, list):
        raise invalid(source, table, f"tables ([[{table}]])", rows)
    numbered = enumerate(cast("list[object]", rows), start=1)
    return tuple(_row(row, f"{table}[{number}]", kind, source, shown) for number, row in numbered)


def _row(row: object, place: str, kind: type[Row], source: str, shown: Shown) -> Row:
    table = place.partition("[")[0]
    if not is_table(row):
        raise invalid(source, place, f"a table ([[{table}]])", row)
    names = [f"{place}.{name}" for name in kind.__struct_fields__]
    for name, value in row.items():
        if f"{place}.{name}" not in names:
            raise unknown(source, "key", f"{place}.{name}", shown(name, value), names)
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: _field(row, field, place, source, shown) for field in fields})


def _field(row: Mapping[str, object], field: msgspec.structs.FieldInfo, place: str, source: str, shown: Shown) -> Any:
    """The value of one column, or its default."""
    key, expects = f"{place}.{field.name}", in_words(field.type)
    if field.name not in row:
        if field.required:
            message = f"{source}: expected {key} to be {expects}, got: no such key"
            raise SymbiontError(
                "CONFIG_INVALID", message, hint=f"{field.name} = … in that [[{place.partition('[')[0]}]]"
            )
        return field.default
    try:
        return msgspec.convert(row[field.name], field.type)
    except msgspec.ValidationError as error:
        raise invalid(source, key, expects, shown(field.name, row[field.name])) from error


def _check_tier(tier: Tier, place: str, source: str) -> None:
    if not tier.name.replace("-", "_").isidentifier():
        raise invalid(source, f"{place}.name", "a word of letters, digits, - and _", tier.name)
    if tier.rank < 1:
        raise invalid(source, f"{place}.rank", "an integer >= 1", tier.rank)
    if tier.context_tokens < 1:
        raise invalid(source, f"{place}.context_tokens", "an integer >= 1", tier.context_tokens)
    if not 0 <= tier.planning_cost_usd < float("inf"):
        raise invalid(source, f"{place}.planning_cost_usd", "a number >= 0", tier.planning_cost_usd)


def _check_budget(budget: Budget, place: str, source: str) -> None:
    if not budget.name.replace("-", "_").isidentifier():
        raise invalid(source, f"{place}.name", "a word of letters, digits, - and _", budget.name)
    if budget.scope == "global" and budget.of:
        raise invalid(source, f"{place}.of", 'absent where scope is "global"', budget.of)
    if budget.limit_usd is None and budget.limit_calls is None:
        message = f"{source}: expected {place} to have limit_usd, limit_calls or both, got: neither"
        raise SymbiontError("CONFIG_INVALID", message, hint="limit_usd = 5.0 in that [[budgets]]")
    if budget.limit_usd is not None and not (math.isfinite(budget.limit_usd) and 0 <= budget.limit_usd <= 1e6):
        raise invalid(source, f"{place}.limit_usd", "a number >= 0 and <= 1000000", budget.limit_usd)
    if budget.limit_calls is not None and budget.limit_calls < 0:
        raise invalid(source, f"{place}.limit_calls", "an integer >= 0", budget.limit_calls)
    if not 0 < budget.alert_at <= 1:
        raise invalid(source, f"{place}.alert_at", "a number > 0 and <= 1", budget.alert_at)


def _check_schedule(schedule: Schedule, place: str, source: str) -> None:
    fault = name_fault(schedule.name)
    if fault:
        raise invalid(source, f"{place}.name", fault, schedule.name)
    try:
        _ = timetable(schedule).zone.info
    except SymbiontError as error:
        message = f"{source}: {place}.cron: {error.message}"
        raise SymbiontError("CONFIG_INVALID", message, hint=error.hint) from error
    except ValueError as error:
        expects = "the IANA name of a time zone"
        hint = 'time_zone = "Europe/Berlin"'
        raise invalid(source, f"{place}.time_zone", expects, schedule.time_zone, hint=hint) from error
