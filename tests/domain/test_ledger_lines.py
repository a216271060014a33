"""Lines of the ledger: their order, their versions, and what is no line at all."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode, encode, key_of, preview, utc_date

CLASSIC = {
    "timestamp": "2026-03-19T14:32:15.123456Z",
    "model": "sonnet",
    "success": True,
    "elapsed_seconds": 6.2,
    "input_tokens": 3,
    "output_tokens": 139,
    "estimated_cost_usd": 0.0384,
    "prompt_preview": "Classify this customer feedback as …",
}
OURS = [
    "task_id",
    "attempt",
    "kind",
    "tier",
    "model_id",
    "worker",
    "node",
    "cache_read_tokens",
    "cache_write_tokens",
    "reported_cost_usd",
    "price_table",
    "billing",
    "error_code",
    "project",
]


def line(**changes: object) -> bytes:
    return json.dumps(CLASSIC | changes).encode()


def test_a_line_begins_with_the_eight_classic_fields_and_ends_with_ours():
    assert list(json.loads(encode(Entry(**CLASSIC)))) == [*CLASSIC, *OURS]


def test_a_line_is_one_json_object_without_a_newline():
    encoded = encode(Entry(**CLASSIC | {"prompt_preview": "two\nlines"}))
    assert b"\n" not in encoded


def test_a_classic_line_loads_with_defaults_for_the_rest():
    entry = decode(line())
    assert (entry.task_id, entry.attempt, entry.kind, entry.billing) == ("", 1, "task", "subscription")
    assert entry.estimated_cost_usd == 0.0384


def test_the_chain_and_fields_of_later_versions_are_ignored():
    assert decode(line(seq=7, batch=5, hash="ab" * 32, colour={"deep": [1]})) == Entry(**CLASSIC)


def test_an_interrupted_call_has_an_unknown_cost_not_a_cost_of_nothing():
    entry = decode(line(estimated_cost_usd=None, error_code="INTERRUPTED"))
    assert entry.estimated_cost_usd is None
    assert json.loads(encode(entry))["estimated_cost_usd"] is None


@given(
    st.builds(
        Entry,
        timestamp=st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        model=st.text(),
        elapsed_seconds=st.floats(allow_nan=False, allow_infinity=False),
        input_tokens=st.integers(0, 2**60),
        output_tokens=st.integers(0, 2**60),
        estimated_cost_usd=st.none() | st.floats(0, 1e9),
        attempt=st.integers(1, 10**6),
        reported_cost_usd=st.none() | st.floats(0, 1e9),
    )
)
def test_what_is_encoded_decodes_to_the_same_entry(entry):
    assert decode(encode(entry)) == entry


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"null",
        b"[1, 2]",
        b'"text"',
        b"{}",
        b'{"timestamp": "2026-03-19T14:3',
        b"\xff\xfe{}",
        b"[" * 100_000,
        line(extra="\x00").replace(b'"success": true', b'"success": "yes"'),
        line(input_tokens="3"),
        line(timestamp="yesterday"),
        line(timestamp="0001-01-01T00:00:00+12:00"),
        line(billing="barter"),
        line(kind="daydream"),
    ],
    ids=range(14),
)
def test_a_line_that_is_no_entry_is_told_as_corrupt_with_its_beginning(broken):
    with pytest.raises(SymbiontError, match=r"^expected ledger line to be an entry \(.*, got: ") as caught:
        decode(broken)
    assert caught.value.code == "DATA_CORRUPT"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("elapsed", [float("inf"), float("nan")])
def test_an_entry_that_json_could_not_give_back_is_never_made(elapsed):
    with pytest.raises(ValueError, match="expected elapsed_seconds to be a finite number"):
        Entry(**CLASSIC | {"elapsed_seconds": elapsed})


def test_a_call_is_identified_by_task_attempt_and_kind():
    entry = msgspec.structs.replace(Entry(**CLASSIC), task_id="task-1", attempt=2, kind="classify")
    assert key_of(entry) == ("task-1", 2, "classify")


@pytest.mark.parametrize(
    ("timestamp", "date"),
    [
        ("2026-03-19T23:59:59.999999Z", "2026-03-19"),
        ("2026-03-19T23:30:00-01:00", "2026-03-20"),
        ("2026-03-20T00:30:00+01:00", "2026-03-19"),
        ("2026-03-19T12:00:00", "2026-03-19"),
        ("20260319T120000Z", "2026-03-19"),
    ],
)
def test_a_call_belongs_to_its_utc_day(timestamp, date):
    assert utc_date(timestamp) == date


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("short", "short"),
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 80 + "…"),
        ("  two\n\tlines  ", "two lines"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("half a \ud800 pair", "half a pair"),
        ("", ""),
        ("x" + " " * 5_000 + "y", "x…"),
    ],
)
def test_a_preview_is_the_start_of_the_prompt_on_one_line(prompt, expected):
    assert preview(prompt) == expected


@given(st.text(st.characters()))
def test_any_preview_is_short_printable_and_can_be_written(prompt):
    shown = preview(prompt)
    assert len(shown) <= 81
    assert shown.isprintable()
    encode(Entry(**CLASSIC | {"prompt_preview": shown}))
