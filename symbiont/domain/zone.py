"""A time zone by its IANA name. UTC needs no table of zones; any other is looked up in that of the system."""

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec


class Zone(msgspec.Struct, frozen=True):
    name: str

    @property
    def info(self) -> tzinfo:
        """Raises `ValueError` if there is no such zone."""
        return _info(self.name)


@cache
def _info(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"expected a time zone, got: {name}") from error
