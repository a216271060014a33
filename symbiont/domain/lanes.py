"""Lanes and the limits that close them. A lane is one tier of one worker; a limit closes one lane or all of a worker.

After a limit's end its lanes are half open: one probe goes first, and only its success opens them for the rest, because limits
have been seen to outlast their announced reset. Pure state: takes the time, never asks for it.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from symbiont.domain.routing import Lane


class Closed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit in force, and a line of `limits.jsonl`. `tier` empty = the whole worker.

    `resets_at` is what the provider said, `opens_at` that plus jitter: when the probe goes (both epoch seconds). `lifted` in
    a line takes the limit back.
    """

    worker: str
    limit: str
    resets_at: float
    opens_at: float
    tier: str = ""
    lifted: bool = False

    def covers(self, worker: str, tier: str) -> bool:
        return self.worker == worker and self.tier in {"", tier}


class LaneBook:
    """Which lanes are closed, by what, until when, and which have a probe out."""

    def __init__(self, lanes: Iterable[tuple[str, str]]) -> None:
        self._lanes = tuple(lanes)
        self._closed: dict[tuple[str, str, str], Closed] = {}
        self._probes: set[tuple[str, str, str]] = set()
        self._strikes: Counter[tuple[str, str]] = Counter()

    @property
    def limits(self) -> tuple[Closed, ...]:
        return tuple(self._closed.values())

    def close(self, limit: Closed) -> None:
        """Put a limit into force, or (`lifted`) out of it."""
        key = (limit.worker, limit.tier, limit.limit)
        self._probes.discard(key)
        if limit.lifted:
            self._closed.pop(key, None)
        else:
            self._closed[key] = limit

    def strike(self, worker: str, tier: str) -> int:
        """Count a refusal of this lane; returns how many there were before since it last worked."""
        before = self._strikes[worker, tier]
        self._strikes[worker, tier] += 1
        return before

    def lanes(self, now: float) -> tuple[Lane, ...]:
        """Every lane as the router sees it."""
        return tuple(self._lane(worker, tier, now) for worker, tier in self._lanes)

    def _lane(self, worker: str, tier: str, now: float) -> Lane:
        shut = [limit for limit in self._closed.values() if limit.covers(worker, tier) and limit.opens_at > now]
        if not shut:
            return Lane(worker, tier)
        last = max(shut, key=lambda limit: limit.opens_at)
        return Lane(worker, tier, closed_until=last.opens_at, closed_by=last.limit)

    def all_closed(self, now: float) -> bool:
        return not any(lane.is_open(now) for lane in self.lanes(now))

    def next_opening(self, now: float) -> float | None:
        """The next moment at which a limit ends."""
        return min((limit.opens_at for limit in self._closed.values() if limit.opens_at > now), default=None)

    def probing(self, worker: str, tier: str) -> bool:
        """Whether this lane is half open and its probe is out: everybody else waits for the outcome."""
        return any(key in self._probes for key in self._half_open(worker, tier))

    def send(self, worker: str, tier: str) -> None:
        """A call goes out on this lane; on a half-open lane it is the probe."""
        self._probes.update(self._half_open(worker, tier))

    def back_unjudged(self, worker: str, tier: str) -> None:
        """A call ended without telling anything about the lane (cancelled, crashed): the next one probes again."""
        self._probes.difference_update(self._half_open(worker, tier))

    def worked(self, worker: str, tier: str) -> tuple[Closed, ...]:
        """A call was accepted by the provider: the half-open limits of its lane are over. Returns them."""
        self._strikes.pop((worker, tier), None)
        over = tuple(self._closed[key] for key in self._half_open(worker, tier))
        for key in self._half_open(worker, tier):
            del self._closed[key]
            self._probes.discard(key)
        return over

    def _half_open(self, worker: str, tier: str) -> list[tuple[str, str, str]]:
        return [key for key, limit in self._closed.items() if limit.covers(worker, tier)]
