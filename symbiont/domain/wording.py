"""How a value that a caller sent is quoted in an error, and which word the caller may have meant.

Guarantees that a quotation is short and can be encoded as UTF-8, however hostile the value.
"""

from collections.abc import Iterable
from difflib import get_close_matches

import msgspec

_QUOTED_CHARS = 60
_SPELLABLE_CHARS = 64
_BLANKS = " \u115f\u1160\u2800\u3164\uffa0"
"""Printable by their category, and yet nothing to see: the blank, Hangul fillers, an empty Braille cell."""


def encodable(text: str) -> str:
    """The text with lone surrogates, which no JSON encoder takes, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def quoted(value: object) -> str:
    """A value of decoded JSON as an error shows it: scalars as JSON, cut when long; containers by kind and size."""
    match value:
        case str():
            return _quoted_text(value)
        case dict():
            return "an object"
        case list():
            return "an array"
        case _:
            return _cut(msgspec.json.encode(value).decode())


def has_visible_text(text: str) -> bool:
    """Whether anything of it can be seen: not white space, nor controls, format characters or fillers."""
    return any(char.isprintable() and char not in _BLANKS for char in text)


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word closest to `word`, or the empty string when none is close.

    Words longer than any name of ours are not compared: the comparison is quadratic.
    """
    if len(word) > _SPELLABLE_CHARS:
        return ""
    close = get_close_matches(word.lower(), known, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _quoted_text(text: str) -> str:
    encoded = msgspec.json.encode(encodable(text[:_QUOTED_CHARS])).decode()
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in encoded)
    return f"{shown}… ({len(text)} characters)" if len(text) > _QUOTED_CHARS else shown


def _cut(text: str) -> str:
    return text if len(text) <= _QUOTED_CHARS else f"{text[:_QUOTED_CHARS]}…"
