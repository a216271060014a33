"""Verifying a journal from its first line to its last, archives included, beside a writer or without one.

Guarantees: reads only, takes no lock; what is being written at the moment is no damage. Also the checkpoint is
held against it, and the length it had when it was last closed in order.
"""

from typing import Final

import msgspec

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_checkpoint import read_checkpoint
from symbiont.adapters.journal_reading import Journalled, Reading, damage_of, read_all
from symbiont.adapters.journal_recovery import marked_length
from symbiont.adapters.journal_scan import Fault
from symbiont.adapters.journal_segments import segments
from symbiont.ports import Damage, Fold

_RESTORE: Final = "restore the file from a backup; a server that is started goes on without what is missing"
"""No repair brings back what is in no file."""


class Verified(msgspec.Struct, frozen=True):
    """`count` good lines, the last of which has the hash `head`; `unfinished_bytes` behind them are no whole line (yet)."""

    count: int
    head: str
    files: int
    unfinished_bytes: int
    damage: Damage | None


def verify(files: FileOps, journal: Journalled, fold: Fold) -> Verified:
    """`fold` must be new; it tells what means something. Raises `OSError`."""
    # the checkpoint first: a line that it has seen is there when the lines are read
    checkpoint = read_checkpoint(files, journal.path)
    reading = read_all(files, journal, fold.absorb, anchor=checkpoint.anchor if checkpoint else None)
    return Verified(
        count=reading.position.seq,
        head=reading.position.head.decode(),
        files=len(segments(journal.path, files)),
        unfinished_bytes=reading.active.torn_bytes,
        damage=reading.damage or _cut_short(files, journal, reading),
    )


def _cut_short(files: FileOps, journal: Journalled, reading: Reading) -> Damage | None:
    """A file that was closed in order, and has lost something since. Nobody writes to it, so no crash can explain that."""
    closed = marked_length(files, journal.path)
    if closed is None or reading.active.size >= closed:
        return None
    good = reading.active.good
    what = f"to be there, for the file had {closed} bytes when it was closed, got: {reading.active.size} bytes"
    damage = damage_of(journal, journal.path, Fault(good.lines + 1, good.offset, what))
    return msgspec.structs.replace(damage, hint=_RESTORE)
