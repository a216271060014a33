"""A wall clock that cannot run ahead: for deciding that something has been kept long enough."""


class SteadyWall:
    """Never further from the moment it was made than the monotonic clock is; behind the wall clock if that jumped ahead."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def at(self, wall: float, monotonic: float) -> float:
        return min(wall, self._wall + monotonic - self._monotonic)
