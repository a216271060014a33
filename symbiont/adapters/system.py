"""The machine's own clock and randomness, behind the ports of the same names. The disk is `data_dir.DataDir`."""

import random
import time


class SystemClock:
    """The real times, in seconds."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class SystemRandomness:
    """Unseeded, safe across forks."""

    def __init__(self) -> None:
        self._source = random.SystemRandom()

    def uniform(self, low: float, high: float) -> float:
        return self._source.uniform(low, high)
