"""The model calls of a run: leased, paid for in advance, written down, made, settled.

    lease → reserve (budget) → begin (on disk) → call the model → settle (ledger, on disk) → give the slot back

Guarantees: no model is called before the queue has written that it will be; no answer before the call is in the ledger; what a call
cost is settled however the call ended, also when the run is being stopped. A task that shares a call does all of it for its share.
Does not judge what a call came to: `life.py` does.
"""

import asyncio

import msgspec
import structlog

from supervisors import ExitWith
from symbiont.actors import names
from symbiont.actors.accounting import cost_of, entry_of, try_of
from symbiont.actors.dispatcher import Returned
from symbiont.actors.lease_desk import Lease, Seat
from symbiont.actors.ledger import Append, Release, Reserve
from symbiont.actors.run_steps import Begin, Stopped
from symbiont.actors.run_talk import RunTalk, World
from symbiont.domain.budget import Claim, OverBudget, upper_bound_nanos
from symbiont.domain.joint import may_share
from symbiont.domain.ledger import Entry
from symbiont.domain.moment import rfc3339
from symbiont.domain.outcome import Outcome, code_of
from symbiont.domain.price import usd
from symbiont.domain.routing import Hold, Route
from symbiont.domain.task import Classification, OpenCall, Task
from symbiont.ports import CallKind, ModelCall, ModelReply

_log = structlog.get_logger("symbiont.life")


class RunCalls(RunTalk):
    """`_called`: the kinds of calls made so far; `_outcome`: of the last one."""

    def __init__(self, task: Task, world: World) -> None:
        super().__init__(task, world)
        self._called: set[str] = set()
        self._outcome: Outcome | None = None
        self._is_lane_open = True

    def _company(self, kind: CallKind, task_type: str = "") -> str:
        """Whose calls may be one with this one: those of small tasks of one kind and one project."""
        batching = self.world.config.batching
        task = msgspec.structs.replace(self.task, story=(*self.task.story, *self._untold))
        if not batching.enabled or not may_share(task, batching.max_task_chars):
            return ""
        if kind == "task" and batching.task_types and task_type not in batching.task_types.split():
            return ""
        return f"{kind}\n{task_type}\n{self.task.project}"

    async def _lease(self, lease: Lease) -> Seat | Hold | None:
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

    async def _call(self, seat: Seat, call: ModelCall, classification: Classification | None = None) -> ModelReply:
        """Write down that it begins, make it, settle it, give the slot back: in this order, whatever happens."""
        lane, joint = seat.route, seat.joint
        worker = self.world.workers[lane.worker]
        now = rfc3339(self.world.clock.wall())
        bound_usd = usd(self._bound_nanos(call))
        share = None if joint is None else joint.share_of(self.task.id)
        opened = OpenCall(call.kind, lane.tier, lane.worker, call.model, now, worker.billing, bound_usd, share)
        task, anew = self.task, call.kind in self._called
        begin = Begin(task.id, task.lease, opened, classification, task.tier_floor, task.failures, anew)
        self.task = await self._undisturbed(self._advance(begin))
        if self._is_stopping:
            await self._tell(Stopped(task.id, task.lease))
            raise asyncio.CancelledError
        self._called.add(call.kind)
        numbered = msgspec.structs.replace(call, attempt=self.task.attempt)
        running = worker.run(numbered) if joint is None else joint.run(worker, numbered, self.world.runtime)
        reply = await self._undisturbed(running, stop_it=True)
        await self._undisturbed(self._settle(lane, reply))
        return reply

    async def _settle(self, lane: Route, reply: ModelReply) -> None:
        if reply.was_made:
            entry = self._entry(lane, reply)
            await self._book(entry)
            self._untold.append(try_of(entry, reply.outcome))
        elif self.task.call is not None:
            self.world.runtime.named(names.LEDGER).cast(Release((self.task.id, self.task.attempt, self.task.call.kind)))
        self._is_lane_open = await self._ask(names.DISPATCHER, Returned(reply.outcome))
        self._outcome = reply.outcome

    async def _book(self, entry: Entry) -> None:
        """What a damaged ledger does not take the log does: a start can only book the call with the most it may have cost."""
        try:
            await self._ask(names.LEDGER, Append(entry))
        except ExitWith:
            facts = {name: value for name, value in msgspec.to_builtins(entry).items() if name != "prompt_preview"}
            _log.critical("call_not_booked", **facts)
            raise

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
            shares=0 if reply.shared is None else reply.shared.of,
        )

    def _entry(self, lane: Route, reply: ModelReply) -> Entry:
        """The ledger's line of the call that is open."""
        world = self.world
        tier = world.tiers[lane.tier]
        return entry_of(self.task, reply, tier=tier, worker=lane.worker, prices=world.prices, now=world.clock.wall())
