"""What the folds of journals without a checkpoint have in common."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

Line = TypeVar("Line")


class LineFold:
    """Comes from lines alone: there is no checkpoint to go on from."""

    def restore(self, state: bytes) -> None:
        """For a journal that asks all the same (`ports.Fold`)."""
        raise ValueError("expected no checkpoint, got: one")


def read_each(
    lines: Sequence[bytes], kind: type[Line], unread: Callable[[str, str], object] = lambda _line, _error: None
) -> Iterator[Line]:
    """The lines that can be read. The others are passed over; `unread` is told the beginning of each, and what is wrong with it."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError as error:
            unread(line[:80].decode("utf-8", "replace"), str(error))
