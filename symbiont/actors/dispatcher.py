"""Which tasks run now, and what their calls teach: the runs under way, and the limits in force.

Guarantees: never more runs than calls can be made (`lease_desk`), but for those that share one; nothing is sent where a limit is in
force; after a limit's end one probe goes first; limits survive a restart (`limits.jsonl`). A run that ends without having said how gives its slot back and its
task to the queue. It holds no task: what it forgets in a crash, the queue and the sweep of the heartbeat repair.
Does not judge outcomes nor talk to models: the run does (`life.py`).
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final, Literal

import msgspec
import structlog

from supervisors import (
    NO_REPLY,
    Actor,
    Continue,
    Down,
    From,
    MaxChildren,
    Process,
    Request,
    Tasks,
)
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.lease_desk import Lease, LeaseDesk, Outlook, Run
from symbiont.actors.ledger import Refused
from symbiont.actors.limits import Limits
from symbiont.actors.queue_messages import EndWaits, Get, Rescue, StopRun, SweepIsDue, Take, WorkIsDue
from symbiont.actors.run_ends import RunEnds
from symbiont.actors.run_steps import Stopped, run_label, runs_in
from symbiont.actors.webhook_messages import LimitNotice
from symbiont.config.schema import Batching
from symbiont.domain.closure import ClosurePolicy
from symbiont.domain.lanes import Closed, LaneBook
from symbiont.domain.outcome import Cancelled, Outcome
from symbiont.domain.task import Source, Task
from symbiont.domain.tier import TierTable
from symbiont.domain.webhook import LaneClosed
from symbiont.ports import Clock, Journal, Randomness

RUN_SHUTDOWN_S: Final = 15.0
"""What a run gets to stop its call in order, settle it and put the task back."""

REFUSAL_PAUSE_S: Final = 5.0
"""Until a lease is asked for again that a full disk refused."""

_log = structlog.get_logger("symbiont.dispatcher")


class Returned(msgspec.Struct, Request[bool], frozen=True):
    """The call is over: the slot is free, and the outcome may close or open lanes. Answers whether its lane is open now."""

    outcome: Outcome


class ReadLimits(msgspec.Struct, Request[tuple[Closed, ...]], frozen=True):
    """Limits in force or half open."""


class Wake(msgspec.Struct, Request[tuple[Closed, ...]], frozen=True):
    """Lift every limit by hand; answers which."""


class Drain(msgspec.Struct, Request[int], frozen=True):
    """Take nothing new, stop all runs in order; answered when the last has ended, with how many there were."""


class _Fill(msgspec.Struct, frozen=True):
    """The dispatcher's message to itself: a limit ends, or a slot is free."""


ALONE: Final = Batching()
"""No call is shared."""

Room = Literal["own", "company"]
RunTask = Callable[[Task], Coroutine[Any, Any, None]]


class Dispatcher(Actor):
    """`workers`: slots by worker name; `lanes`: (worker, tier) in order of preference; `run` lives a task's life.

    `source` and `since` (RFC 3339) restrict which tasks are taken. With `per_sweep`, queued tasks are taken when the heartbeat
    sweeps, at most so many. `batching` lets small queued tasks share calls.
    """

    def __init__(
        self,
        *,
        run: RunTask,
        workers: Mapping[str, int],
        lanes: Sequence[tuple[str, str]],
        tiers: TierTable,
        journal: Journal,
        clock: Clock,
        randomness: Randomness,
        policy: ClosurePolicy,
        wake_jitter_s: float,
        source: Source | None = None,
        since: str = "",
        per_sweep: int | None = None,
        batching: Batching = ALONE,
    ) -> None:
        self._run = run
        self._clock = clock
        self._source: Source | None = source
        self._since = since
        self._per_sweep = per_sweep
        self._left_of_sweep = 0
        self._book = LaneBook(lanes)
        self._limits = Limits(
            self._book,
            journal=journal,
            clock=clock,
            randomness=randomness,
            policy=policy,
            jitter_s=wake_jitter_s,
            tell=self._limit_reached,
        )
        self._runs: dict[Process, Run] = {}
        self._most_runs = sum(workers.values())
        self._most_with_company = self._most_runs * (batching.max_tasks if batching.enabled else 1)
        self._small_chars = batching.max_task_chars
        self._desk = LeaseDesk(
            dict(workers), self._runs, self._book, tiers, clock, batching=batching, draw=partial(_drawn, randomness)
        )
        self._ends = RunEnds(self._runs, self.named, clock)
        self._is_refused = False
        self._alarm: Timer | None = None

    async def init(self) -> Continue:
        await self._limits.open()
        return Continue(_Fill())

    async def terminate(self, reason: ExitReason) -> None:
        await self._limits.close()

    async def handle_continue(self, term: Any) -> None:
        """Runs that outlived an earlier life of this actor are ours again; then look for work.

        That life may have died between a lease and the start of its run. Nobody else takes tasks, so a lease without a run
        needs no grace now.
        """
        children = await self._tasks.children()
        for child in children:
            found = runs_in([child.id])
            if found and child.process is not None:
                await self._take_in(child.process, Run(*next(iter(found))))
        alive = runs_in(child.id for child in children)
        await self.named(names.QUEUE).call(Rescue(alive, grace_s=0.0), timeout_s=None)
        await self._fill()

    async def _take_in(self, process: Process, run: Run) -> None:
        """A call it has under way holds a slot, and so does one that it may be about to make: of one that is written down as shared nobody
        knows whether it is over, and each of those that shared it has a slot of its own. A wish to cancel it may have been lost with our
        earlier life.
        """
        self._adopt(process, run)
        task = await self.named(names.QUEUE).call(Get(run.task_id), timeout_s=None)
        if not isinstance(task, Task) or task.lease != run.lease:
            return
        run.is_unsure = task.call is None or task.call.shared is not None
        if (call := task.call) is not None:
            run.is_company = call.shared is not None and call.shared.number > 1
            self._desk.reoccupy(run, (call.worker, call.tier), call.shared.call if call.shared is not None else "")
        if task.cancel_requested:
            self._ends.stop(process, run, "cancelled")

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Lease():
                self._desk.ask(request, from_)
                self._set_alarm()
                return NO_REPLY
            case Outlook(wanted):
                return self._desk.decide(Lease(wanted))
            case Returned(outcome):
                return self._returned(outcome, from_)
            case ReadLimits():
                return self._book.limits
            case Wake():
                return self._wake_up()
            case Drain():
                return self._ends.drain(from_)
            case _:
                return super().handle_call(request, from_)

    def handle_cast(self, message: Any) -> object:
        match message:
            case WorkIsDue():
                return self._fill()
            case SweepIsDue():
                self._left_of_sweep = self._per_sweep or 0
                return self._fill()
            case StopRun(task_id):
                self._ends.cancel(task_id)
                return None
            case _:
                return super().handle_cast(message)

    def handle_info(self, message: Any) -> object:
        match message:
            case Down(process=process, reason=reason):
                return self._ended(process, reason)
            case _Fill():
                self._alarm = None
                return self._fill()
            case _:
                return super().handle_info(message)

    def _limit_reached(self, limit: LaneClosed) -> None:
        self.named(names.WEBHOOKS).cast(LimitNotice(limit))

    # Starting runs

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.named(names.TASKS))

    async def _fill(self) -> None:
        """Take tasks while there is room and a lane is open.

        Out of order, also those of callers who wait: their run tells them why they wait in vain.
        """
        await self._limits.shorten()
        self._desk.serve()
        while not self._ends.is_draining and (room := self._room()) is not None:
            now = self._clock.wall()
            is_out_of_order = self._book.is_out_of_order(now)
            is_closed = self._book.all_closed(now) and not is_out_of_order
            is_direct_alone = is_out_of_order or (self._per_sweep is not None and not self._left_of_sweep)
            source = "direct" if is_direct_alone else self._source
            if is_closed or (room == "company" and source == "direct") or not await self._start_next(source, room):
                break
        self._set_alarm()

    def _room(self) -> Room | None:
        """For another run of its own, only for one that may share a call, or for none."""
        if self._desk.needed < self._most_runs:
            return "own"
        return "company" if len(self._runs) < self._most_with_company else None

    async def _start_next(self, source: Source | None, room: Room) -> bool:
        small = self._small_chars if room == "company" else None
        task = await self.named(names.QUEUE).call(Take(source, self._since, small), timeout_s=None)
        self._is_refused = isinstance(task, Refused)
        if not isinstance(task, Task):
            if task is None and source != "direct" and room == "own":
                self._left_of_sweep = 0  # what comes now is for the next sweep
            return False
        self._left_of_sweep -= self._left_of_sweep > 0 and task.source == "queued"
        run = Run(task.id, task.lease, is_company=room == "company")
        label = run_label(task.id, task.lease)
        try:
            process = await self._tasks.start_child(partial(self._run, task), label=label, shutdown_s=RUN_SHUTDOWN_S)
        except MaxChildren as full:
            _log.warning("no_room_for_a_run", task=task.id, reason=str(full))
            await self.named(names.QUEUE).call(Stopped(task.id, task.lease), timeout_s=None)
            return False
        self._adopt(process, run)
        return True

    def _adopt(self, process: Process, run: Run) -> None:
        self._runs[process] = run
        self.monitor(process)

    # Calls

    async def _returned(self, outcome: Outcome, from_: From) -> bool:
        run = self._desk.run_of(from_)
        if run is None:
            return True
        lane, probed, shared = run.lane, run.probed, run.shared
        self._desk.vacate(run)
        if lane is not None and (shared is None or not shared.is_judged):
            await self._limits.learn(lane, probed, outcome)
        if shared is not None and not isinstance(outcome, Cancelled):
            shared.is_judged = True
        self._desk.serve()
        self._set_alarm()
        return lane is None or self._book.is_open(*lane, self._clock.wall())

    async def _wake_up(self) -> tuple[Closed, ...]:
        limits = await self._limits.lift_all()
        self.named(names.QUEUE).cast(EndWaits())
        await self._fill()
        return limits

    def _set_alarm(self) -> None:
        """One timer for the next opening, or the next look at a full disk. Capped: the wall clock may be set meanwhile."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock.wall()
        moment, look_s = self._book.next_opening(now), self._desk.next_look_s()
        if moment is not None or self._is_refused or look_s is not None:
            opens_in_s = inf if moment is None else moment - now
            look_in_s = REFUSAL_PAUSE_S if self._is_refused else 60.0
            self._alarm = self.send_after(min(opens_in_s, look_in_s, inf if look_s is None else look_s), _Fill())

    # Ends

    async def _ended(self, process: Process, reason: ExitReason) -> None:
        run = self._runs.pop(process, None)
        if run is None:
            return
        self._desk.vacate(run)
        self._desk.forget(process)
        await self._ends.hand_back(run, reason)
        self._ends.answer_drain()
        await self._fill()


def _drawn(randomness: Randomness) -> str:
    return f"{int(randomness.uniform(0, 16**8)):08x}"
