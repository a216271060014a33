"""Texts of values: what fits of them, at once, whatever they are."""

import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

import pytest

from supervisors import Custom, Shutdown
from supervisors.texts import LONGEST_TEXT, brief, one_line


@dataclass
class Point:
    x: int
    secret: object = field(default="hunter2", repr=False)


@dataclass(frozen=True, slots=True)
class Fixed:
    points: tuple[Point, ...]


@dataclass
class Own:
    secret: object

    def __repr__(self) -> str:
        return "Own(…)"


class Colour(Enum):
    RED = 1


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


PLAIN = [
    *(1, 2.5, True, None, "text\n", b"bytes", Colour.RED, Point, len),
    *((), (1,), (1, 2), [], [1], {}, {"a": [1]}, set(), {1}, frozenset(), frozenset({1}), deque([1])),
    *(Point(1), Fixed((Point(1), Point(2))), Own(3), [Own(1)], Custom([1]), Shutdown(("a", None))),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_what_fits_is_shown_as_it_shows_itself(value):
    assert brief(value) == repr(value)


MILLION = 1_000_000
HUGE = {
    "list": list(range(MILLION)),
    "set": set(range(MILLION)),
    "dict": dict.fromkeys(range(MILLION)),
    "string": "x" * 100 * MILLION,
    "bytes": b"x" * 100 * MILLION,
    "dataclass": Fixed((Point(1),) * MILLION),
    "nested": [[list(range(100))] * 100] * 100,
}


@pytest.mark.parametrize("what", HUGE)
def test_what_is_huge_costs_no_more_than_what_is_shown_of_it(what):
    began_s = time.perf_counter()
    text = brief(HUGE[what])

    assert len(text) <= LONGEST_TEXT + 1
    assert "…" in text
    assert time.perf_counter() - began_s < 0.005


def test_what_contains_itself_or_is_nested_too_deep_ends():
    endless: list[object] = []
    endless.append(endless)

    assert brief(endless, depth=3) == "[[[…]]]"
    assert brief({"a": {"b": {"c": 1}}}, depth=2) == "{'a': {'b': …}}"


def test_the_text_of_what_has_none_says_so():
    assert brief([1, Unspeakable()]) == "no text: rendering it raised RuntimeError"
    assert str(Custom(Unspeakable())) == "no text: rendering it raised RuntimeError"
    assert brief(10**10_000) == "no text: rendering it raised ValueError"


def test_one_line_is_one_line():
    assert one_line("a\n  b\r\n\tc") == "a b c"
