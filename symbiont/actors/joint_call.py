"""One model call for several runs: a meeting place, made by the dispatcher when it grants them one slot together.

Every member either comes with its call (`run`) or leaves; when nobody is left to wait for, the call is made, and each member gets
its share of the reply. Guarantees: what the call consumed is shared among those that stayed, to the token and to the nano-USD. Who
is stopped while the others wait on leaves at once and owes nothing; the last one stops the call itself, hears it out and bears it
all. A bug of the worker is raised in every member. Nobody is waited for longer than `PATIENCE_S` after the first has come: who comes later
has made no call, and is to ask for a slot of its own.
Lives in the runs and not in an actor: nothing of it survives them, and nothing needs to. What the queue and the ledger are told is
each member's own business.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from supervisors import Runtime
from supervisors.clock import Timer
from symbiont.domain.joint import answers, is_about_a_request, joined, shared_usage, split
from symbiont.domain.outcome import Cancelled, Done, Outcome
from symbiont.domain.price import nanos, usd
from symbiont.domain.task import Share
from symbiont.ports import ModelCall, ModelReply, Worker

__all__ = ["PATIENCE_S", "JointCall", "is_to_go_alone"]

PATIENCE_S: Final = 30.0
"""What keeps a member that long is a disk that refuses it, or the death of who should have said that it does not come."""

_TOO_LATE: Final = Cancelled("too late for a shared call")


class JointCall:
    """`members` are task ids. `draw` gives ids for the requests that nobody can guess."""

    def __init__(self, call_id: str, members: Sequence[str], draw: Callable[[], str]) -> None:
        self.id = call_id
        self.members = tuple(members)
        self._draw = draw
        self._missing = set(members)
        self._calls: dict[str, ModelCall] = {}
        self._waiters: dict[str, asyncio.Future[ModelReply]] = {}
        self._worker: Worker | None = None
        self._making: asyncio.Task[None] | None = None
        self._ids: dict[str, str] = {}
        self._reply: ModelReply | None = None
        self._is_shared_out = False
        self._patience: Timer | None = None

    def share_of(self, task_id: str) -> Share:
        """As far as one can tell before the call: members may still leave."""
        return Share(self.id, self.members.index(task_id) + 1, len(self.members))

    @contextmanager
    def seat(self, task_id: str) -> Generator[None]:
        """A member is in the block from its grant to its share, and leaves with it. Who ended before it heard of the grant cannot:
        for that one the dispatcher leaves.
        """
        try:
            yield
        finally:
            self.leave(task_id)

    async def run(self, worker: Worker, call: ModelCall, runtime: Runtime) -> ModelReply:
        """This member's share of the reply. Returns and raises as `Worker.run` does. `runtime` has the clock."""
        if self._making is not None:
            share = Share(self.id, len(self._ids) + 1, len(self._ids) + 1)
            return ModelReply(_TOO_LATE, 0.0, worker.billing, was_made=False, shared=share)
        if self._patience is None:
            self._patience = runtime.call_later(PATIENCE_S, self._wait_no_longer)
        self._worker = worker
        waiter: asyncio.Future[ModelReply] = asyncio.get_running_loop().create_future()
        self._waiters[call.task_id] = waiter
        self._calls[call.task_id] = call
        self._missing.discard(call.task_id)
        self._make_if_complete()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                return waiter.result()
            return await self._stopped(worker, call.task_id)

    async def _stopped(self, worker: Worker, task_id: str) -> ModelReply:
        if self._making is None or self._is_shared_out or len(self._waiters) > 1:
            self.leave(task_id)
            return ModelReply(Cancelled("stopped"), 0.0, worker.billing, was_made=False)
        waiter: asyncio.Future[ModelReply] = asyncio.get_running_loop().create_future()
        self._waiters[task_id] = waiter
        self._making.cancel()  # a worker returns all the same
        self._share_out()  # if it just has
        return await waiter

    def leave(self, task_id: str) -> None:
        """Wait no more for this member. Harmless if it has its share."""
        self._missing.discard(task_id)
        self._calls.pop(task_id, None)
        if self._waiters.pop(task_id, None) is not None and not self._waiters and self._making is not None:
            self._making.cancel()
        self._make_if_complete()

    def _wait_no_longer(self) -> None:
        self._missing.clear()
        self._make_if_complete()

    # The call

    def _make_if_complete(self) -> None:
        if self._making is None and self._worker is not None and self._calls and not self._missing:
            if self._patience is not None:
                self._patience.cancel()
            for task_id in self._calls:
                self._ids[task_id] = self._fresh_id()
            self._making = asyncio.ensure_future(self._make(self._worker, _whole(self._calls, self._ids)))
            self._making.add_done_callback(self._made)

    def _fresh_id(self) -> str:
        while (drawn := self._draw()) in self._ids.values():
            pass
        return drawn

    async def _make(self, worker: Worker, call: ModelCall) -> None:
        try:
            self._reply = await worker.run(call)
        except BaseException as error:  # noqa: BLE001 -- each member's run is to end by it, and nobody awaits this task
            for waiter in self._waiters.values():
                _raise_in(waiter, error)
        self._share_out()

    def _made(self, making: "asyncio.Task[None]") -> None:
        """Cancelled before its first step, it never was a call."""
        if making.cancelled() and self._worker is not None:
            self._reply = ModelReply(Cancelled("stopped"), 0.0, self._worker.billing, was_made=False)
            self._share_out()

    def _share_out(self) -> None:
        """Once, to those that are there: who has been told to stop and has not noticed yet is not."""
        there = {task_id: waiter for task_id, waiter in self._waiters.items() if not waiter.done()}
        if self._reply is None or self._is_shared_out or not there:
            return
        self._is_shared_out = True
        shares = [self._reply] if len(self._ids) == 1 else self._shares(self._reply, tuple(there))
        for waiter, share in zip(there.values(), shares, strict=True):
            waiter.set_result(share)

    def _shares(self, reply: ModelReply, there: Sequence[str]) -> list[ModelReply]:
        """What each member has got and has to pay."""
        stayed, ids = [self._calls[task_id] for task_id in there], [self._ids[task_id] for task_id in there]
        outcomes = answers(reply.outcome, ids, structured=any(call.schema is not None for call in stayed))
        read = [len(call.prompt) + 1 for call in stayed]
        written = [_length(outcome) for outcome in outcomes]
        usage = shared_usage(reply.usage, read, written)
        costs = _costs(reply.reported_cost_usd, [sum(pair) for pair in zip(read, written, strict=True)])
        return [
            msgspec.structs.replace(
                reply,
                outcome=outcome,
                usage=usage[index],
                reported_cost_usd=costs[index],
                shared=Share(self.id, index + 1, len(stayed)),
            )
            for index, outcome in enumerate(outcomes)
        ]


def is_to_go_alone(reply: ModelReply) -> bool:
    """Whether a member is to make its call once more by itself, no try used up: any of the requests may be to blame, or it came too late."""
    return reply.shared is not None and (is_about_a_request(reply.outcome) or reply.outcome == _TOO_LATE)


def _whole(calls: Mapping[str, ModelCall], ids: Mapping[str, str]) -> ModelCall:
    """The call for all of them; a single one is made as it is."""
    first, *others = calls.values()
    if not others:
        return first
    whole = joined(first.system, {ids[task_id]: call.prompt for task_id, call in calls.items()}, first.schema)
    parts = tuple((ids[task_id], call) for task_id, call in calls.items())
    return msgspec.structs.replace(first, system=whole.system, prompt=whole.prompt, schema=whole.schema, parts=parts)


def _length(outcome: Outcome) -> int:
    if not isinstance(outcome, Done):
        return 0
    return len(outcome.text) if outcome.structured is None else len(msgspec.json.encode(outcome.structured))


def _costs(reported_usd: float | None, weights: Sequence[int]) -> Sequence[float | None]:
    if reported_usd is None:
        return [None] * len(weights)
    return [usd(part) for part in split(nanos(reported_usd), weights)]


def _raise_in(waiter: "asyncio.Future[ModelReply]", error: BaseException) -> None:
    if waiter.done():
        return
    if isinstance(error, asyncio.CancelledError):
        waiter.cancel()
    else:
        waiter.set_exception(error)
