"""What a watchdog has to say about the event loop, as data."""

from dataclasses import dataclass
from traceback import FrameSummary, StackSummary

import structlog

from supervisors.texts import LONGEST_TEXT

__all__ = ["LoopBlocked", "LoopEvent", "LoopFree", "LoopLag", "log_loop_event"]


@dataclass(frozen=True, slots=True)
class LoopBlocked:
    """The loop has not come round for `blocked_s`. `process` is the label of whose code is running, empty if it is nobody's.

    `pid` is None then. `where` is where the thread of the loop stands, as (file, line, function), innermost last.
    """

    process: str
    pid: int | None
    blocked_s: float
    where: tuple[tuple[str, int, str], ...]

    @property
    def stack(self) -> str:
        """`where` as text, with the lines of the sources; read from disk only when somebody looks."""
        frames = [FrameSummary(file, line, function) for file, line, function in self.where]
        return "".join(StackSummary.from_list(frames).format())


@dataclass(frozen=True, slots=True)
class LoopFree:
    """The loop has come round again."""

    process: str
    pid: int | None
    blocked_s: float


@dataclass(frozen=True, slots=True)
class LoopLag:
    """How late the loop came round, over the last `samples` beats."""

    samples: int
    p50_s: float
    p99_s: float
    max_s: float


LoopEvent = LoopBlocked | LoopFree

_log = structlog.get_logger("supervisors")


def log_loop_event(event: LoopEvent) -> None:
    """One structlog event each."""
    fields = {"process": event.process, "pid": event.pid, "blocked_s": round(event.blocked_s, 3)}
    if isinstance(event, LoopBlocked):
        _log.error("loop_blocked", **fields, stack=event.stack[-LONGEST_TEXT:])
    else:
        _log.warning("loop_free", **fields)
