"""A worker at the mercy of the weather: outcomes, durations and bugs by chance, the same for the same seed."""

import asyncio
import random

from supervisors.testing import VirtualClock
from symbiont.domain.outcome import (
    Cancelled,
    CliMissing,
    Done,
    Empty,
    NoCredit,
    NotStarted,
    Outcome,
    Overloaded,
    RateLimited,
    Refused,
    TimedOut,
    TooLong,
    Truncated,
    Unauthorised,
    Unreachable,
    UsageLimited,
)
from symbiont.ports import ModelCall, ModelReply
from tests.actors.worker_twin import CUT_SHORT, FULL, ScriptedWorker, judged


class WeatherWorker(ScriptedWorker):
    """While `is_fair` is false, about half of the calls end badly. Some calls take a while, on the virtual clock."""

    def __init__(self, slots: int, seed: int, clock: VirtualClock) -> None:
        super().__init__(slots)
        self.is_fair = False
        self._random = random.Random(seed)
        self._clock = clock

    async def _reply(self, call: ModelCall) -> ModelReply:
        outcome = self._outcome(call)
        try:
            await self._take_time()
        except asyncio.CancelledError:
            # it may have been over already when it was told to stop
            return self._ended(call, outcome if self._random.random() < 0.2 else Cancelled(), CUT_SHORT)
        if not self.is_fair and self._random.random() < 0.05:
            raise RuntimeError("a bug")
        return self._ended(call, outcome, FULL)

    async def _take_time(self) -> None:
        passed = asyncio.Event()
        duration_s = self._random.choice([0.0, 0.0, 0.5, 7.0, 90.0])
        timer = self._clock.call_at(self._clock.monotonic() + duration_s, passed.set)
        try:
            await passed.wait()
        finally:
            timer.cancel()

    def _outcome(self, call: ModelCall) -> Outcome:
        good = self._good(call) if not call.parts else self._goods(call)
        return good if self.is_fair or self._random.random() < 0.5 else self._random.choice(self._bad(call))

    def _good(self, call: ModelCall) -> Done:
        if call.kind == "task":
            return Done("answer")
        return judged(self._random.choice([1, 2, 3]), self._random.choice(["low", "high"]))

    def _goods(self, call: ModelCall) -> Done:
        """An answer for each, or in bad weather for some."""
        given = [(id_, self._good(part)) for id_, part in call.parts if self.is_fair or self._random.random() < 0.8]
        return Done("", {"answers": [{"id": id_, "answer": done.structured or done.text} for id_, done in given]})

    def _bad(self, call: ModelCall) -> list[Outcome]:
        resets_at = self._clock.wall() + self._random.choice([-5.0, 30.0, 400.0])
        return [
            UsageLimited("five_hour", "account", resets_at),
            UsageLimited(f"seven_day_{call.tier}", "model", resets_at),
            UsageLimited("unknown", "account"),
            RateLimited(),
            RateLimited(5.0),
            Overloaded(529),
            Unreachable(),
            TimedOut("idle", 180.0),
            Unauthorised(),
            NoCredit(),
            CliMissing(),
            NotStarted(),
            TooLong(),
            Truncated(),
            Refused(),
            Empty(),
            Cancelled(),
        ]
