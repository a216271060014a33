"""The life of a task, from its lease to its end, as one run under the task supervisor:

    classify → choose a lane → reserve (budget) → begin (on disk) → call the model → settle (ledger, on disk) → judge → finish, wait, or go on

Guarantees: no model is called before the queue has written that it will be; no answer before the call is in the ledger; what a
call cost is settled however the call ended, also when the run is being stopped. An actor that is being restarted is waited for.
Outcomes are values; an exception here is a bug, ends the run and fails the task as `INTERNAL`.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar, assert_never

import msgspec
import structlog

from supervisors import CallExit, Request, Runtime
from symbiont.actors import names
from symbiont.actors.accounting import cost_of, entry_of, try_of
from symbiont.actors.dispatcher import Lease, Outlook, Returned
from symbiont.actors.ledger import Append, Refused, Release, Reserve
from symbiont.actors.run_steps import Begin, Complete, Fail, Postpone, Stopped, retry_reason
from symbiont.config.policies import retry_policy
from symbiont.config.schema import Config
from symbiont.domain.budget import Claim, OverBudget, upper_bound_nanos
from symbiont.domain.classify import classifier_prompt, classifier_schema, classifier_system, read_classification
from symbiont.domain.closure import stoppage
from symbiont.domain.heuristic import classify_by_rules
from symbiont.domain.ledger import Entry
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
from symbiont.domain.price import PriceTable, usd
from symbiont.domain.retry import Accept, Escalate, GiveUp, Reroute, RetryHere, Stop, decide
from symbiont.domain.routing import STOPPAGES, Hold, Route, wanted_tier
from symbiont.domain.task import Answer, Classification, Failure, OpenCall, Task, Try
from symbiont.domain.tier import Tier, TierTable
from symbiont.ports import CallKind, Clock, ModelCall, ModelReply, Randomness, Worker

TASK_SYSTEM: Final = "Do the task. Answer with the result alone."
RESTART_PATIENCE_S: Final = 60.0
REFUSAL_PAUSE_S: Final = 1.0

R = TypeVar("R")

_log = structlog.get_logger("symbiont.life")


class World(msgspec.Struct, frozen=True):
    """Everything a run needs of its surroundings. `classifies`: the names of workers that can classify."""

    runtime: Runtime
    workers: Mapping[str, Worker]
    classifies: frozenset[str]
    tiers: TierTable
    prices: PriceTable
    config: Config
    clock: Clock
    randomness: Randomness


class LostLease(Exception):
    """The task has another run by now, or none: whatever this one has to say about it does not count."""


class Life:
    """One run of one task. `task` is the queue's latest word on it."""

    def __init__(self, task: Task, world: World) -> None:
        self.task = task
        self.world = world
        self._called: set[str] = set()
        self._is_stopping = False
        self._outcome: Outcome | None = None
        self._is_lane_open = True
        self._untold: list[Try] = []

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
        lane = await self._lease(Lease(world.config.routing.classifier_tier, exact=True))
        if not isinstance(lane, Route):
            return await self._classified_without_model(lane)
        call = self._classifier_call(lane)
        over = await self._reserve(lane, call)
        if over is not None:
            return await self._classified_within_budget(over)
        reply = await self._call(lane, call)
        self._report("classify", lane, reply)
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
            lane = await self._lease(Lease(wanted, self.task.tier_floor))
            if not isinstance(lane, Route):
                return await self._wait(lane, classification)
            call = self._task_call(lane)
            over = await self._reserve(lane, call)
            if over is not None:
                return await self._over_budget(over, classification)
            reply = await self._call(lane, call, classification)
            going_on = await self._judged(lane, reply)
            self._report("task", lane, reply)
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

    # One call

    async def _lease(self, lease: Lease) -> Route | Hold | None:
        if self._is_stopping:
            raise asyncio.CancelledError
        return await self._ask(names.DISPATCHER, lease)

    async def _reserve(self, lane: Route, call: ModelCall) -> OverBudget | None:
        """What the call may cost, set aside; or the budget that forbids it. A rehearsal costs nothing."""
        if not self.world.config.budgets or self.world.workers[lane.worker].billing == "rehearsal":
            return None
        attempt = self.task.attempt + (1 if call.kind in self._called else 0)
        claim = Claim((self.task.id, attempt, call.kind), lane.tier, self.task.project, self._bound_nanos(call))
        answer = await self._ask(names.LEDGER, Reserve(claim))
        return answer if isinstance(answer, OverBudget) else None

    def _bound_nanos(self, call: ModelCall) -> int:
        tier = self.world.tiers[call.tier]
        price = self.world.prices.row(tier.price_model)
        return upper_bound_nanos(call.kind, (call.system, call.prompt), price, tier.planning_cost_usd)

    async def _call(self, lane: Route, call: ModelCall, classification: Classification | None = None) -> ModelReply:
        """Write down that it begins, make it, settle it, give the slot back: in this order, whatever happens."""
        worker = self.world.workers[lane.worker]
        now = rfc3339(self.world.clock.wall())
        bound_usd = usd(self._bound_nanos(call))
        opened = OpenCall(call.kind, lane.tier, lane.worker, call.model, now, worker.billing, bound_usd)
        task, anew = self.task, call.kind in self._called
        begin = Begin(task.id, task.lease, opened, classification, task.tier_floor, task.failures, anew)
        self.task = await self._undisturbed(self._advance(begin))
        if self._is_stopping:
            await self._tell(Stopped(task.id, task.lease))
            raise asyncio.CancelledError
        self._called.add(call.kind)
        running = worker.run(msgspec.structs.replace(call, attempt=self.task.attempt))
        reply = await self._undisturbed(running, stop_it=True)
        await self._undisturbed(self._settle(lane, reply))
        return reply

    async def _settle(self, lane: Route, reply: ModelReply) -> None:
        if reply.was_made:
            entry = self._entry(lane, reply)
            await self._ask(names.LEDGER, Append(entry))
            self._untold.append(try_of(entry, reply.outcome))
        elif self.task.call is not None:
            self.world.runtime.named(names.LEDGER).cast(Release((self.task.id, self.task.attempt, self.task.call.kind)))
        self._is_lane_open = await self._ask(names.DISPATCHER, Returned(reply.outcome))
        self._outcome = reply.outcome

    def _report(self, kind: CallKind, lane: Route, reply: ModelReply) -> None:
        """Said when the outcome has been acted on: nothing may come between an answer that is paid for and its delivery."""
        cost_usd, _ = cost_of(reply, self.world.tiers[lane.tier], self.world.prices)
        _log.info(
            "model_called",
            task=self.task.id,
            attempt=self.task.attempt,
            kind=kind,
            tier=lane.tier,
            worker=lane.worker,
            rule=lane.rule,
            outcome=code_of(reply.outcome),
            cost_usd=cost_usd,
        )

    def _entry(self, lane: Route, reply: ModelReply) -> Entry:
        """The ledger's line of the call that is open."""
        world = self.world
        tier = world.tiers[lane.tier]
        return entry_of(self.task, reply, tier=tier, worker=lane.worker, prices=world.prices, now=world.clock.wall())

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

    # Talking to actors

    async def _tell(self, message: "Complete | Fail | Postpone | Stopped") -> None:
        self.task = await self._undisturbed(self._advance(message))

    async def _undisturbed(self, step: Coroutine[Any, Any, R], *, stop_it: bool = False) -> R:
        """Writing down goes on while the run is being stopped: cut off there, an answer already paid for would be lost.

        A model call is told to stop (`stop_it`), and heard out. Whatever it says, the run ends before its next call. A second
        request to stop is final.
        """
        inner = asyncio.ensure_future(step)
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is not None:
                current.uncancel()
            self._is_stopping = True
            if stop_it:
                inner.cancel()
            return await inner

    async def _advance(self, message: "Begin | Complete | Fail | Postpone | Stopped") -> Task:
        """Whatever the queue is told next, the calls since then go along: they are the task's story."""
        told = msgspec.structs.replace(message, tries=tuple(self._untold))
        answer = await self._ask(names.QUEUE, told)
        if isinstance(answer, Task):
            self._untold.clear()
            return answer
        raise LostLease(self.task.id)

    async def _ask(self, name: str, request: Request[R]) -> R:
        """Ask until there is an answer: an actor that is being restarted is waited for, a full disk too.

        All these requests are safe to repeat: the ledger knows a call it has, the queue a number that has passed.
        """
        while True:
            try:
                answer = await self.world.runtime.named(name).call(request, timeout_s=None)
            except CallExit:
                if not await self.world.runtime.await_name(name, RESTART_PATIENCE_S):
                    raise
                continue
            if not isinstance(answer, Refused):
                return answer
            _log.error("storage_refused", task=self.task.id, actor=name, reason=answer.reason)
            await pause(self.world.runtime, REFUSAL_PAUSE_S)


async def pause(runtime: Runtime, delay_s: float) -> None:
    """Sleep on the clock of the runtime, so that virtual time covers it."""
    future: asyncio.Future[None] = runtime.loop.create_future()
    timer = runtime.call_later(delay_s, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        timer.cancel()
