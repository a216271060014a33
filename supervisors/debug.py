"""Debug functions of one actor: what sees its messages go in and its answers come out (OTP `sys`, "debug functions").

An actor without any pays one test a message. A debug function is called with its own state, the event and the actor's label, and
returns its next state, or `DONE` to be removed; one that raises is removed, too, and reported (OTP does the same).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, final

__all__ = ["DONE", "DebugEvent", "DebugFunction", "Debugger", "In", "NoReply", "Out", "Statistics"]

LOG_SIZE: Final = 10


@final
@dataclass(frozen=True, slots=True)
class In:
    """A message is about to be worked on. `kind` is the callback it is for."""

    kind: str
    message: object


@final
@dataclass(frozen=True, slots=True)
class Out:
    """A call was answered within its callback. Replies given later, through `From.reply`, are not seen, as in OTP."""

    reply: object
    to: str


@final
@dataclass(frozen=True, slots=True)
class NoReply:
    """A callback is through, without an answer."""


DebugEvent = In | Out | NoReply


class _Mark(Enum):
    DONE = "done"


DONE: Final[Literal[_Mark.DONE]] = _Mark.DONE
"""From a debug function: it has seen enough."""

DebugFunction = Callable[[object, DebugEvent, str], object]


@final
@dataclass(frozen=True, slots=True)
class Statistics:
    """Counted since `started_s` (monotonic)."""

    started_s: float
    now_s: float
    messages_in: int
    messages_out: int
    reductions: int


@dataclass(slots=True)
class Debugger:
    """All debug functions of an actor. `counting_since_s` is None while statistics are off; `ring` likewise."""

    functions: dict[str, tuple[DebugFunction, object]] = field(default_factory=dict[str, tuple[DebugFunction, object]])
    ring: deque[DebugEvent] | None = None
    counting_since_s: float | None = None
    reductions_before: int = 0
    messages_in: int = 0
    messages_out: int = 0

    @property
    def is_idle(self) -> bool:
        return not self.functions and self.ring is None and self.counting_since_s is None

    @property
    def recent(self) -> tuple[DebugEvent, ...]:
        """What the log holds, oldest first."""
        return tuple(self.ring or ())

    def see(self, event: DebugEvent, label: str, broken: Callable[[str, Exception], object]) -> None:
        """Show `event` to everybody. `broken(id, error)` hears of a function that raised."""
        if self.ring is not None:
            self.ring.append(event)
        if self.counting_since_s is not None:
            self.messages_in += isinstance(event, In)
            self.messages_out += isinstance(event, Out)
        for id_, (function, state) in tuple(self.functions.items()):
            try:
                state = function(state, event, label)  # noqa: PLW2901 -- a fold over events
            except Exception as error:  # noqa: BLE001 -- somebody's debug function must not end the actor it looks at
                del self.functions[id_]
                broken(id_, error)
                continue
            if state is DONE:
                del self.functions[id_]
            else:
                self.functions[id_] = (function, state)
