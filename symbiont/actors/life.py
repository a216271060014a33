"""The life of a task, from its lease to its end, as one run under the task supervisor:

    classify → choose a lane → call (`run_calls.py`) → judge → finish, wait, or go on

Guarantees: every run ends by telling the queue what becomes of its task. What was called in company and came to grief is called
once more alone, and no try is used up.
Outcomes are values; an exception here is a bug, ends the run and fails the task as `INTERNAL`.
"""

from typing import Final, assert_never

import msgspec
import structlog

from symbiont.actors import names
from symbiont.actors.joint_call import is_to_go_alone
from symbiont.actors.lease_desk import Lease, Outlook, Seat
from symbiont.actors.run_calls import RunCalls
from symbiont.actors.run_steps import Complete, Fail, Postpone, Stopped, retry_reason
from symbiont.actors.run_talk import LostLease
from symbiont.config.policies import retry_policy
from symbiont.domain.budget import OverBudget
from symbiont.domain.classify import classifier_prompt, classifier_schema, classifier_system, read_classification
from symbiont.domain.closure import stoppage
from symbiont.domain.heuristic import classify_by_rules
from symbiont.domain.moment import rfc3339
from symbiont.domain.outcome import (
    Cancelled,
    CliMissing,
    Done,
    NoCredit,
    NotStarted,
    Outcome,
    Overloaded,
    RateLimited,
    Unauthorised,
    Unreachable,
    UsageLimited,
    code_of,
    detail_of,
)
from symbiont.domain.retry import Accept, Escalate, GiveUp, Reroute, RetryHere, Stop, decide
from symbiont.domain.routing import STOPPAGES, Hold, Route, wanted_tier
from symbiont.domain.task import Answer, Classification, Failure
from symbiont.domain.tier import Tier
from symbiont.ports import ModelCall, ModelReply

TASK_SYSTEM: Final = "Do the task. Answer with the result alone."

_log = structlog.get_logger("symbiont.life")


class Life(RunCalls):
    """One run of one task."""

    async def run(self) -> None:
        """Live it. Returns when the task is finished, put back, or no longer ours."""
        try:
            classification = await self._classified()
            if classification is not None:
                await self._work(classification)
        except LostLease:
            _log.info("lease_lost", task=self.task.id, attempt=self.task.attempt)

    # Classify

    async def _classified(self) -> Classification | None:
        """The classification, None if the task was finished or put back on the way to it."""
        task, world = self.task, self.world
        if task.classification is not None:
            return task.classification
        if task.force_tier is not None:
            return Classification(task.force_tier, "high", "the caller chose the tier", "general", "forced")
        if not world.classifies:
            return classify_by_rules(task.task, world.tiers)
        lease = Lease(world.config.routing.classifier_tier, exact=True, company=self._company("classify"))
        seat = await self._lease(lease)
        return await self._judgement(seat) if isinstance(seat, Seat) else await self._classified_without_model(seat)

    async def _judgement(self, seat: Seat) -> Classification | None:
        with seat.taken_by(self.task.id):
            call = self._classifier_call(seat.route)
            over = await self._reserve(seat.route, call)
            if over is not None:
                return await self._classified_within_budget(over)
            reply = await self._call(seat, call)
        self._report("classify", seat.route, reply)
        if is_to_go_alone(reply):
            return await self._classified()
        return await self._read(reply.outcome)

    async def _classified_without_model(self, lane: Hold | None) -> Classification | None:
        """The classifier's lane is closed. If all are, the task waits unclassified; if only that one, rules decide."""
        if isinstance(lane, Hold):
            outlook = await self._ask(names.DISPATCHER, Outlook(self.world.tiers.tiers[0].name))
            if isinstance(outlook, Hold):
                await self._wait(outlook)
                return None
        return classify_by_rules(self.task.task, self.world.tiers)

    async def _classified_within_budget(self, over: OverBudget) -> Classification | None:
        """Rules decide where the classifier's tier alone is over its budget; else the task may not be paid for either."""
        if over.scope == "tier":
            return classify_by_rules(self.task.task, self.world.tiers)
        await self._over_budget(over)
        return None

    async def _read(self, outcome: Outcome) -> Classification | None:
        world = self.world
        match outcome:
            case Done(text, structured):
                read = read_classification(structured, text, world.tiers)
                return read if isinstance(read, Classification) else self._default(read)
            case Cancelled():
                await self._tell(Stopped(self.task.id, self.task.lease))
                return None
            case Unauthorised() | NoCredit() | CliMissing() | UsageLimited(scope="account"):
                return await self._classified()
            case Unreachable() | Overloaded() | NotStarted() if not self._is_lane_open:
                return await self._classified()
            case UsageLimited() | RateLimited() | Unreachable() | Overloaded() | NotStarted():
                return classify_by_rules(self.task.task, world.tiers)
            case _:
                return self._default(f"{code_of(outcome)} {detail_of(outcome)}".strip())

    def _default(self, why: str) -> Classification:
        tier = self.world.config.dispatch.default_tier
        return Classification(tier, "low", f"classification failed: {why}"[:300], "general", "default")

    def _classifier_call(self, lane: Route) -> ModelCall:
        routing, tiers = self.world.config.routing, self.world.tiers
        return ModelCall(
            task_id=self.task.id,
            attempt=self.task.attempt,
            kind="classify",
            tier=lane.tier,
            model=tiers[lane.tier].model,
            prompt=classifier_prompt(self.task.task, routing.classify_chars),
            system=classifier_system(tiers),
            schema=classifier_schema(),
            timeout_s=routing.classify_timeout_s,
            idle_timeout_s=routing.classify_timeout_s,
            frugal=True,
        )

    # Work

    async def _work(self, classification: Classification) -> None:
        """Calls until the task is finished or has to wait; every pass is a model call or the end."""
        wanted = wanted_tier(classification, self.world.tiers, self.world.config.routing.low_confidence)
        going_on = True
        while going_on:
            company = self._company("task", classification.task_type)
            seat = await self._lease(Lease(wanted, self.task.tier_floor, company=company))
            if not isinstance(seat, Seat):
                return await self._wait(seat, classification)
            with seat.taken_by(self.task.id):
                call = self._task_call(seat.route)
                over = await self._reserve(seat.route, call)
                if over is not None:
                    return await self._over_budget(over, classification)
                reply = await self._call(seat, call, classification)
            going_on = is_to_go_alone(reply) or await self._judged(seat.route, reply)
            self._report("task", seat.route, reply)
        return None

    async def _judged(self, lane: Route, reply: ModelReply) -> bool:
        """Act on the outcome of a call; True if another one is to follow at once."""
        above = self.world.tiers.next_above(lane.tier)
        policy = retry_policy(self.world.config)
        decision = decide(
            reply.outcome,
            failures=self.task.failures,
            can_escalate=above is not None,
            policy=policy,
            is_out_of_order=not self._is_lane_open,
        )
        match decision:
            case Accept():
                await self._complete(lane, reply)
            case Reroute():
                return True
            case Escalate():
                self._escalate(above)
                return True
            case RetryHere(after_s, jitter_s):
                await self._back_off(after_s + self.world.randomness.uniform(0.0, jitter_s), reply.outcome)
            case GiveUp():
                await self._fail(reply.outcome)
            case Stop():
                await self._tell(Stopped(self.task.id, self.task.lease))
            case _:
                assert_never(decision)
        return False

    def _escalate(self, above: Tier | None) -> None:
        """A try is used up; the next call, and every later run, starts at the tier above. Written down with that call."""
        floor = above.name if above is not None else self.task.tier_floor
        self.task = msgspec.structs.replace(self.task, tier_floor=floor, failures=self.task.failures + 1)

    def _task_call(self, lane: Route) -> ModelCall:
        dispatch = self.world.config.dispatch
        return ModelCall(
            task_id=self.task.id,
            attempt=self.task.attempt,
            kind="task",
            tier=lane.tier,
            model=self.world.tiers[lane.tier].model,
            prompt=self.task.task,
            system=TASK_SYSTEM,
            timeout_s=dispatch.timeout_s,
            idle_timeout_s=dispatch.idle_timeout_s,
        )

    # Ends of a run

    async def _complete(self, lane: Route, reply: ModelReply) -> None:
        text = reply.outcome.text if isinstance(reply.outcome, Done) else ""
        entry = self._entry(lane, reply)
        answer = Answer(
            text=text,
            tier=lane.tier,
            model_id=entry.model_id,
            worker=lane.worker,
            billing=reply.billing,
            elapsed_seconds=entry.elapsed_seconds,
            input_tokens=entry.input_tokens,
            output_tokens=entry.output_tokens,
            estimated_cost_usd=entry.estimated_cost_usd or 0.0,
            timestamp=rfc3339(self.world.clock.wall()),
            is_cost_unknown=entry.estimated_cost_usd is None,
        )
        await self._tell(Complete(self.task.id, self.task.lease, answer))

    async def _fail(self, outcome: Outcome) -> None:
        failure = Failure(code_of(outcome), detail_of(outcome))
        await self._tell(Fail(self.task.id, self.task.lease, failure))

    async def _back_off(self, after_s: float, outcome: Outcome) -> None:
        """Another try later; this one is used up."""
        task = self.task
        moment = self.world.clock.wall() + after_s
        failure = Failure(code_of(outcome), detail_of(outcome))
        await self._tell(Postpone(task.id, task.lease, moment, retry_reason(failure), task.failures + 1, failure))

    async def _over_budget(self, over: OverBudget, classification: Classification | None = None) -> None:
        """Until the budget allows it; no try is used up. Whoever waits for the answer is told at once instead."""
        task = self.task
        if task.source == "direct" or over.on_limit == "refuse":
            await self._tell(Fail(task.id, task.lease, Failure("BUDGET_EXCEEDED", over.detail)))
            return
        postpone = Postpone(task.id, task.lease, over.until, over.reason, task.failures)
        floor = task.tier_floor
        await self._tell(msgspec.structs.replace(postpone, classification=classification, tier_floor=floor))

    async def _wait(self, hold: Hold | None, classification: Classification | None = None) -> None:
        """Until the limit ends; no try is used up. Without any lane at all the task fails, and so does one whose caller
        would wait for somebody to mend something.
        """
        task = self.task
        if hold is None:
            failure = Failure("BAD_REQUEST", "no worker serves the tier this task needs")
            await self._tell(Fail(task.id, task.lease, failure))
            return
        if task.source == "direct" and hold.limit in STOPPAGES:
            await self._tell(Fail(task.id, task.lease, stoppage(hold, self._outcome)))
            return
        until = hold.until or self.world.clock.wall() + self.world.config.limits.unknown_reset_s
        if hold.limit in STOPPAGES and self._called:
            # The next probe is to be another task: this one may itself be what the provider stumbles over.
            until += self.world.config.dispatch.backoff_base_s
        await self._tell(
            Postpone(
                task.id,
                task.lease,
                until,
                hold.reason,
                task.failures,
                classification=classification,
                tier_floor=task.tier_floor,
            )
        )
