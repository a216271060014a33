"""The lines of `schedules.jsonl`: how far each schedule has come, which were added while Symbiont ran, and which of those were removed. Pure.

Guarantees: the last line of a name counts. A line may bring the schedule itself (it was added, or replaced); those after it go on with that
one. A removal takes both away. What an earlier version wrote reads the same. Does no I/O.
"""

from collections.abc import Iterator, Sequence

import msgspec

from symbiont.domain.line_fold import LineFold, read_each
from symbiont.domain.schedule import Mark, Schedule


class _Line(Mark, frozen=True, omit_defaults=True):
    schedule: Schedule | None = None
    is_removed: bool = False


def line_of(mark: Mark, schedule: Schedule | None = None) -> bytes:
    """How far it has come, and the schedule itself if that is new."""
    if schedule is None:
        return msgspec.json.encode(mark)
    return msgspec.json.encode(_Line(**msgspec.structs.asdict(mark), schedule=schedule))


def removal_of(name: str, now: float) -> bytes:
    return msgspec.json.encode(_Line(name, now, is_removed=True))


class Marks(LineFold):
    """The fold of the file: a mark by name, and the schedules that were added."""

    def __init__(self) -> None:
        self.by_name: dict[str, Mark] = {}
        self.added: dict[str, Schedule] = {}
        self.lines = 0

    def absorb(self, lines: Sequence[bytes]) -> None:
        """A line that is no mark is passed over."""
        self.lines += len(lines)
        for line in read_each(lines, _Line):
            self._take_in(line)

    def _take_in(self, line: _Line) -> None:
        if line.is_removed:
            self.forget(line.name)
            return
        if line.schedule is not None:
            self.added[line.name] = line.schedule
        self.by_name[line.name] = Mark(*(getattr(line, name) for name in Mark.__struct_fields__))

    def forget(self, name: str) -> None:
        self.by_name.pop(name, None)
        self.added.pop(name, None)

    def as_lines(self) -> Iterator[tuple[Mark, Schedule | None]]:
        """What a file must hold that holds just this."""
        for name, mark in self.by_name.items():
            yield mark, self.added.get(name)
