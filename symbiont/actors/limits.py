"""The limits in force: learnt from the outcomes of calls, noted in `limits.jsonl`, remembered over a restart.

A part of the dispatcher and not an actor: called from its callbacks alone. Guarantees: a limit counts from the moment it is
learnt, also if a full disk cannot note it; the last line about a limit is the one that counts after a restart. What is no limit
of the provider's (`STOPPAGES`) is forgotten by a restart.
Does not decide where a task goes: that is `domain.routing`, over the lanes of `book`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from symbiont.domain.closure import LONGEST_CREDIBLE_WAIT_S, ClosurePolicy, closure_of, limit_of, proves_service
from symbiont.domain.lanes import Closed, Key, LaneBook
from symbiont.domain.line_fold import LineFold, read_each
from symbiont.domain.moment import rfc3339
from symbiont.domain.outcome import LimitScope, Outcome
from symbiont.domain.routing import STOPPAGES
from symbiont.domain.webhook import LaneClosed
from symbiont.ports import Clock, Journal, Randomness, SyncFailed

SPARE_LINES: Final = 1_000
"""So many lines that say nothing new may stand in the file when it is opened."""

STILL_S: Final = 900.0
"""A limit that is met again so soon after its end has outlasted it; later it is another one."""

_PASSING: Final = ("rate_limit",)
"""Limits that come and go by the second: nobody is to be woken for them."""

_log = structlog.get_logger("symbiont.limits")


class _Noted(LineFold):
    """The limits of a journal: the last word about each, in the order of these words."""

    def __init__(self) -> None:
        self.limits: dict[Key, Closed] = {}
        self.lines = 0

    def absorb(self, lines: Sequence[bytes]) -> None:
        self.lines += len(lines)
        for limit in read_each(lines, Closed, _not_read):
            self.limits.pop(limit.key, None)
            self.limits[limit.key] = limit


class Limits:
    """`jitter_s`: how much later than announced a lane opens at most, so that not everybody comes back at once. `tell` hears of
    every limit when it comes into force, and not again while it lasts.
    """

    def __init__(
        self,
        book: LaneBook,
        *,
        journal: Journal,
        clock: Clock,
        randomness: Randomness,
        policy: ClosurePolicy,
        jitter_s: float,
        tell: Callable[[LaneClosed], object],
    ) -> None:
        self.book = book
        self._journal = journal
        self._clock = clock
        self._randomness = randomness
        self._policy = policy
        self._jitter_s = jitter_s
        self._tell = tell

    async def open(self) -> None:
        """Also limits that ended meanwhile count: they are half open until a probe has worked.

        A line that is no limit is passed over: at worst a call meets that limit again.
        """
        noted = _Noted()
        await self._journal.open(noted)
        for limit in noted.limits.values():
            if self.book.serves(limit.worker) and limit.limit not in STOPPAGES:
                self.book.close(limit)
        await self._compact(noted)

    async def _compact(self, noted: _Noted) -> None:
        """Old words about a limit are of no use; a disk that is full keeps them."""
        kept = [msgspec.json.encode(limit) for limit in noted.limits.values() if not limit.lifted]
        if noted.lines > len(kept) + SPARE_LINES:
            try:
                await self._journal.compact(lambda: kept)
            except SyncFailed:
                raise
            except OSError as error:
                _log.warning("limits_not_compacted", error=str(error))

    async def shorten(self) -> None:
        """A wall clock that was ahead for a moment must not keep a lane closed for good."""
        latest = self._clock.wall() + LONGEST_CREDIBLE_WAIT_S
        for limit in self.book.limits:
            if limit.opens_at > latest + self._jitter_s:
                await self._put(msgspec.structs.replace(limit, resets_at=latest, opens_at=latest))

    async def close(self) -> None:
        await self._journal.close()

    async def learn(self, lane: tuple[str, str], probed: frozenset[Closed], outcome: Outcome) -> None:
        """What the outcome of a call says about its lane, and about the limits it was the probe of."""
        limit = limit_of(outcome)
        if limit is not None:
            await self._met(limit, lane, probed, outcome)
        elif proves_service(outcome):
            for over in self.book.worked(*lane, probed):
                await self._note(msgspec.structs.replace(over, lifted=True))
                _log.info("lane_opened", worker=over.worker, tier=over.tier or "all", limit=over.limit)

    async def _met(
        self, limit: tuple[str, LimitScope], lane: tuple[str, str], probed: frozenset[Closed], outcome: Outcome
    ) -> None:
        """A call that was under way when the limit came into force can only guess anew, and would put off its end."""
        (name, scope), (worker, tier), now = limit, lane, self._clock.wall()
        key = (worker, "" if scope == "account" else tier, name)
        is_news = self.book.is_news(key, probed)
        closure = closure_of(outcome, now=now, strikes=self.book.strikes(key), policy=self._policy)
        if is_news:
            self.book.strike(key)
        if closure is not None and (is_news or closure.is_stated):
            await self._shut(key, closure.until, now)

    async def _shut(self, key: Key, until: float, now: float) -> None:
        worker, tier, name = key
        opens_at = until + self._randomness.uniform(0.0, self._jitter_s)
        same = [limit.began for limit in self.book.limits if limit.key == key and now - limit.opens_at < STILL_S]
        limit = Closed(worker, name, until, opens_at, tier, since=same[0] if same else now)
        await self._put(limit)
        if not same and (notice := notice_of(limit)) is not None:
            self._tell(notice)
        _log.warning("lane_closed", worker=worker, tier=tier or "all", limit=name, for_s=round(opens_at - now, 1))

    async def lift_all(self) -> tuple[Closed, ...]:
        """By hand; returns which."""
        limits = self.book.limits
        for limit in limits:
            await self._put(msgspec.structs.replace(limit, lifted=True))
        return limits

    async def _put(self, limit: Closed) -> None:
        self.book.close(limit)
        await self._note(limit)

    async def _note(self, limit: Closed) -> None:
        """A limit that a full disk could not note is in force all the same; only a restart would forget it."""
        if limit.limit in STOPPAGES:
            return
        try:
            await self._journal.append(msgspec.json.encode(limit))
        except SyncFailed:
            raise  # nothing is noted any more until a new life of the dispatcher opens the journal anew
        except OSError as error:
            _log.error("limit_not_noted", limit=limit.limit, error=str(error))


def notice_of(limit: Closed) -> LaneClosed | None:
    """What others are told of it, the same for as long as it lasts; None if it is not worth a word."""
    if limit.limit in _PASSING:
        return None
    return LaneClosed(limit.limit, limit.worker, rfc3339(limit.resets_at), rfc3339(limit.began), limit.tier)


def _not_read(line: str, error: str) -> None:
    _log.warning("limit_not_read", error=error, line=line)
