"""The one writer of the ledger: every model call, once, on disk before anybody hears of it; and the budgets over it.

Guarantees: `Append` answers when the line is durable; a call that is appended twice (its first answer was lost in a crash) is
recorded once and acknowledged both times. Totals are one fold over the lines, the same for every reader. A call that reserved
its share of a budget counts against it from then on, first with its upper bound and then with what it cost.
A disk that refuses is answered with `Refused`; a sync that failed ends the actor, for what the disk holds is then unknown. When somebody
else changes the file, the queue is told: what cannot be booked must not be called.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from supervisors import NO_REPLY, Actor, Custom, Down, From, Process, Stop
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.budgeting import Budgeting, limit_of
from symbiont.actors.ledger_book import CHECKPOINT_AT_END_LINES, CHECKPOINT_LINES, Book
from symbiont.actors.ledger_messages import (
    Append,
    BudgetFreed,
    Import,
    Imported,
    ReadAlerts,
    ReadBudgets,
    ReadDamage,
    ReadTotals,
    Recorded,
    Refused,
    Release,
    Reserve,
    Spoiled,
    failure_of,
    refusal,
    spoiled,
)
from symbiont.actors.webhook_messages import LimitNotice
from symbiont.domain.budget import Alert, Budget, Claim, Granted
from symbiont.domain.ledger import Entry, encode, key_of
from symbiont.domain.ledger_fold import Key, LedgerFold
from symbiont.domain.moment import rfc3339
from symbiont.domain.webhook import LimitReached
from symbiont.ports import Clock, Damage, Journal, Receipt, SyncFailed

__all__ = [
    "Append",
    "BudgetFreed",
    "Import",
    "Imported",
    "Ledger",
    "ReadBudgets",
    "ReadTotals",
    "Recorded",
    "Refused",
    "Release",
    "Reserve",
]

LOOK_AT_BUDGETS_S: Final = 5.0
"""After a start: by then those are there who want to hear of a limit that was lowered."""

_log = structlog.get_logger("symbiont.ledger")


class _Written(msgspec.Struct, frozen=True):
    entry: Entry
    error: Exception | None


class _ImportWritten(msgspec.Struct, frozen=True):
    entries: tuple[Entry, ...]
    results: tuple[object, ...]
    from_: From


class _Tried(msgspec.Struct, frozen=True):
    """Something was to be noted that can be done without; `failure` is what that is called in the log."""

    failure: str
    error: Exception | None


class _LookAtBudgets(msgspec.Struct, frozen=True):
    pass


class Ledger(Actor):
    """`notes` is the journal of the alerts given (see `budgeting.py`); a checkpoint is due every `checkpoint_lines`."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        notes: Journal,
        budgets: tuple[Budget, ...] = (),
        checkpoint_lines: int = CHECKPOINT_LINES,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._budgeting = Budgeting(budgets, notes=notes, clock=clock)
        self._book = Book(LedgerFold())
        self._waiting: dict[Key, list[From]] = {}
        self._imports_under_way = 0
        self._damage: Damage | None = None
        self._checkpoint_lines = checkpoint_lines

    async def init(self) -> None:
        fold = LedgerFold()
        opened = await self._journal.open(fold)
        self._damage = opened.damage
        self.pipe(self._journal.spoiled(), spoiled)
        self._book = Book(fold)
        self._checkpoint_if_due()
        await self._budgeting.open()
        self.send_after(LOOK_AT_BUDGETS_S, _LookAtBudgets())

    async def terminate(self, reason: ExitReason) -> None:
        self._checkpoint_if_due(CHECKPOINT_AT_END_LINES)
        await self._journal.close()
        await self._budgeting.close()

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Append(entry):
                return self._append(entry, from_)
            case Import(entries):
                return self._import(entries, from_)
            case Reserve(claim):
                return self._reserve(claim, from_)
            case _:
                return self._query(request, from_)

    def _query(self, request: Any, from_: From) -> object:
        match request:
            case ReadTotals():
                return self._book.totals.copy()
            case ReadDamage():
                return self._damage
            case ReadBudgets():
                return self._budgeting.uses(self._book.totals)
            case ReadAlerts():
                return self._notices(self._budgeting.standing(self._book.totals))
            case _:
                return super().handle_call(request, from_)

    def handle_cast(self, message: Any) -> object:
        if not isinstance(message, Release):
            return super().handle_cast(message)
        if self._budgeting.release(message.key):
            self._invite()
        return None

    def handle_info(self, message: Any) -> object:
        match message:
            case _Written():
                return self._written(message)
            case _ImportWritten():
                return self._import_written(message)
            case _LookAtBudgets():
                self._alert(self._budgeting.alerts(self._book.totals))
                return None
            case Spoiled(damage):
                self._damage = damage
                self.named(names.QUEUE).cast(message)
                return None
            case _Tried():
                return _outcome(message)
            case Down(process=process):
                if self._budgeting.release_all(process):
                    self._invite()
                return None
            case _:
                return super().handle_info(message)

    # Calls

    def _append(self, entry: Entry, from_: From) -> object:
        key = key_of(entry)
        if self._book.has(key):
            return Recorded()
        if key in self._waiting:
            self._waiting[key].append(from_)
            return NO_REPLY
        self._waiting[key] = [from_]

        self.pipe(self._journal.append(encode(entry)), lambda done: _Written(entry, failure_of(done)))
        return NO_REPLY

    def _written(self, written: _Written) -> Stop | None:
        waiting = self._waiting.pop(key_of(written.entry))
        if isinstance(written.error, SyncFailed):
            return _stop(written.error)
        answer = Recorded() if written.error is None else refusal(written.error)
        for from_ in waiting:
            from_.reply(answer)
        if written.error is None:
            self._settle(written.entry)
        return None

    def _settle(self, entry: Entry) -> None:
        self._book.add(entry)
        had_reserved = self._budgeting.release(key_of(entry))
        self._alert(self._budgeting.alerts(self._book.totals, after=entry))
        if had_reserved:
            self._invite()
        self._checkpoint_if_due()

    # Calls of others

    def _import(self, entries: Sequence[Entry], from_: From) -> object:
        news = self._book.take_in(entries)
        self._imports_under_way += 1
        written = asyncio.gather(*(self._journal.append(encode(entry)) for entry in news), return_exceptions=True)

        def wrap(done: "asyncio.Future[list[Any]]") -> _ImportWritten:
            return _ImportWritten(tuple(news), tuple(done.result()), from_)

        self.pipe(written, wrap)
        return NO_REPLY

    def _import_written(self, written: _ImportWritten) -> Stop | None:
        self._imports_under_way -= 1
        refused: BaseException | None = None
        for entry, result in zip(written.entries, written.results, strict=True):
            if isinstance(result, BaseException):
                refused = result
                self._book.give_up(entry)
            else:
                self._book.add(entry)
        if isinstance(refused, SyncFailed):
            return _stop(refused)
        self._alert(self._budgeting.alerts(self._book.totals))
        written.from_.reply(Imported(len(written.entries)) if refused is None else refusal(refused))
        self._checkpoint_if_due()
        return None

    # Checkpoints

    def _checkpoint_if_due(self, lines: int | None = None) -> None:
        """Only between calls: it covers all that was appended, and so what it says must."""
        is_quiet = not self._waiting and not self._imports_under_way
        if is_quiet and self._damage is None and self._book.lines_since_checkpoint >= (lines or self._checkpoint_lines):
            self.pipe(self._journal.checkpoint(self._book.checkpoint()), _trying("checkpoint_not_written"))

    # Budgets

    def _reserve(self, claim: Claim, from_: From) -> object:
        answer = self._budgeting.reserve(claim, self._book.totals, from_.caller)
        if isinstance(answer, Granted) and isinstance(from_.caller, Process):
            self.monitor(from_.caller)
        return answer

    def _invite(self) -> None:
        """Room in a budget: whoever was turned away while it was reserved may look again."""
        for reason in self._budgeting.worth_another_look():
            self.named(names.QUEUE).cast(BudgetFreed(reason))

    def _alert(self, alerts: Sequence[Alert]) -> None:
        for notice in self._notices(alerts):
            self.named(names.WEBHOOKS).cast(LimitNotice(notice))
        for alert in alerts:
            self.pipe(self._budgeting.note(alert, rfc3339(self._clock.wall())), _trying("alert_not_noted"))

    def _notices(self, alerts: Sequence[Alert]) -> tuple[LimitReached, ...]:
        at = rfc3339(self._clock.wall())
        return tuple(limit_of(alert, at) for alert in alerts)


def _trying(failure: str) -> "Callable[[asyncio.Future[Receipt]], _Tried]":
    return lambda done: _Tried(failure, failure_of(done))


def _outcome(tried: _Tried) -> Stop | None:
    """What a full disk refused here costs nothing but time: an alert is given again, a start reads more."""
    if isinstance(tried.error, SyncFailed):
        return _stop(tried.error)
    if tried.error is not None:
        _log.error(tried.failure, error=str(tried.error))
    return None


def _stop(error: BaseException) -> Stop:
    return Stop(Custom(("sync_failed", str(error))))
