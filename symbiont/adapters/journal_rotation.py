"""When a journal begins a new file. Pure.

A file is sealed once it is large enough, or when the first record of a later month arrives (by the `timestamp` of the records,
not by a clock: so a month is together even if it was written late).
"""

import re

import msgspec

_MONTH = re.compile(rb'"timestamp":\s*"(\d{4}-\d{2})-')
_SCANNED_BYTES = 256


class Rotation(msgspec.Struct, frozen=True):
    """A file is sealed at `max_bytes`; `by_month`, also when its month is over. `packs`: sealed files are packed later."""

    max_bytes: int = 64 << 20
    by_month: bool = True
    packs: bool = True

    def is_due(self, length: int, month: str, record: bytes) -> bool:
        """Whether `record` begins a new file, behind one of `length` bytes whose first record is of `month`."""
        if length == 0:
            return False
        return length >= self.max_bytes or (self.by_month and "" < month < month_of(record))


def month_of(record: bytes) -> str:
    """`2026-03`, or nothing for a record without a timestamp near its beginning."""
    match = _MONTH.search(record[:_SCANNED_BYTES])
    return match[1].decode() if match else ""
