"""How many attempts of a task have really made a call."""

import pytest

from symbiont.domain.task import STORY_LENGTH, Try, attempts_made


def story(*attempts):
    return tuple(
        Try(number, "task", "haiku", "claude", "DONE", "2026-01-01T00:00:00Z", 1.0, 0.0) for number in attempts
    )


@pytest.mark.parametrize(
    ("attempts", "made"),
    [((), 0), ((1,), 1), ((1, 1), 1), ((2, 5), 2), (tuple(range(9, 9 + STORY_LENGTH)), 8 + STORY_LENGTH)],
)
def test_calls_make_an_attempt_and_a_refusal_before_one_does_not(attempts, made):
    assert attempts_made(story(*attempts)) == made
