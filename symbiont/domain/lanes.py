"""Lanes and the limits that close them. A lane is one tier of one worker; a limit closes one lane or all of a worker.

After a limit's end its lanes are half open: one probe goes first, and only its success opens them for the rest, because limits
have been seen to outlast their announced reset. Pure state: takes the time, never asks for it.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from symbiont.domain.routing import STOPPAGES, Lane

Key = tuple[str, str, str]
"""Worker, tier (empty = all of them) and name of a limit."""


class Closed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit in force, and a line of `limits.jsonl`. `tier` empty = the whole worker.

    `resets_at` is what the provider said, `opens_at` that plus jitter: when the probe goes; `since` is when it was met first, however
    often it has been put off meanwhile (all epoch seconds). `lifted` in a line takes the limit back.
    """

    worker: str
    limit: str
    resets_at: float
    opens_at: float
    tier: str = ""
    lifted: bool = False
    since: float = 0.0

    def covers(self, worker: str, tier: str) -> bool:
        return self.worker == worker and self.tier in {"", tier}

    @property
    def key(self) -> Key:
        """A limit in force replaces the one with the same key."""
        return self.worker, self.tier, self.limit

    @property
    def began(self) -> float:
        """`since`; lines of earlier versions do not say."""
        return self.since or self.resets_at


class LaneBook:
    """Which lanes are closed, by what, until when, and which have a probe out."""

    def __init__(self, lanes: Iterable[tuple[str, str]]) -> None:
        self._lanes = tuple(lanes)
        self._closed: dict[Key, Closed] = {}
        self._probes: set[Closed] = set()
        self._strikes: Counter[Key] = Counter()

    @property
    def limits(self) -> tuple[Closed, ...]:
        return tuple(self._closed.values())

    def serves(self, worker: str) -> bool:
        """Whether any lane is this worker's."""
        return any(name == worker for name, _ in self._lanes)

    def close(self, limit: Closed) -> None:
        """Put a limit into force, or (`lifted`) out of it."""
        before = self._closed.pop(limit.key, None)
        if before is not None:
            self._probes.discard(before)
        if not limit.lifted:
            self._closed[limit.key] = limit

    def is_news(self, key: Key, probed: frozenset[Closed]) -> bool:
        """Whether a call that probed these limits knows something newer about the limit with this key than the limit itself.

        Nothing is sent while a limit is in force, so whoever was no probe of it was sent before.
        """
        before = self._closed.get(key)
        return before is None or before in probed

    def strikes(self, key: Key) -> int:
        """How often this limit was met since its lane last worked."""
        return self._strikes[key]

    def strike(self, key: Key) -> None:
        """Count that it was met."""
        self._strikes[key] += 1

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

    def is_out_of_order(self, now: float) -> bool:
        """Whether every lane is closed, and each for what no reset of the provider's will end."""
        return all(not lane.is_open(now) and lane.closed_by in STOPPAGES for lane in self.lanes(now))

    def is_open(self, worker: str, tier: str, now: float) -> bool:
        return self._lane(worker, tier, now).is_open(now)

    def next_opening(self, now: float) -> float | None:
        """The next moment at which a limit ends."""
        return min((limit.opens_at for limit in self._closed.values() if limit.opens_at > now), default=None)

    def probing(self, worker: str, tier: str, now: float) -> bool:
        """Whether this lane is half open and its probe is out: everybody else waits for the outcome."""
        return not self._probes.isdisjoint(self._half_open(worker, tier, now))

    def send(self, worker: str, tier: str, now: float) -> frozenset[Closed]:
        """A call goes out on this lane. Returns the limits it probes, to be given back with its outcome."""
        probed = self._half_open(worker, tier, now)
        self._probes |= probed
        return probed

    def back_unjudged(self, probed: frozenset[Closed]) -> None:
        """A call ended without telling whether these limits are over (cancelled, crashed): the next one probes again."""
        self._probes -= probed

    def worked(self, worker: str, tier: str, probed: frozenset[Closed]) -> tuple[Closed, ...]:
        """A call was accepted by the provider: the limits it probed are over, unless they closed again. Returns them.

        A call that was sent before a limit came into force proves nothing about it, however well it ends.
        """
        for key in [key for key in self._strikes if key[0] == worker and key[1] in {"", tier}]:
            del self._strikes[key]
        over = tuple(limit for limit in self._closed.values() if limit in probed)
        for limit in over:
            self.close(msgspec.structs.replace(limit, lifted=True))
        return over

    def _half_open(self, worker: str, tier: str, now: float) -> frozenset[Closed]:
        return frozenset(x for x in self._closed.values() if x.covers(worker, tier) and x.opens_at <= now)
