"""Texts of values nobody knows beforehand, for reports: bounded in length and in time, and unable to raise.

`brief` looks at no more of a value than it shows: of builtin containers, strings and dataclasses only the beginning is rendered, so
that reporting a list of a million costs as much as one of a hundred. A class that writes its own `__repr__` is taken at its word:
that is called, and cut; so is what it chose not to show.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, cast

__all__ = ["DEEPEST", "LONGEST_TEXT", "bounded_text", "brief", "one_line"]

LONGEST_TEXT: Final = 2_000
DEEPEST: Final = 6
MOST_PARTS: Final = 100

_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def bounded_text(render: Callable[[], str], longest: int = LONGEST_TEXT) -> str:
    """What `render` returns, cut to a readable length; its failure is part of the text instead of a second crash."""
    try:
        text = render()
    except Exception as broken:  # noqa: BLE001 -- anything may happen in somebody's __str__ or __repr__
        return f"no text: rendering it raised {type(broken).__name__}"
    return text if len(text) <= longest else text[:longest] + "…"


def brief(value: object, *, longest: int = LONGEST_TEXT, depth: int = DEEPEST) -> str:
    """The `repr` of `value`, as much of it as fits."""
    return bounded_text(lambda: _Brief(longest).of(value, depth), longest)


def one_line(text: str) -> str:
    return " ".join(text.split())


class _Brief:
    """One text; `_left` is how many more parts it may have."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._left = MOST_PARTS

    def of(self, value: object, depth: int) -> str:
        kind = type(value)
        if kind is str or kind is bytes or kind is bytearray:
            text = cast("str", value)
            return repr(text[: self._longest]) + ("…" if len(text) > self._longest else "")
        if depth <= 0 and (kind in _BRACKETS or kind is dict or _is_plain_dataclass(kind)):
            return "…"
        if kind in _BRACKETS:
            return self._of_items(cast("Iterable[object]", value), depth)
        if kind is dict:
            return self._of_pairs(cast("Mapping[object, object]", value), depth)
        if _is_plain_dataclass(kind):
            return self._of_fields(value, depth)
        return repr(value)

    def _of_items(self, items: Iterable[object], depth: int) -> str:
        kind: type[object] = items.__class__
        start, end = _BRACKETS[kind]
        parts = self._some(items, lambda item: self.of(item, depth - 1))
        if not parts:
            return f"{kind.__name__}()" if kind is set or kind is frozenset else start + end
        alone = "," if kind is tuple and len(parts) == 1 else ""
        return f"{start}{', '.join(parts)}{alone}{end}"

    def _of_pairs(self, pairs: Mapping[object, object], depth: int) -> str:
        def show(pair: tuple[object, object]) -> str:
            return f"{self.of(pair[0], depth - 1)}: {self.of(pair[1], depth - 1)}"

        return "{" + ", ".join(self._some(pairs.items(), show)) + "}"

    def _of_fields(self, value: object, depth: int) -> str:
        fields = [field.name for field in dataclasses.fields(cast("Any", value)) if field.repr]
        shown = self._some(fields, lambda name: f"{name}={self.of(getattr(value, name), depth - 1)}")
        return f"{type(value).__qualname__}({', '.join(shown)})"

    def _some(self, items: Iterable[Any], show: Callable[[Any], str]) -> list[str]:
        shown: list[str] = []
        for item in islice(items, self._left + 1):
            if self._left <= 0:
                shown.append("…")
                break
            self._left -= 1
            shown.append(show(item))
        return shown


def _is_plain_dataclass(kind: type) -> bool:
    """Whether its `repr` is the one that `dataclass` has written."""
    if not dataclasses.is_dataclass(kind):
        return False
    code = getattr(getattr(kind.__repr__, "__wrapped__", None), "__code__", None)
    return code is not None and code.co_filename.startswith("<")
