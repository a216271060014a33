"""The machine's clock and randomness behind their ports."""

import time

from symbiont.adapters.system import SystemClock, SystemRandomness
from symbiont.ports import Clock, Randomness


def test_the_two_times_are_those_of_the_machine():
    clock: Clock = SystemClock()
    before = time.monotonic(), time.time()
    seen = clock.monotonic(), clock.wall()
    assert before[0] <= seen[0] <= time.monotonic()
    assert abs(before[1] - seen[1]) < 60


def test_numbers_are_within_their_bounds_and_differ():
    randomness: Randomness = SystemRandomness()
    drawn = {randomness.uniform(2.0, 3.0) for _ in range(100)}
    assert all(2.0 <= number <= 3.0 for number in drawn)
    assert len(drawn) > 90
