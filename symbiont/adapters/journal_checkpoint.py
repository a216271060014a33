"""The checkpoint beside a chained journal: what its lines came to, up to a line named by number and hash.

Guarantees: it is replaced atomically and durable when `write_checkpoint` returns.
"""

from pathlib import Path

import msgspec

from symbiont.adapters.file_ops import FileOps, replace_file
from symbiont.adapters.journal_format import Position


class Checkpoint(msgspec.Struct, frozen=True):
    """`state` is the fold of all lines up to number `seq`, whose hash is `head` and which ends at byte `offset`."""

    seq: int
    head: str
    offset: int
    state: bytes


def checkpoint_file(journal: Path) -> Path:
    return journal.with_suffix(".checkpoint")


def write_checkpoint(files: FileOps, journal: Path, position: Position, offset: int, state: bytes) -> None:
    """Raises `OSError`; the checkpoint before then stands."""
    checkpoint = Checkpoint(position.seq, position.head.decode(), offset, state)
    replace_file(files, checkpoint_file(journal), [msgspec.json.encode(checkpoint)])
