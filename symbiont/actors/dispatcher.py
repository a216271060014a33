"""Who may run what, now: slots of workers, limits in force, and the runs under way.

Guarantees: never more calls of a worker than it has slots; nothing is sent where a limit is in force; after a limit's end one
probe goes first; limits survive a restart (`limits.jsonl`). A run that ends without having said how gives its slot back and its
task to the queue. It holds no task: what it forgets in a crash, the queue and the sweep of the heartbeat repair.
Does not judge outcomes nor talk to models: the run does (`life.py`).
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final

import msgspec
import structlog

from supervisors import (
    NO_REPLY,
    Actor,
    Continue,
    Down,
    Error,
    From,
    MaxChildren,
    Normal,
    Process,
    Request,
    Shutdown,
    Tasks,
)
from supervisors.clock import Timer
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.accounting import interrupted
from symbiont.actors.ledger import Append, Refused
from symbiont.actors.limits import Limits
from symbiont.actors.queue_messages import EndWaits, Get, Rescue, StopRun, SweepIsDue, Take, WorkIsDue
from symbiont.actors.run_steps import Fail, Stopped, run_label, runs_in
from symbiont.domain.closure import ClosurePolicy
from symbiont.domain.lanes import Closed, LaneBook
from symbiont.domain.outcome import Outcome
from symbiont.domain.routing import Hold, Route, choose
from symbiont.domain.task import Failure, Source, Task
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock, Journal, Randomness

RUN_SHUTDOWN_S: Final = 15.0
"""What a run gets to stop its call in order, settle it and put the task back."""

REFUSAL_PAUSE_S: Final = 5.0
"""Until a lease is asked for again that a full disk refused."""

_log = structlog.get_logger("symbiont.dispatcher")


class Lease(msgspec.Struct, Request[Route | Hold | None], frozen=True):
    """May I call a model of this tier (or a dearer one if it is closed)? Answered when a slot is free.

    `exact` refuses other tiers. `Hold` says until when everything able is closed; None: no worker serves these tiers.
    The slot belongs to the calling run until `Returned`, or its end.
    """

    wanted: str
    floor: str | None = None
    exact: bool = False


class Outlook(msgspec.Struct, Request[Route | Hold | None], frozen=True):
    """What a lease for this tier would be answered now; takes no slot."""

    wanted: str


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


class _Run(msgspec.Struct):
    task_id: str
    lease: int
    lane: tuple[str, str] | None = None
    probed: frozenset[Closed] = frozenset()
    is_stopping: bool = False


RunTask = Callable[[Task], Coroutine[Any, Any, None]]


class Dispatcher(Actor):
    """`workers`: slots by worker name; `lanes`: (worker, tier) in order of preference; `run` lives a task's life.

    `source` and `since` (RFC 3339) restrict which tasks are taken. With `per_sweep`, queued tasks are taken when the heartbeat
    sweeps, at most so many.
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
    ) -> None:
        self._run = run
        self._slots = dict(workers)
        self._tiers = tiers
        self._clock = clock
        self._source: Source | None = source
        self._since = since
        self._per_sweep = per_sweep
        self._left_of_sweep = 0
        self._book = LaneBook(lanes)
        self._limits = Limits(
            self._book, journal=journal, clock=clock, randomness=randomness, policy=policy, jitter_s=wake_jitter_s
        )
        self._runs: dict[Process, _Run] = {}
        self._queueing: list[tuple[Lease, From]] = []
        self._draining: list[From] | None = None
        self._drained = 0
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
                await self._take_in(child.process, _Run(*next(iter(found))))
        alive = runs_in(child.id for child in children)
        await self.named(names.QUEUE).call(Rescue(alive, grace_s=0.0), timeout_s=None)
        await self._fill()

    async def _take_in(self, process: Process, run: _Run) -> None:
        """A call it has under way holds a slot; a wish to cancel it may have been lost with our earlier life."""
        self._adopt(process, run)
        task = await self.named(names.QUEUE).call(Get(run.task_id), timeout_s=None)
        if not isinstance(task, Task) or task.lease != run.lease:
            return
        if task.call is not None:
            self._occupy(run, (task.call.worker, task.call.tier))
        if task.cancel_requested:
            self._stop(process, run, "cancelled")

    # Messages

    def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case Lease():
                return self._lease(request, from_)
            case Outlook(wanted):
                return self._decide(Lease(wanted))
            case Returned(outcome):
                return self._returned(outcome, from_)
            case ReadLimits():
                return self._book.limits
            case Wake():
                return self._wake_up()
            case Drain():
                return self._drain(from_)
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
                for process, run in self._runs.items():
                    if run.task_id == task_id:
                        self._stop(process, run, "cancelled")
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

    # Starting runs

    @property
    def _tasks(self) -> Tasks:
        return Tasks(self.named(names.TASKS))

    async def _fill(self) -> None:
        """Take tasks while there is room and a lane is open.

        Out of order, also those of callers who wait: their run tells them why they wait in vain.
        """
        await self._limits.shorten()
        self._serve_leases()
        while self._draining is None and len(self._runs) < sum(self._slots.values()):
            now = self._clock.wall()
            is_out_of_order = self._book.is_out_of_order(now)
            is_closed = self._book.all_closed(now) and not is_out_of_order
            is_direct_alone = is_out_of_order or (self._per_sweep is not None and not self._left_of_sweep)
            if is_closed or not await self._start_next("direct" if is_direct_alone else self._source):
                break
        self._set_alarm()

    async def _start_next(self, source: Source | None) -> bool:
        task = await self.named(names.QUEUE).call(Take(source, self._since), timeout_s=None)
        self._is_refused = isinstance(task, Refused)
        if not isinstance(task, Task):
            if task is None and source != "direct":
                self._left_of_sweep = 0  # what comes now is for the next sweep
            return False
        self._left_of_sweep -= self._left_of_sweep > 0 and task.source == "queued"
        run = _Run(task.id, task.lease)
        label = run_label(task.id, task.lease)
        try:
            process = await self._tasks.start_child(partial(self._run, task), label=label, shutdown_s=RUN_SHUTDOWN_S)
        except MaxChildren as full:
            _log.warning("no_room_for_a_run", task=task.id, reason=str(full))
            await self.named(names.QUEUE).call(Stopped(task.id, task.lease), timeout_s=None)
            return False
        self._adopt(process, run)
        return True

    def _adopt(self, process: Process, run: _Run) -> None:
        self._runs[process] = run
        self.monitor(process)

    # Leases

    def _lease(self, request: Lease, from_: From) -> object:
        """Who asks has no call under way: the one that an earlier life of ours saw begin is over."""
        run = self._run_of(from_)
        if run is not None:
            self._vacate(run)
        self._queueing.append((request, from_))
        self._serve_leases()
        return NO_REPLY

    def _serve_leases(self) -> None:
        waiting, self._queueing = self._queueing, []
        for request, from_ in waiting:
            answer = self._decide(request)
            if isinstance(answer, Route):
                lane = (answer.worker, answer.tier)
                if not self._has_slot(answer.worker) or self._book.probing(*lane, self._clock.wall()):
                    self._queueing.append((request, from_))
                    continue
                self._occupy(self._run_of(from_), lane)
            from_.reply(answer)

    def _decide(self, request: Lease) -> Route | Hold | None:
        now = self._clock.wall()
        lanes = self._book.lanes(now)
        if request.exact:
            lanes = tuple(lane for lane in lanes if lane.tier == request.wanted)
        return choose(request.wanted, lanes, self._tiers, now=now, floor=request.floor)

    def _has_slot(self, worker: str) -> bool:
        busy = sum(run.lane is not None and run.lane[0] == worker for run in self._runs.values())
        return busy < self._slots[worker]

    def _occupy(self, run: _Run | None, lane: tuple[str, str]) -> None:
        if run is not None:
            run.lane = lane
            run.probed = self._book.send(*lane, self._clock.wall())

    def _vacate(self, run: _Run) -> None:
        """Its slot is free, and whatever it probed is as unknown as before."""
        self._book.back_unjudged(run.probed)
        run.lane, run.probed = None, frozenset()

    def _run_of(self, from_: From) -> _Run | None:
        return self._runs.get(from_.caller) if isinstance(from_.caller, Process) else None

    async def _returned(self, outcome: Outcome, from_: From) -> bool:
        run = self._run_of(from_)
        if run is None or run.lane is None:
            return True
        lane, probed = run.lane, run.probed
        self._vacate(run)
        await self._limits.learn(lane, probed, outcome)
        self._serve_leases()
        self._set_alarm()
        return self._book.is_open(*lane, self._clock.wall())

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
        moment = self._book.next_opening(now)
        if moment is not None or self._is_refused:
            opens_in_s = inf if moment is None else moment - now
            look_in_s = REFUSAL_PAUSE_S if self._is_refused else 60.0
            self._alarm = self.send_after(min(opens_in_s, look_in_s), _Fill())

    # Ends

    @staticmethod
    def _stop(process: Process, run: _Run, why: str) -> None:
        """Once: a second signal would cut off a call that is just telling what it has cost."""
        if not run.is_stopping:
            run.is_stopping = True
            process.exit(Shutdown(why))

    async def _ended(self, process: Process, reason: ExitReason) -> None:
        run = self._runs.pop(process, None)
        if run is None:
            return
        self._vacate(run)
        self._queueing = [(lease, from_) for lease, from_ in self._queueing if from_.caller is not process]
        await self._hand_back(run, reason)
        self._answer_drain()
        await self._fill()

    async def _hand_back(self, run: _Run, reason: ExitReason) -> None:
        """Harmless if the run had finished its task: the queue calls it stale."""
        queue = self.named(names.QUEUE)
        if not isinstance(reason, Normal) and not await self._settled(run):
            return  # still leased: the sweep of the heartbeat comes back to it
        if isinstance(reason, Error):
            failure = Failure("INTERNAL", f"the run of this task crashed: {reason}"[:500])
            answer = await queue.call(Fail(run.task_id, run.lease, failure), timeout_s=None)
        else:
            answer = await queue.call(Stopped(run.task_id, run.lease), timeout_s=None)
        if isinstance(answer, Refused):
            _log.error("task_not_handed_back", task=run.task_id, reason=answer.reason)

    async def _settled(self, run: _Run) -> bool:
        """A run that was cut off may have left a call open. The ledger ignores one that it has already."""
        task = await self.named(names.QUEUE).call(Get(run.task_id), timeout_s=None)
        if not isinstance(task, Task) or task.lease != run.lease or task.call is None:
            return True
        entry = interrupted(task, task.call, self._clock.wall())
        answer = await self.named(names.LEDGER).call(Append(entry), timeout_s=None)
        if isinstance(answer, Refused):
            _log.error("call_not_settled", task=run.task_id, reason=answer.reason)
        return not isinstance(answer, Refused)

    def _drain(self, from_: From) -> object:
        if self._draining is None:
            self._draining = []
            self._drained = len(self._runs)
            for process, run in self._runs.items():
                self._stop(process, run, "draining")
        self._draining.append(from_)
        self._answer_drain()
        return NO_REPLY

    def _answer_drain(self) -> None:
        if self._draining and not self._runs:
            for from_ in self._draining:
                from_.reply(self._drained)
