"""When a schedule comes: five fields of cron, read once, and the moments they mean in a time zone.

`minute hour day-of-month month day-of-week`, each `*`, a value, a list `a,b`, a range `a-b`, a step `*/n` or `a-b/n`; months and days of the week
also by their English names, Sunday is 0 and 7. Or `@hourly`, `@daily`, `@weekly`, `@monthly`.
As in POSIX and Vixie cron: if both days are restricted, either is enough; a field that begins with `*` does not restrict.

Daylight saving: fields are those of the clock on the wall. A time that does not exist because the clock is put forward comes at the moment after
the gap; several such times come once. A time that exists twice because the clock is put back comes the first time only.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import quoted

MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LATEST_YEAR = 9998
_FIRST_WINDOW_S = 3_600


class _Field(msgspec.Struct, frozen=True):
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


class Cron(msgspec.Struct, frozen=True):
    """What the fields allow, ascending; days of the week are 0 (Sunday) to 6."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either_day: bool

    def allows(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (in_month or in_week if self.is_either_day else in_month and in_week)


def parse(text: str) -> Cron:
    """Raises `SymbiontError("BAD_VALUE")`, saying which field and how it could be written."""
    parts = MACROS.get(text.strip().lower(), text).split()
    if len(parts) != len(_FIELDS):
        expected = f"five fields (minute hour day month weekday) or one of {', '.join(MACROS)}"
        raise _bad(expected, text, hint='"0 7 * * MON-FRI": at 07:00 from Monday to Friday')
    minutes, hours, days, months, weekdays = map(_values, parts, _FIELDS)
    is_either = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not is_either and min(days) > max(calendar.monthrange(2000, month)[1] for month in months):
        raise _bad("a day that there is", text, hint="leave out the month, or choose a day it has")
    return Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        is_either,
    )


def next_after(cron: Cron, moment: float, zone: tzinfo) -> int | None:
    """The first moment (epoch seconds) after `moment`; None if it is beyond what can be written down."""
    here = datetime.fromtimestamp(moment, UTC).astimezone(zone).replace(tzinfo=None, fold=0, second=0, microsecond=0)
    found = (at for local in _locals_from(cron, here) if (at := _moment(local, zone)) > moment)
    return next(found, None)


def moments_between(cron: Cron, after: float, until: float, zone: tzinfo) -> Iterator[int]:
    """All moments after `after` up to and with `until`, ascending."""
    return takewhile(lambda at: at <= until, _all_after(cron, after, zone))


def newest_between(cron: Cron, after: float, until: float, zone: tzinfo, most: int) -> tuple[int, ...]:
    """The newest `most` of them, ascending; looks no further back than it must."""
    window = _FIRST_WINDOW_S
    while True:
        begin = max(after, until - window)
        found = tuple(moments_between(cron, begin, until, zone))
        if len(found) >= most or begin <= after:
            return found[-most:]
        window *= 2


def _all_after(cron: Cron, moment: float, zone: tzinfo) -> Iterator[int]:
    following = next_after(cron, moment, zone)
    while following is not None:
        yield following
        following = next_after(cron, following, zone)


def _locals_from(cron: Cron, begin: datetime) -> Iterator[datetime]:
    """Times on the wall that the fields allow, from `begin` on."""
    for day in _days_from(cron, begin.date()):
        for hour in cron.hours:
            for minute in cron.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - on the wall, in no zone yet
                if local >= begin:
                    yield local


def _days_from(cron: Cron, day: date) -> Iterator[date]:
    while day.year <= _LATEST_YEAR:
        if day.month not in cron.months:
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
            continue
        if cron.allows(day):
            yield day
        day += timedelta(days=1)


def _moment(local: datetime, zone: tzinfo) -> int:
    """When the clock on the wall shows `local` for the first time, or passes it over."""
    early = int(local.replace(tzinfo=zone, fold=0).timestamp())
    if datetime.fromtimestamp(early, zone).replace(tzinfo=None, fold=0) == local:
        return early
    return _end_of_gap(int(local.replace(tzinfo=zone, fold=1).timestamp()), early, zone)


def _end_of_gap(before: int, after: int, zone: tzinfo) -> int:
    """The first second with the offset of `after`; `before` still has the one that held earlier."""
    offset = datetime.fromtimestamp(after, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, field))


def _part(part: str, field: _Field) -> range:
    span, slash, step_text = part.partition("/")
    low, dash, high = span.partition("-")
    if slash and span != "*" and not dash:
        raise _bad(f"{field.name} to have a range before its step", part, hint=f"{low or field.low}-{field.high}/2")
    step = _number(step_text, field, 1, field.high) if slash else 1
    if span == "*":
        return range(field.low, field.high + 1, step)
    first = _number(low, field, field.low, field.high)
    last = _number(high, field, field.low, field.high) if dash else first
    if dash and not last and field.words == _DAYS:
        last = 7  # FRI-SUN
    if last < first:
        hint = f"{first}-{field.high},{field.low}-{last}"
        raise _bad(f"{field.name} to be a range from the lower to the higher", part, hint=hint)
    return range(first, last + 1, step)


def _number(text: str, field: _Field, low: int, high: int) -> int:
    if text.lower() in field.words:
        return field.words.index(text.lower()) + (field.low if field.words == _MONTHS else 0)
    if text.isascii() and text.isdigit() and len(text) <= 4 and low <= int(text) <= high:
        return int(text)
    names = f" or {field.words[0].upper()}..{field.words[-1].upper()}" if field.words else ""
    raise _bad(f"{field.name} to be {low}..{high}{names}", text)


def _bad(expected: str, got: str, *, hint: str = "") -> SymbiontError:
    return SymbiontError("BAD_VALUE", f"expected {expected}, got: {quoted(got)}", hint=hint)
