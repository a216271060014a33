"""How much may be spent, and by whom: budgets of a day or a month, for everything, a project or a tier.

Guarantees: a call is let through while what was spent and what calls under way have reserved is below every limit that it
falls under. So calls at the same time exceed a limit in calls never, and one in USD by one call at most, and by what each costs
beyond its reservation, which is an upper estimate. Periods are those of UTC. Rehearsal counts in no budget, classifying does.
Pure: no clock, no disk. What was spent is the ledger's fold; a call of unknown cost counts as what it had reserved.
"""

from calendar import timegm
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from symbiont.domain.moment import rfc3339
from symbiont.domain.price import ModelPrice, nanos, usd
from symbiont.domain.totals import NOTHING, Table, Tally, Totals

Period = Literal["day", "month"]
Scope = Literal["global", "project", "tier"]

CallKey = tuple[str, int, str]
"""Task, attempt and kind: what identifies a call in the ledger."""

BUDGET_WAIT = "budget "
"""How the reason begins that a task gives for waiting for a budget."""

LOOK_AGAIN_S = 60.0
"""How long a task waits at most while nothing but calls under way keeps a budget from it."""

_BYTES_PER_TOKEN = 2
_WRAPPING_TOKENS = 1_000
_ANSWER_TOKENS = {"task": 16_000, "classify": 1_000, "judge": 1_000}


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row of `[[budgets]]`. `of` names the project or the tier; empty: each of them has the budget for itself.

    At least one of the limits is set. `alert_at` is the share of a limit at which it is warned of, 0..1.
    """

    name: str
    period: Period
    scope: Scope = "global"
    of: str = ""
    limit_usd: float | None = None
    limit_calls: int | None = None
    on_limit: Literal["wait", "refuse"] = "wait"
    alert_at: float = 0.8

    def subject(self, tier: str, project: str) -> str | None:
        """Whose share of the budget a call of this tier and project uses; None if it does not fall under it."""
        if self.scope == "global":
            return ""
        found = tier if self.scope == "tier" else project
        return found if self.of in ("", found) else None


class Claim(msgspec.Struct, frozen=True):
    """A call that is about to be made: which, and the most that it is expected to cost."""

    key: CallKey
    tier: str
    project: str
    bound_nanos: int


class Granted(msgspec.Struct, frozen=True):
    """The call may be made; what it may cost is set aside until it is settled or released."""


class OverBudget(msgspec.Struct, frozen=True):
    """The call may not be made now. `until` (epoch seconds): when to ask again; `detail` for people."""

    budget: str
    scope: Scope
    until: float
    on_limit: Literal["wait", "refuse"]
    detail: str

    @property
    def reason(self) -> str:
        """What a task that waits says it waits for."""
        return f"{BUDGET_WAIT}{self.budget}"


class Use(msgspec.Struct, frozen=True):
    """Where a budget stands, for one subject of it, in the period that ends at `resets_at` (epoch seconds)."""

    budget: Budget
    subject: str
    period: str
    resets_at: float
    used: Tally = NOTHING
    reserved_nanos: int = 0
    reserved_calls: int = 0

    @property
    def share(self) -> float:
        """How much of the nearer limit is used, 1.0 = all; what is only reserved does not count."""
        return max(self._share_of_usd, self._share_of_calls)

    @property
    def is_nearer_in_calls(self) -> bool:
        return self._share_of_calls > self._share_of_usd

    @property
    def _share_of_usd(self) -> float:
        limit_usd = self.budget.limit_usd
        return 0.0 if limit_usd is None else _share(self.used.charged_nanos, nanos(limit_usd))

    @property
    def _share_of_calls(self) -> float:
        limit_calls = self.budget.limit_calls
        return 0.0 if limit_calls is None else _share(self.used.calls, limit_calls)

    @property
    def is_closed(self) -> bool:
        """Whether no further call may be made now."""
        budget, spoken_for = self.budget, self.used.charged_nanos + self.reserved_nanos
        return (budget.limit_usd is not None and spoken_for >= nanos(budget.limit_usd)) or (
            budget.limit_calls is not None and self.used.calls + self.reserved_calls >= budget.limit_calls
        )

    @property
    def state(self) -> Literal["open", "alerted", "used_up"]:
        if self.share >= 1.0:
            return "used_up"
        return "alerted" if self.share >= self.budget.alert_at else "open"

    @property
    def label(self) -> str:
        """`daily`, `per-tier (opus)`, `per-project (no project)`."""
        subject = self.subject or ("no project" if self.budget.scope == "project" else "")
        return f"{self.budget.name} ({subject})" if subject else self.budget.name


class Alert(msgspec.Struct, frozen=True):
    """A share of a budget has been reached. `id` is the same whenever the same is said again."""

    id: str
    share: float
    use: Use


class BudgetBook:
    """The budgets, and what calls under way have reserved. Does not hold what was spent: that is handed in."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self.budgets = tuple(budgets)
        self._reserved: dict[CallKey, Claim] = {}

    def reserve(self, claim: Claim, totals: Totals, now: float) -> Granted | OverBudget:
        """Asking again for the same call is granted again and counts once."""
        if claim.key in self._reserved:
            return Granted()
        closed = [use for use in self._uses_of(claim.tier, claim.project, totals, now) if use.is_closed]
        if not closed:
            self._reserved[claim.key] = claim
            return Granted()
        # one that refuses has the last word; else the call has to wait for all of them
        worst = max(closed, key=lambda use: (use.budget.on_limit == "refuse", _until(use, now)))
        until, on_limit = _until(worst, now), worst.budget.on_limit
        return OverBudget(worst.budget.name, worst.budget.scope, until, on_limit, _told(worst))

    def release(self, key: CallKey) -> bool:
        """The call is in the ledger, or will not be made. Whether it had reserved anything."""
        return self._reserved.pop(key, None) is not None

    def uses(self, totals: Totals, now: float) -> list[Use]:
        """Where every budget stands, each subject by itself that has used or reserved something, and each that is named."""
        return [
            self._use(budget, subject, totals, now)
            for budget in self.budgets
            for subject in self._subjects(budget, totals, now)
        ]

    def alerts(self, totals: Totals, now: float) -> list[Alert]:
        """All that there is to say about the present period, said before or not."""
        return [alert for use in self.uses(totals, now) for alert in _alerts(use)]

    def alerts_after(self, tier: str, project: str, totals: Totals, now: float) -> list[Alert]:
        """The same for the budgets that a call of this tier and project falls under."""
        return [alert for use in self._uses_of(tier, project, totals, now) for alert in _alerts(use)]

    def _uses_of(self, tier: str, project: str, totals: Totals, now: float) -> Iterator[Use]:
        for budget in self.budgets:
            subject = budget.subject(tier, project)
            if subject is not None:
                yield self._use(budget, subject, totals, now)

    def _use(self, budget: Budget, subject: str, totals: Totals, now: float) -> Use:
        period, resets_at = period_at(budget.period, now)
        used = _spent(budget, totals, period).get(period if budget.scope == "global" else subject, NOTHING)
        held = [claim for claim in self._reserved.values() if budget.subject(claim.tier, claim.project) == subject]
        return Use(budget, subject, period, resets_at, used, sum(claim.bound_nanos for claim in held), len(held))

    def _subjects(self, budget: Budget, totals: Totals, now: float) -> list[str]:
        if budget.scope == "global":
            return [""]
        if budget.of:
            return [budget.of]
        claims = (budget.subject(claim.tier, claim.project) for claim in self._reserved.values())
        spent = _spent(budget, totals, period_at(budget.period, now)[0])
        return sorted({*spent, *(subject for subject in claims if subject is not None)})


def period_at(period: Period, now: float) -> tuple[str, float]:
    """The name of the period of UTC in which `now` lies (`2026-03-19`, `2026-03`), and when the next begins."""
    today = datetime.fromtimestamp(now, UTC)
    year, month, day = today.year, today.month, today.day
    if period == "day":
        return f"{year:04}-{month:02}-{day:02}", float(timegm((year, month, day, 0, 0, 0)) + 86_400)
    following = (year + month // 12, month % 12 + 1, 1, 0, 0, 0)
    return f"{year:04}-{month:02}", float(timegm(following))


def upper_bound_nanos(kind: str, texts: Iterable[str], price: ModelPrice | None, fallback_usd: float) -> int:
    """The most that a call is expected to cost, in nano-USD.

    A token for every two bytes of its texts and 1,000 for what the worker puts around them, each at the dearest way to be read
    (plain or into a cache); and a long answer: 16,000 tokens, 1,000 of a classification. `fallback_usd` if nobody knows the price.
    """
    if price is None:
        return nanos(fallback_usd)
    read = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // _BYTES_PER_TOKEN + _WRAPPING_TOKENS
    rates = price.rates_for(read)
    return read * max(rates.input, rates.cache_write_5m, rates.cache_write_1h) + _ANSWER_TOKENS[kind] * rates.output


def _spent(budget: Budget, totals: Totals, period: str) -> Table:
    match (budget.scope, budget.period):
        case ("global", "day"):
            return totals.by_date
        case ("global", _):
            return totals.by_month
        case ("tier", "day"):
            return totals.by_date_and_tier.get(period, {})
        case ("tier", _):
            return totals.by_month_and_tier.get(period, {})
        case (_, "day"):
            return totals.by_date_and_project.get(period, {})
        case _:
            return totals.by_month_and_project.get(period, {})


def _share(used: int, limit: int) -> float:
    return used / limit if limit else 1.0


def _until(use: Use, now: float) -> float:
    """The end of the period, unless nothing but calls under way is in the way."""
    return use.resets_at if use.share >= 1.0 else min(use.resets_at, now + LOOK_AGAIN_S)


def _alerts(use: Use) -> list[Alert]:
    shares = dict.fromkeys((use.budget.alert_at, 1.0))
    subject = f"{use.budget.name}/{use.subject}/{use.period}"
    return [Alert(f"{subject}/{round(share * 100)}", share, use) for share in shares if use.share >= share]


def _told(use: Use) -> str:
    parts: list[str] = []
    budget, used = use.budget, use.used
    if budget.limit_usd is not None:
        held = f" and {_money(use.reserved_nanos)} reserved by calls under way" if use.reserved_nanos else ""
        parts.append(f"{_money(used.charged_nanos)} of {budget.limit_usd:g} USD used{held}")
    if budget.limit_calls is not None:
        held = f" and {use.reserved_calls} under way" if use.reserved_calls else ""
        parts.append(f"{used.calls} of {budget.limit_calls} calls made{held}")
    return f"budget {use.label}: {', '.join(parts)}; it begins anew at {rfc3339(use.resets_at)}"


def _money(amount: int) -> str:
    return f"{usd(amount):.4f}"
