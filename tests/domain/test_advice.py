"""The hint of a task that ended badly: what can really help."""

import pytest

from symbiont.domain.advice import advice, advice_without_server


@pytest.mark.parametrize(
    "code", ["OVERLOADED", "TIMED_OUT", "UNREACHABLE", "INTERRUPTED", "EMPTY", "CANCELLED", "INTERNAL"]
)
def test_what_may_go_better_next_time_is_to_be_tried_again(code):
    assert advice(code, "task-1") == "symbiont task retry task-1"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("UNAUTHORISED", "ANTHROPIC_API_KEY"),
        ("NO_CREDIT", "credit"),
        ("TOO_LONG", "less"),
        ("REFUSED", "reword"),
        ("BAD_REQUEST", "symbiont.toml"),
        ("CLI_MISSING", "npm install -g @anthropic-ai/claude-code"),
    ],
)
def test_what_no_repetition_mends_says_what_would(code, names):
    assert names in advice(code, "task-1")
    assert "task retry" not in advice(code, "task-1")


def test_without_a_server_nothing_is_advised_that_needs_one():
    assert advice_without_server("OVERLOADED", "symbiont task retry task-1") == ""
    assert advice_without_server("STILL_PENDING", "symbiont task wait task-1") == "symbiont serve"
    assert advice_without_server("UNAUTHORISED", "set ANTHROPIC_API_KEY") == "set ANTHROPIC_API_KEY"
