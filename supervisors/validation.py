"""Checking what is given, whatever its type. The fields of a specification: tables of what each may be, `BadSpec` with OTP's word."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast

from supervisors.errors import BadSpec

__all__ = ["Check", "check_fields", "check_patience", "is_a", "is_duration", "is_number", "known_fields"]

Check = tuple[str, str, Callable[[object], bool], str]
"""Name of the field, code of the mistake, what is fine, and how to say it."""


def check_fields(thing: object, checks: tuple[Check, ...], what: str = "") -> None:
    for name, code, is_fine, expected in checks:
        value = getattr(thing, name)
        if not is_fine(value):
            raise BadSpec(code, f"expected {name}{what} to be {expected}, got: {value!r}")


def known_fields(cls: type, entries: Mapping[str, object], code: str) -> dict[str, Any]:
    """Of a map, the entries that are fields of `cls`; OTP ignores the others, too."""
    if not isinstance(cast("object", entries), Mapping):
        raise BadSpec(code, f"expected a mapping, got: {entries!r}")
    names = {field.name for field in fields(cls)}
    return {name: value for name, value in entries.items() if name in names}


def is_a(*kinds: type[object]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kinds)


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_duration(value: object) -> bool:
    return is_number(value) and cast("float", value) >= 0


def check_patience(timeout_s: object) -> None:
    """How long to wait: seconds, or None for without limit. Raises `ValueError`."""
    if timeout_s is not None and not is_duration(timeout_s):
        raise ValueError(f"expected timeout_s to be seconds >= 0 or None, got: {timeout_s!r}")
