"""The ids of tasks: `task-1711123456` or `queued-1711123456`, with `-2`, `-3` … behind it within one second.

Guarantees that no id is given twice, also after the task is forgotten and if the wall clock goes back: the ledger knows calls by them.
"""

import re

from symbiont.domain.task import Source

_STEMS: dict[Source, str] = {"direct": "task", "queued": "queued"}
_OURS = re.compile(r"(task|queued)-([0-9]{1,15})(?:-([0-9]{1,15}))?")


class TaskIds:
    """Remembers the last id of each source, as (second, number within it)."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    @property
    def last(self) -> tuple[str, ...]:
        return tuple(_spelled(stem, *last) for stem, last in self._last.items())

    def note(self, task_id: str) -> None:
        """An id that is in use."""
        found = _OURS.fullmatch(task_id)
        if found is not None:
            stem, number = found[1], (int(found[2]), int(found[3] or 1))
            self._last[stem] = max(self._last.get(stem, (0, 0)), number)

    def new(self, source: Source, now: float) -> str:
        stem = _STEMS[source]
        second, number = self._last.get(stem, (0, 0))
        self._last[stem] = (second, number + 1) if int(now) <= second else (int(now), 1)
        return _spelled(stem, *self._last[stem])


def _spelled(stem: str, second: int, number: int) -> str:
    return f"{stem}-{second}" if number == 1 else f"{stem}-{second}-{number}"
