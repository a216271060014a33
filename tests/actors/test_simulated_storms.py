"""Storms by their numbers, each a run of the whole tree on virtual time: what must hold after one is said in `storm`.

SYMBIONT_SIMULATIONS sets how many are gone through; `python -m tests.actors.simulate` goes through others, and through one again.
"""

import os

import pytest

from tests.actors.storm import endure

STORMS = int(os.environ.get("SYMBIONT_SIMULATIONS", "1000"))
IN_ONE_TEST = 50


@pytest.mark.parametrize("first", range(0, STORMS, IN_ONE_TEST))
def test_whatever_the_storm_nothing_is_lost_and_nothing_counted_twice(first: int) -> None:
    for seed in range(first, min(first + IN_ONE_TEST, STORMS)):
        try:
            endure(seed)
        except BaseException as error:
            error.add_note(f"again: python -m tests.actors.simulate --replay {seed}")
            raise


@pytest.mark.parametrize("seed", range(5))
def test_the_same_number_is_the_same_storm(seed: int) -> None:
    assert endure(seed) == endure(seed)
