"""Verifying a journal from its first line to its last, archives included, beside a writer or without one.

Guarantees: reads only, takes no lock; what is being written at the moment is no damage. Also the checkpoint is held against it.
"""

import msgspec

from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_checkpoint import read_checkpoint
from symbiont.adapters.journal_reading import Journalled, read_all
from symbiont.adapters.journal_segments import segments
from symbiont.ports import Damage, Fold


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
        damage=reading.damage,
    )
