"""The budgets as the ledger keeps them: who has reserved what, and which alerts have been given.

A part of the ledger and not an actor: called from its callbacks alone. Guarantees: a reservation ends with its call or with the
run that made it; an alert is given once per budget, subject, period and share, also over restarts, for it is noted in
`budgets.jsonl`. Killed between the two, the alert is given again, with the same id.
Does not count money: the ledger's fold does.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from supervisors import Process
from symbiont.domain.budget import Alert, Budget, BudgetBook, CallKey, Claim, Granted, OverBudget, Use
from symbiont.domain.ledger import Entry
from symbiont.domain.line_fold import LineFold, read_each
from symbiont.domain.price import usd
from symbiont.domain.totals import Totals
from symbiont.domain.webhook import LimitReached
from symbiont.ports import Clock, Journal, Receipt

REMEMBERED_ALERTS: Final = 10_000

_log = structlog.get_logger("symbiont.budgets")


class _Noted(msgspec.Struct, frozen=True):
    """A line of `budgets.jsonl`: an alert that was given."""

    id: str
    timestamp: str = ""


class _Given(LineFold):
    """The fold of `budgets.jsonl`: which alerts were given. Periods pass: the newest are enough."""

    def __init__(self) -> None:
        self.ids: deque[str] = deque(maxlen=REMEMBERED_ALERTS)

    def absorb(self, lines: Sequence[bytes]) -> None:
        self.ids.extend(noted.id for noted in read_each(lines, _Noted, _not_read))


class Budgeting:
    """`notes` is the journal of the alerts given."""

    def __init__(self, budgets: tuple[Budget, ...], *, notes: Journal, clock: Clock) -> None:
        self._book = BudgetBook(budgets)
        self._notes = notes
        self._clock = clock
        self._given: dict[str, None] = {}
        self._holders: dict[Process, set[CallKey]] = {}
        self._turned_away: set[str] = set()

    async def open(self) -> None:
        """A note that cannot be read is passed over: at worst an alert is given again."""
        given = _Given()
        await self._notes.open(given)
        for alert_id in given.ids:
            self._remember(alert_id)

    async def close(self) -> None:
        await self._notes.close()

    # Reservations

    def reserve(self, claim: Claim, totals: Totals, holder: object) -> Granted | OverBudget:
        answer = self._book.reserve(claim, totals, self._clock.wall())
        if isinstance(answer, OverBudget):
            self._turned_away.add(answer.reason)
        elif isinstance(holder, Process):
            self._holders.setdefault(holder, set()).add(claim.key)
        return answer

    def release(self, key: CallKey) -> bool:
        """Whether anything was reserved for this call."""
        for keys in self._holders.values():
            keys.discard(key)
        return self._book.release(key)

    def release_all(self, holder: Process) -> bool:
        """Its run has ended."""
        released = [self._book.release(key) for key in self._holders.pop(holder, ())]
        return any(released)

    def worth_another_look(self) -> frozenset[str]:
        """The reasons of tasks that were turned away since this was last asked: something reserved is free again."""
        turned_away, self._turned_away = frozenset(self._turned_away), set()
        return turned_away

    def uses(self, totals: Totals) -> tuple[Use, ...]:
        return tuple(self._book.uses(totals, self._clock.wall()))

    # Alerts

    def standing(self, totals: Totals) -> list[Alert]:
        """All that there is to say about the present periods, said before or not."""
        return self._book.alerts(totals, self._clock.wall())

    def alerts(self, totals: Totals, after: Entry | None = None) -> list[Alert]:
        """What has not been said yet, about the budgets of one call or, without one, about all; from now on it counts as said."""
        now = self._clock.wall()
        if after is None:
            found = self.standing(totals)
        elif after.billing == "rehearsal":
            return []
        else:
            found = self._book.alerts_after(after.tier or after.model, after.project, totals, now)
        news = [alert for alert in found if alert.id not in self._given]
        for alert in news:
            self._remember(alert.id)
            _tell(alert)
        return news

    def note(self, alert: Alert, timestamp: str) -> "asyncio.Future[Receipt]":
        return self._notes.append(msgspec.json.encode(_Noted(alert.id, timestamp)))

    def _remember(self, alert_id: str) -> None:
        self._given[alert_id] = None
        if len(self._given) > REMEMBERED_ALERTS:
            del self._given[next(iter(self._given))]


def _tell(alert: Alert) -> None:
    use = alert.use
    is_over = alert.share >= 1.0
    log = _log.error if is_over else _log.warning
    log(
        "budget_used_up" if is_over else "budget_alert",
        id=alert.id,
        budget=use.label,
        used_usd=usd(use.used.charged_nanos),
        used_calls=use.used.calls,
        limit_usd=use.budget.limit_usd,
        limit_calls=use.budget.limit_calls,
    )


def limit_of(alert: Alert, at: str) -> LimitReached:
    """What others are told of it: the nearer of the two limits of the budget."""
    use, budget = alert.use, alert.use.budget
    of_calls = budget.limit_usd is None or (budget.limit_calls is not None and use.is_nearer_in_calls)
    return LimitReached(
        level="reached" if alert.share >= 1.0 else "warning",
        limit=budget.name,
        period=use.period,
        used=use.used.calls if of_calls else usd(use.used.charged_nanos),
        allowed=(budget.limit_calls if of_calls else budget.limit_usd) or 0.0,
        unit="calls" if of_calls else "usd",
        at=at,
        project=use.subject if budget.scope == "project" else "",
        tier=use.subject if budget.scope == "tier" else "",
    )


def _not_read(line: str, error: str) -> None:
    _log.warning("alert_not_read", error=error, line=line)
