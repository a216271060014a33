"""What of the queue is stopped: nothing new is taken, of the whole queue or of one project, until it is resumed. Pure.

`paused` and `draining` hold the same back; who drains also waits for what runs.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from symbiont.domain.line_fold import LineFold, read_each

SwitchState = Literal["running", "paused", "draining"]


class Switch(msgspec.Struct, frozen=True):
    """A line of `switches.jsonl`. `project` None: the whole queue. `at` is RFC 3339."""

    project: str | None
    state: SwitchState
    at: str


class Switches(LineFold):
    """The last line of a project counts. It is the fold of its file."""

    def __init__(self, known: Iterable[Switch] = ()) -> None:
        self._off: dict[str | None, Switch] = {}
        self.lines = 0
        for switch in known:
            self.set(switch)

    def absorb(self, lines: Sequence[bytes]) -> None:
        """A line that is no switch is passed over."""
        self.lines += len(lines)
        for switch in read_each(lines, Switch):
            self.set(switch)

    def set(self, switch: Switch) -> None:
        self._off.pop(switch.project, None)
        if switch.state != "running":
            self._off[switch.project] = switch

    @property
    def whole(self) -> Switch | None:
        """What holds the whole queue back."""
        return self._off.get(None)

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(project for project in self._off if project is not None)

    @property
    def all(self) -> tuple[Switch, ...]:
        return tuple(self._off.values())

    def of(self, project: str) -> Switch | None:
        """What holds the tasks of this project back."""
        return self._off.get(None) or self._off.get(project)
