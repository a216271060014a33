"""Moments as text: RFC 3339 in UTC with a `Z`, from epoch seconds. Takes the time, never asks for it."""

from datetime import UTC, datetime


def rfc3339(epoch_s: float) -> str:
    """`2026-03-19T14:33:12Z`, cut to the second."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_s(moment: str) -> float:
    """Back to epoch seconds. Raises `ValueError` if it is no moment."""
    return datetime.fromisoformat(moment).timestamp()


def rfc3339_us(epoch_s: float) -> str:
    """`2026-03-19T14:33:12.123456Z`, as in the ledger."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
