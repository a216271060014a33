"""Where a task goes: from a classification to the tier it wants, and from the open lanes to a route.

Guarantees: pure; the cheapest able tier with an open lane wins, lanes are taken in the order given (the caller's order of
preference), and every answer tells its rule and why each lane before it was passed over.
Does not know slots, models or limits by name: a lane is open or it is closed until some moment.
The classifier's contract is in `classify.py`, the rules used when no model can classify in `heuristic.py`.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

import msgspec

from symbiont.domain.task import Classification
from symbiont.domain.tier import Tier, TierTable

STOPPAGES = {
    "unauthorised": "UNAUTHORISED",
    "no_credit": "NO_CREDIT",
    "cli_missing": "CLI_MISSING",
    "outage": "UNREACHABLE",
}
"""Limits that are none of the provider's making, with the code of the error they are to whoever is not meant to wait.

They end when somebody has mended something, which a restart often is part of: no restart remembers them.
"""


def wanted_tier(classification: Classification, tiers: TierTable, low_confidence: Literal["up", "stay"]) -> str:
    """The tier to look for: the classified one, or with `up` one above it if the judge was unsure.

    What the caller forced and what the configuration says (`forced`, `default`) are never raised.
    """
    is_judged = classification.source in {"model", "heuristic"}
    if not is_judged or classification.confidence != "low" or low_confidence == "stay":
        return classification.tier
    if tiers.get(classification.tier) is None:
        return classification.tier
    above = tiers.next_above(classification.tier)
    return classification.tier if above is None else above.name


class Lane(msgspec.Struct, frozen=True):
    """One tier of one worker. Open if `closed_by` is empty or `closed_until` (epoch seconds) has passed.

    `closed_by` names the limit; `closed_until` None beside it means that nobody knows when it ends.
    """

    worker: str
    tier: str
    closed_until: float | None = None
    closed_by: str = ""

    def is_open(self, now: float) -> bool:
        return self.closed_by == "" if self.closed_until is None else self.closed_until <= now


class Rejected(msgspec.Struct, frozen=True):
    """A lane that was passed over, and why."""

    worker: str
    tier: str
    reason: str


class Route(msgspec.Struct, frozen=True):
    """Where to run, by which rule, and which cheaper or preferred lanes were passed over for it."""

    worker: str
    tier: str
    rule: str
    rejected: tuple[Rejected, ...]


class Hold(msgspec.Struct, frozen=True):
    """Every able lane is closed: wait until `until` (epoch seconds, None = unknown) for the one `limit` closes."""

    until: float | None
    limit: str
    rejected: tuple[Rejected, ...]

    @property
    def reason(self) -> str:
        """What a task that waits says it waits for."""
        return f"pause after {self.limit}" if self.limit in STOPPAGES else f"limit {self.limit}"


def choose(
    wanted: str, lanes: Sequence[Lane], tiers: TierTable, *, now: float, floor: str | None = None
) -> Route | Hold | None:
    """The cheapest tier at or above both `wanted` and `floor` that has an open lane (`now` in epoch seconds).

    All able lanes closed: `Hold`. No lane for any able tier, or a tier that the table no longer has: None. A forced tier
    is raised too when its lanes are closed: that is what callers rely on when one model meets its limit.
    """
    able = _able_tiers(wanted, floor, tiers)
    ordered = [lane for tier in able for lane in lanes if lane.tier == tier.name]
    passed = list(takewhile(lambda lane: not lane.is_open(now), ordered))
    rejected = tuple(Rejected(lane.worker, lane.tier, _closed(lane)) for lane in passed)
    if len(passed) < len(ordered):
        lane = ordered[len(passed)]
        return Route(lane.worker, lane.tier, _rule(lane.tier, able, passed), rejected)
    return _hold(passed, rejected) if passed else None


def _able_tiers(wanted: str, floor: str | None, tiers: TierTable) -> tuple[Tier, ...]:
    """Tiers at or above both names; none if the configuration has dropped one of them since the task was recorded."""
    bounds = [tiers.get(name) for name in (wanted, floor) if name is not None]
    known = [tier for tier in bounds if tier is not None]
    if len(known) < len(bounds):
        return ()
    return tiers.at_or_above(max(known, key=lambda tier: tier.rank).name)


def _hold(closed: Sequence[Lane], rejected: tuple[Rejected, ...]) -> Hold:
    first = min(closed, key=lambda lane: float("inf") if lane.closed_until is None else lane.closed_until)
    return Hold(first.closed_until, first.closed_by, rejected)


def _rule(tier: str, able: Sequence[Tier], passed: Sequence[Lane]) -> str:
    steps = [each.name for each in able].index(tier)
    if steps == 0:
        return "cheapest capable tier"
    why = "; ".join(_skipped(each.name, passed) for each in able[:steps])
    return f"{why}: {'one tier' if steps == 1 else f'{steps} tiers'} up"


def _skipped(tier: str, passed: Sequence[Lane]) -> str:
    limits = sorted({lane.closed_by for lane in passed if lane.tier == tier})
    return f"{tier} closed by {' and '.join(limits)}" if limits else f"{tier} has no worker"


def _closed(lane: Lane) -> str:
    return f"closed by {lane.closed_by}"
