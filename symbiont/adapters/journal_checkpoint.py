"""The checkpoint beside a chained journal: what its lines came to, and where, so that opening reads only what came after.

Guarantees: it is replaced atomically and is durable when `write_checkpoint` returns; one that is damaged reads as none. It
names a line by number and hash, which the journal must still hold: a journal that was cut short, or has another history,
does not fit it any more. The file is a line of JSON about the state, and the state.
"""

import hashlib
import zlib
from pathlib import Path

import msgspec

from symbiont.adapters.file_ops import FileOps, replace_file
from symbiont.adapters.journal_chain import GENESIS
from symbiont.adapters.journal_format import Position
from symbiont.adapters.journal_scan import Place
from symbiont.adapters.journal_segments import open_segment

_VERSION = 1


class Anchor(msgspec.Struct, frozen=True):
    """The line it stands at: number `seq` of all, number `line` of segment `segment`, where it ends at byte `offset`."""

    seq: int
    head: str
    segment: int
    line: int
    offset: int

    @property
    def position(self) -> Position:
        head = self.head.encode()
        return Position(self.seq, head, is_sealed=head != GENESIS)

    @property
    def place(self) -> Place:
        return Place(self.line, self.offset)


class Checkpoint(msgspec.Struct, frozen=True):
    """`state` is the fold of all lines up to the anchor."""

    anchor: Anchor
    state: bytes


class _Header(msgspec.Struct, frozen=True):
    version: int
    anchor: Anchor
    sha256: str


def checkpoint_file(journal: Path) -> Path:
    return journal.with_suffix(".checkpoint")


def write_checkpoint(files: FileOps, journal: Path, checkpoint: Checkpoint) -> None:
    """Raises `OSError`; the checkpoint before then stands."""
    header = _Header(_VERSION, checkpoint.anchor, _digest(checkpoint))
    replace_file(files, checkpoint_file(journal), [msgspec.json.encode(header), b"\n", checkpoint.state])


def read_checkpoint(files: FileOps, journal: Path) -> Checkpoint | None:
    """None if there is none, or none that can be trusted: then the journal is read from its beginning."""
    try:
        with files.reader(checkpoint_file(journal)) as file:
            first, _, state = file.read().partition(b"\n")
        header = msgspec.json.decode(first, type=_Header)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    checkpoint = Checkpoint(header.anchor, state)
    return checkpoint if header.version == _VERSION and header.sha256 == _digest(checkpoint) else None


def fits(files: FileOps, journal: Path, anchor: Anchor) -> bool:
    """Whether the journal holds the line of the anchor, where it should be."""
    seal = b"" if not anchor.position.is_sealed else b',"hash":"%b"}' % anchor.head.encode()
    expected = seal + b"\n" if anchor.offset else b""
    with open_segment(journal, anchor.segment, files) as part:
        if part is None:
            return anchor.offset == 0
        try:
            part.file.seek(anchor.offset - len(expected))
            return part.file.read(len(expected)) == expected
        except (OSError, EOFError, ValueError, zlib.error):
            return False


def _digest(checkpoint: Checkpoint) -> str:
    return hashlib.sha256(msgspec.json.encode(checkpoint.anchor) + checkpoint.state).hexdigest()
