"""The ledger as a table: fixed columns, nothing that a spreadsheet would compute."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain import ledger_csv
from symbiont.domain.ledger import Entry

CLASSIC = [
    "timestamp",
    "model",
    "success",
    "elapsed_seconds",
    "input_tokens",
    "output_tokens",
    "estimated_cost_usd",
    "prompt_preview",
]


def call(**changes: object) -> Entry:
    fields = dict(zip(CLASSIC, ["2026-03-19T14:32:15Z", "haiku", True, 1.5, 3, 139, 0.0384, "Classify"], strict=True))
    return Entry(**fields | changes)


def cells(entry: Entry) -> dict[str, str]:
    (row,) = csv.DictReader(io.StringIO(ledger_csv.header() + ledger_csv.row(entry), newline=""))
    return row


def test_the_columns_are_those_of_a_line_the_classic_ones_first():
    assert ledger_csv.header().rstrip("\n").split(",")[:9] == [*CLASSIC, "task_id"]


def test_what_is_unknown_is_empty_and_what_is_false_says_so():
    row = cells(call(estimated_cost_usd=None, success=False))
    assert (row["estimated_cost_usd"], row["success"], row["error_code"], row["upper_bound_usd"]) == (
        "",
        "false",
        "",
        "",
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_starts_a_formula(start):
    assert cells(call(project=f"{start}1+1"))["project"] == f"'{start}1+1"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_any_text_comes_back_whole(text):
    read = cells(call(prompt_preview=text))["prompt_preview"]
    assert read in {text, f"'{text}"}
    assert not read.startswith(("=", "+", "-", "@", "\t", "\r"))
