"""From the bytes of many lines to their totals, and to a checkpoint and back: how a ledger is read when it opens.

Guarantees: what `Totals.add` over the decoded lines would come to, at a fraction of the time: of a line only the fields that
count are read, and calls alike are gathered before they are counted. The identities of the newest calls are remembered, so
that a call that is settled twice is known. Does not check the chain and does not touch a file: the journal does.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode, key_of, utc_hour
from symbiont.domain.price import NANOS_PER_USD
from symbiont.domain.task import Billing
from symbiont.domain.totals import NOTHING, Coordinates, Tally, Totals

REMEMBERED_CALLS: Final = 10_000
"""How many of the newest calls are known by their identity: far more than can be under way when a process ends."""

CHECKPOINT_VERSION: Final = 1

_HOUR, _DAY = len("2026-03-19T14"), len("2026-03-19")

Key = tuple[str, int, str]


class _Counted(msgspec.Struct, gc=False):
    """What counts of a line, in the order of the line."""

    timestamp: str
    model: str
    input_tokens: int
    output_tokens: int
    estimated_cost_usd: float | None
    kind: Literal["task", "classify", "judge"] = "task"
    tier: str = ""
    worker: str = ""
    node: str = ""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    billing: Billing = "subscription"
    project: str = ""
    share: int = 1


class _Checkpoint(msgspec.Struct):
    version: int
    totals: Totals
    calls: list[Key]


_COUNTED = msgspec.json.Decoder(_Counted)
_CHECKPOINT = msgspec.json.Decoder(_Checkpoint)

_Alike = tuple[str, str, str, str, str, str, str, str]
"""Hour or day, model, tier, worker, node, project, kind, billing."""


class LedgerFold:
    """Implements `ports.Fold`. `totals` is right after every `absorb`; `absorbed` counts the lines that no checkpoint covers."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.absorbed = 0
        self._restored: list[Key] = []
        self._newest: deque[bytes] = deque(maxlen=REMEMBERED_CALLS)

    def newest_calls(self) -> list[Key]:
        """Oldest first; calls without a task id, of earlier versions, have no identity."""
        keys = [key_of(decode(line)) for line in self._newest]
        calls = [*self._restored, *(key for key in keys if key[0])]
        return calls[-REMEMBERED_CALLS:]

    def restore(self, state: bytes) -> None:
        """Go on from what `checkpoint_of` wrote. Raises `ValueError` if this is no such thing, or of another version."""
        try:
            found = _CHECKPOINT.decode(state)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"expected a checkpoint of the ledger, got: {error}") from error
        if found.version != CHECKPOINT_VERSION:
            raise ValueError(f"expected a checkpoint of version {CHECKPOINT_VERSION}, got: {found.version}")
        self.totals, self._restored = found.totals, found.calls
        self._newest.clear()

    def absorb(self, lines: Sequence[bytes]) -> None:
        """Count these lines too. Raises `SymbiontError("DATA_CORRUPT")` for one that is no entry.

        `details["index"]` tells which; those before it have been counted.
        """
        try:
            cells, odd = _gather(lines)
        except (SymbiontError, msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            self._absorb_one_by_one(lines)
            return
        self._add(cells)
        for entry in odd:
            self.totals.add(entry)
        self._remember(lines)

    def _absorb_one_by_one(self, lines: Sequence[bytes]) -> None:
        """`decode` says what is wrong with a line, or reads it after all."""
        for index, line in enumerate(lines):
            try:
                self.totals.add(decode(line))
            except SymbiontError as error:
                self._remember(lines[:index])
                error.details = {"index": index}
                raise
        self._remember(lines)

    def _remember(self, lines: Sequence[bytes]) -> None:
        self._newest.extend(lines)
        self.absorbed += len(lines)

    def checkpoint(self) -> bytes:
        return checkpoint_of(self.totals, self.newest_calls())

    def _add(self, cells: Mapping[_Alike, Tally]) -> None:
        """Days first: whether the hours of a day are kept depends on them."""
        days: dict[_Alike, Tally] = {}
        hours: dict[str, Tally] = {}
        for (hour, *rest), tally in cells.items():
            alike = cast("_Alike", (hour[:_DAY], *rest))
            days[alike] = days.get(alike, NOTHING) + tally
            if rest[-1] != "rehearsal":
                hours[hour] = hours.get(hour, NOTHING) + tally
        for (day, model, tier, *others), tally in days.items():
            self.totals.add_tally(day, Coordinates(model, tier or model, *others), tally)
        for hour, tally in hours.items():
            self.totals.add_hour(hour, tally)


def checkpoint_of(totals: Totals, calls: Sequence[Key]) -> bytes:
    """What `LedgerFold.restore` takes. Pure over values that nobody changes meanwhile, so it can run in another thread."""
    return msgspec.json.encode(_Checkpoint(CHECKPOINT_VERSION, totals, list(calls)))


def _gather(lines: Sequence[bytes]) -> tuple[dict[_Alike, Tally], list[Entry]]:
    """What the calls of an hour come to that are alike in all that counts, and the lines that take a closer look.

    This runs over a million lines when a ledger opens without a checkpoint; it is written for speed. Raises whatever a line
    gives reason for.
    """
    calls = _COUNTED.decode_lines(b"\n".join(lines))
    cells: dict[_Alike, list[_Counted]] = {}
    odd: list[Entry] = []
    for line, call in zip(lines, calls, strict=True):
        stamp = call.timestamp
        if call.estimated_cost_usd is None or stamp[-1:] != "Z" or call.share > 1:
            odd.append(decode(line))
            continue
        alike = (stamp[:_HOUR], call.model, call.tier, call.worker, call.node, call.project, call.kind, call.billing)
        try:
            cells[alike].append(call)
        except KeyError:
            utc_hour(stamp)  # of all calls of an hour, one has its whole timestamp looked at
            cells[alike] = [call]
    return {alike: _tally(same) for alike, same in cells.items()}, odd


def _tally(calls: Sequence[_Counted]) -> Tally:
    """Of calls whose cost is known."""
    return Tally(
        len(calls),
        sum([round((call.estimated_cost_usd or 0) * NANOS_PER_USD) for call in calls]),
        sum(
            [
                call.input_tokens + call.output_tokens + call.cache_read_tokens + call.cache_write_tokens
                for call in calls
            ]
        ),
    )
