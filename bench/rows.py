"""The rows of the table, and what was promised for each."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["COST_ROWS", "ROWS", "TIMED", "Row", "Unit"]


class Unit(Enum):
    PER_SECOND = "/s"
    """Measured in seconds for one, shown as a rate, compared as a rate: more is better."""
    MICROSECONDS = "µs"
    BYTES = "B"

    def show(self, value: float) -> str:
        match self:
            case Unit.PER_SECOND:
                return f"{1 / value:,.0f}"
            case Unit.MICROSECONDS:
                return f"{value * 1e6:,.1f}"
            case Unit.BYTES:
                return f"{value:,.0f}"


@dataclass(frozen=True)
class Row:
    """`erlang` and `python` are the ratios promised: at least, for a rate; at most, for a time or a size."""

    id: str
    label: str
    unit: Unit
    erlang: float | None = None
    python: float | None = None
    at_most: float | None = None
    instead: str = ""
    """What systems that do not tell this row from another one print."""
    loses: str = ""
    """Why, where we are behind."""

    def ratio(self, ours: float, theirs: float) -> float:
        return theirs / ours if self.unit is Unit.PER_SECOND else ours / theirs

    def is_met(self, ratio: float, promised: float) -> bool:
        return ratio >= promised if self.unit is Unit.PER_SECOND else ratio <= promised

    def promise(self, promised: float) -> str:
        return f"{'≥' if self.unit is Unit.PER_SECOND else '≤'} {promised:g}"


INTERPRETED: Final = "every message is worked on by CPython's interpreter, while the BEAM runs compiled code"
A_TURN: Final = (
    "each hop is a turn of its own: the run queue, the actor's context, and the clock, because busy time is counted"
)
A_LIFE: Final = (
    "a process is entered in the table, has a context of its own, and tells its end to all it concerns: "
    "some forty calls of Python functions, where the BEAM runs compiled code"
)
A_CRASH: Final = (
    "an exception is unwound and put into words, two reports have OTP's content, links are told, the supervisor counts, reports and "
    "starts anew, and the caller is woken twice: some 270 calls of Python functions"
)

ROWS = (
    Row("call", "call, one after another, plain `def`", Unit.PER_SECOND, 2, 30),
    Row("call_async", "the same, `async def`", Unit.PER_SECOND, 0.4, 8, instead="call", loses="a coroutine runs in a task of asyncio, which is two switches a call"),
    Row("call_100", "100 clients of one server", Unit.PER_SECOND, 0.9, 15, loses="each client is a task that asyncio has to resume"),
    Row("cast", "cast, in bursts of 1,000", Unit.PER_SECOND, 0.4, 8, loses=INTERPRETED),
    Row("ring", "hops in a ring of 1,000", Unit.PER_SECOND, 0.5, 10, loses=A_TURN),
    Row("spawn_stop", "spawn + stop", Unit.PER_SECOND, 1.5, 5, loses=A_LIFE),
    Row("idle_bytes", "bytes of an idle actor, plain `def`", Unit.BYTES, 0.5, 0.7),
    Row("idle_bytes_async", "the same after an `async def`", Unit.BYTES, loses="its worker task stays parked"),
    Row("restart_p50", "crash → restarted → answering, p50", Unit.MICROSECONDS, 0.5, 0.1, loses=A_CRASH),
    Row("restart_p99", "the same, p99", Unit.MICROSECONDS, 0.5, 0.1, loses=A_CRASH),
    Row("flood_p99", "call beside a flooded actor (20 µs a message), p99", Unit.MICROSECONDS, 2, 0.1, loses="a turn is bounded by 70 µs, not pre-empted"),
    Row("lag_p99", "lag of the event loop meanwhile, p99", Unit.MICROSECONDS, at_most=300e-6),
)  # fmt: skip

TIMED = ("call", "call_async", "call_100", "cast", "ring", "spawn_stop", "restart", "flood")

COST_ROWS = {
    "cost_call": ("a call from outside of any process", ""),
    "cost_no_timeout": ("… without a time-out", "cost_call"),
    "cost_from_within": ("… from within an actor: the caller is known, a cycle would be found", "cost_call"),
    "cost_through_loop": ("… behind a cast: through the mailbox and the loop, the cast included", "cost_call"),
    "cost_monitor": ("… and a monitor set and taken off", "cost_call"),
    "cost_statistics": ("… with `sys.statistics`", "cost_call"),
    "cost_log": ("… with `sys.log`", "cost_call"),
    "cost_trace": ("… with `sys.trace` to a reporter that does nothing", "cost_call"),
    "cost_cast": ("a cast, bound of 10,000 never reached", ""),
    "cost_cast_full": ("… with a bound of 100 and `drop_oldest`, nine of ten dropped", "cost_cast"),
    "cost_bare_restart": (
        "a crash on the bare event loop, no library: caught, a successor made, the caller told and answered",
        "",
    ),
}
