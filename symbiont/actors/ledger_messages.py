"""What one can say to the ledger, and what it answers."""

import asyncio

import msgspec

from supervisors import Request
from symbiont.domain.budget import CallKey, Claim, Granted, OverBudget, Use
from symbiont.domain.ledger import Entry
from symbiont.domain.totals import Totals
from symbiont.domain.webhook import LimitReached
from symbiont.ports import Damage, JournalDamaged, Receipt


class Recorded(msgspec.Struct, frozen=True):
    """The call is on disk."""


class Refused(msgspec.Struct, frozen=True):
    """The disk takes nothing at the moment, or the journal is damaged and takes nothing until it is mended; nothing of the
    record remains.
    """

    reason: str
    code: str = "STORAGE_REFUSED"
    hint: str = ""


def refusal(error: BaseException | Damage) -> Refused:
    """What somebody is told whose record was not taken."""
    damage = error.damage if isinstance(error, JournalDamaged) else error
    if isinstance(damage, Damage):
        return Refused(damage.reason, "DATA_CORRUPT", damage.hint)
    return Refused(str(error))


def failure_of(done: "asyncio.Future[Receipt]") -> Exception | None:
    """Why a record that was handed to a journal is not on disk; None if it is."""
    error = done.exception()
    return error if isinstance(error, Exception) else None


class ReadDamage(msgspec.Struct, Request[Damage | None], frozen=True):
    """What is damaged of the ledger; then no call can be booked, so none may be made."""


class Spoiled(msgspec.Struct, frozen=True):
    """The open journal of the ledger or of the queue was changed by somebody else. The queue hears of both, and takes nothing more."""

    damage: Damage


def spoiled(done: "asyncio.Future[Damage]") -> Spoiled:
    """What comes of `Journal.spoiled`."""
    return Spoiled(done.result())


class Append(msgspec.Struct, Request[Recorded | Refused], frozen=True):
    """A call was made. What it had reserved is free again: it counts as what it cost."""

    entry: Entry


class Imported(msgspec.Struct, frozen=True):
    """So many lines are on disk; the others had been taken in just before."""

    count: int


class Import(msgspec.Struct, Request[Imported | Refused], frozen=True):
    """Calls that others have made, at their own dates. Refused half-way, the ones before are there: ask again."""

    entries: tuple[Entry, ...]


class ReadTotals(msgspec.Struct, Request[Totals], frozen=True):
    """The fold of all lines."""


class Reserve(msgspec.Struct, Request[Granted | OverBudget], frozen=True):
    """May this call be made? What it may cost is set aside until it is appended or released, or its run has ended."""

    claim: Claim


class Release(msgspec.Struct, frozen=True):
    """A cast: the call has not been made."""

    key: CallKey


class BudgetFreed(msgspec.Struct, frozen=True):
    """A cast to the queue, a hint: what calls under way had reserved is free again; who waits for this `reason` may look now."""

    reason: str


class ReadAlerts(msgspec.Struct, Request[tuple[LimitReached, ...]], frozen=True):
    """The budgets that are nearly or quite used up in the present periods."""


class ReadBudgets(msgspec.Struct, Request[tuple[Use, ...]], frozen=True):
    """Where every budget stands now."""
