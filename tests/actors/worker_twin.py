"""A worker that does what a test says: a script of outcomes by kind and tier, calls that can be held, a count of what runs.

It keeps the contract of `ports.Worker`: a cancelled call returns `Cancelled` with the cost so far. What a script raises is a
bug of a worker, on purpose.
"""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field

from symbiont.domain.outcome import Cancelled, CliMissing, Done, NotStarted, Outcome
from symbiont.domain.task import Billing
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import CallKind, ModelCall, ModelReply

FULL = Usage(input_tokens=1_000, output_tokens=200)
CUT_SHORT = Usage(input_tokens=1_000)
Step = Outcome | Exception
STOPPED = Cancelled("stopped")


@dataclass
class Held:
    """A call that stays under way until `release` is set. `when_stopped` is what it comes to if it is cancelled."""

    outcome: Step
    when_stopped: Outcome = STOPPED
    release: asyncio.Event = field(default_factory=asyncio.Event)


def judged(tier: int | str = 1, confidence: str = "high") -> Done:
    """What a classifier answers."""
    return Done("", {"tier": tier, "confidence": confidence, "reason": "looks like it", "task_type": "general"})


def each_its_own(call: ModelCall, *, but: str = "") -> Done:
    """What a call for several tasks is answered: each what it would have been alone, none for a prompt that has `but` in it."""
    given = [(id_, _plain(part)) for id_, part in call.parts if not but or but not in part.prompt]
    return Done("", {"answers": [{"id": id_, "answer": done.structured or done.text} for id_, done in given]})


def _plain(call: ModelCall) -> Done:
    return judged() if call.kind == "classify" else Done(f"answer to {call.prompt}")


class ScriptedWorker:
    """`calls` are those that began, `returned` those that came back. What no script covers comes to `otherwise`, else succeeds."""

    def __init__(self, slots: int = 2, *, name: str = "claude", billing: Billing = "subscription") -> None:
        self.name = name
        self.slots = slots
        self.calls: list[ModelCall] = []
        self.returned: list[tuple[ModelCall, ModelReply]] = []
        self.running = 0
        self.peak = 0
        self.otherwise: Outcome | None = None
        self.billing: Billing = billing
        self._scripts: dict[tuple[CallKind, str], deque[Step | Held]] = defaultdict(deque)

    def script(self, *steps: Step | Held, kind: CallKind = "task", tier: str = "") -> None:
        """What the next calls of this kind (and of this tier, if given) come to."""
        self._scripts[kind, tier].extend(steps)

    def hold(
        self,
        outcome: Step | None = None,
        *,
        kind: CallKind = "task",
        tier: str = "",
        when_stopped: Outcome = STOPPED,
    ) -> Held:
        held = Held(Done("held") if outcome is None else outcome, when_stopped)
        self.script(held, kind=kind, tier=tier)
        return held

    @property
    def trail(self) -> list[str]:
        """`kind tier` of every call that began."""
        return [f"{call.kind} {call.tier}" for call in self.calls]

    async def run(self, call: ModelCall) -> ModelReply:
        self.calls.append(call)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            reply = await self._reply(call)
        finally:
            self.running -= 1
        self.returned.append((call, reply))
        return reply

    async def _reply(self, call: ModelCall) -> ModelReply:
        step = self._next(call)
        if isinstance(step, Held):
            try:
                await step.release.wait()
            except asyncio.CancelledError:
                return self._ended(call, step.when_stopped, CUT_SHORT)
            step = step.outcome
        if isinstance(step, Exception):
            raise step
        return self._ended(call, step, FULL)

    def _next(self, call: ModelCall) -> Step | Held:
        for key in ((call.kind, call.tier), (call.kind, "")):
            if self._scripts[key]:
                return self._scripts[key].popleft()
        if self.otherwise is not None:
            return self.otherwise
        return each_its_own(call) if call.parts else _plain(call)

    def _ended(self, call: ModelCall, outcome: Outcome, usage: Usage) -> ModelReply:
        consumed = (ModelUsage(f"claude-{call.tier}-5-5", usage),)
        if isinstance(outcome, CliMissing | NotStarted):
            return ModelReply(outcome=outcome, elapsed_s=0.0, billing=self.billing, was_made=False)
        return ModelReply(outcome=outcome, elapsed_s=1.0, billing=self.billing, usage=consumed)
