"""When a usage limit ends, read from the sentence meant for people. The fallback where no event told it.

Pure. Understands every wording the CLI has used (`usage limit reached|<epoch>`, `resets 2am`, `resets 2:11am (UTC)`,
`resets Nov 23, 11:11pm (Asia/Tokyo)`, `reset at 3pm`); without a zone it reads UTC, in which the CLI is started.
It never raises: what it does not understand is None.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_EPOCH = re.compile(r"\|\s*(\d{10}|\d{13})(?!\d)")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_WHEN = re.compile(
    r"\bresets?\s+(?:at\s+|on\s+)?"
    rf"(?:(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?\s+(?P<day>\d{{1,2}})(?:\s*,\s*(?:at\s+)?|\s+at\s+|\s+))?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap])\.?m\b\.?"
    r"(?:\s*\((?P<zone>[^()\s]{1,64})\))?",
    re.IGNORECASE | re.ASCII,
)

_JUST_PASSED = timedelta(minutes=1)
"""The text drops the seconds: a minute that has just begun to pass is meant, not the same time tomorrow."""

_LONG_PASSED = timedelta(days=1)
"""A date older than this belongs to the next year: the text names none."""


def parse_reset(text: str, now: float) -> float | None:
    """Epoch seconds of the reset that `text` announces, seen at `now` (epoch seconds); None if it announces none."""
    epoch = _EPOCH.search(text)
    if epoch is not None:
        number = int(epoch[1])
        return number / 1000 if number >= 10**12 else float(number)
    match = _WHEN.search(text)
    return None if match is None else _moment(match, now)


def _moment(match: re.Match[str], now: float) -> float | None:
    zone = _zone(match["zone"])
    hour = _hour(int(match["hour"]), match["half"])
    minute = int(match["minute"] or 0)
    if zone is None or hour is None or minute > 59:
        return None
    try:
        today = datetime.fromtimestamp(now, zone)
        if match["month"] is None:
            days: Iterator[datetime | None] = (today + timedelta(days=ahead) for ahead in (0, 1, 2))
            return _first(days, hour, minute, today - _JUST_PASSED)
        month = _MONTHS.index(match["month"].lower()) + 1
        dates = (_date(year, month, int(match["day"]), zone) for year in range(today.year - 1, today.year + 9))
        return _first(dates, hour, minute, today - _LONG_PASSED)
    except (OverflowError, ValueError, OSError):
        return None


def _first(days: Iterator[datetime | None], hour: int, minute: int, earliest: datetime) -> float | None:
    """The first of these days at that time that is not before `earliest`; an hour that comes twice is tried twice."""
    for day in days:
        for fold in (0, 1):
            if day is None:
                continue
            moment = day.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=fold).timestamp()
            if moment >= earliest.timestamp():
                return moment
    return None


def _date(year: int, month: int, day: int, zone: tzinfo) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=zone)
    except ValueError:
        return None


def _hour(hour: int, half: str) -> int | None:
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if half.lower() == "p" else 0)


def _zone(name: str | None) -> tzinfo | None:
    if name is None or name.upper() in {"UTC", "GMT"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
