"""Moments as text: RFC 3339 in UTC with a `Z`, from epoch seconds. Takes the time, never asks for it."""

import math
from datetime import UTC, datetime
from functools import lru_cache

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import quoted

LEAST_CHARS = len("2026-03-19T14:33Z")


def rfc3339(epoch_s: float) -> str:
    """`2026-03-19T14:33:12Z`, cut to the second."""
    return _second(math.floor(epoch_s))


@lru_cache(maxsize=64)
def _second(epoch_s: int) -> str:
    """Many ask within the same second."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")[:19] + "Z"


def epoch_s(moment: str) -> float:
    """Back to epoch seconds. Raises `ValueError` if it is no moment."""
    return datetime.fromisoformat(moment).timestamp()


def moment_of(name: str, text: str) -> float:
    """Epoch seconds of a moment somebody wrote: RFC 3339, with an offset or a `Z`, for without one nobody knows which it is."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and len(text) >= LEAST_CHARS:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    message = f"expected {name} to be a moment such as 2026-03-19T14:33:12Z, got: {quoted(text)}"
    raise SymbiontError("BAD_VALUE", message)


def rfc3339_us(epoch_s: float) -> str:
    """`2026-03-19T14:33:12.123456Z`, as in the ledger."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
