"""Slots of workers for the calls of runs: who gets the next one, and who shares one with whom.

A part of the dispatcher and not an actor: called from its callbacks alone. Guarantees: never more calls of a worker than it has
slots; nothing goes where a limit is in force; leases are served in order, but that one may bring along others that may share its
call. Nobody waits longer for company than `patience_s`, and only for a slot that is free.
Does not start runs nor learn from outcomes: the dispatcher does.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import msgspec

from supervisors import From, Process, Request
from symbiont.actors.joint_call import JointCall
from symbiont.config.schema import Batching
from symbiont.domain.lanes import Closed, LaneBook
from symbiont.domain.routing import Hold, Route, choose
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock

SOON_S: Final = 0.001
"""No look comes sooner: rounded, it might come a hair too early, again and again."""


class Seat(msgspec.Struct, frozen=True):
    """A slot for one call: where it goes, and with whom it is shared (None: with nobody)."""

    route: Route
    joint: JointCall | None = None

    def taken_by(self, task_id: str) -> AbstractContextManager[None]:
        """To be in from here to the end of the call."""
        return nullcontext() if self.joint is None else self.joint.seat(task_id)


class Lease(msgspec.Struct, Request[Seat | Hold | None], frozen=True):
    """May I call a model of this tier (or a dearer one if it is closed)? Answered when a slot is free.

    `exact` refuses other tiers. Leases of one `company` may share a call; an empty one shares with nobody. `Hold` says until when
    everything able is closed; None: no worker serves these tiers. The slot belongs to the calling run until `Returned`, or its end.
    """

    wanted: str
    floor: str | None = None
    exact: bool = False
    company: str = ""


class Outlook(msgspec.Struct, Request[Route | Hold | None], frozen=True):
    """What a lease for this tier would be answered now; takes no slot."""

    wanted: str


class SharedSlot:
    """The slot of a call for several runs: it is free when the last of them has given it back.

    `joint` is None of a call that an earlier life of the dispatcher granted.
    """

    __slots__ = ("id", "is_judged", "joint")

    def __init__(self, id_: str, joint: JointCall | None = None) -> None:
        self.id = id_
        self.joint = joint
        self.is_judged = False  # one call is one outcome, whoever tells of it


class Run(msgspec.Struct):
    """A run and the slot it holds. `is_company`: it was started beyond the slots there are, to share a call. `is_unsure`: an earlier life
    of the dispatcher may have given it one, of whatever worker; it holds one of each until it asks, gives it back or ends.
    """

    task_id: str
    lease: int
    is_company: bool = False
    lane: tuple[str, str] | None = None
    shared: SharedSlot | None = None
    probed: frozenset[Closed] = frozenset()
    is_stopping: bool = False
    is_unsure: bool = False


class _Waiting(msgspec.Struct, frozen=True):
    lease: Lease
    from_: From
    since_s: float


class LeaseDesk:
    """`slots` by worker name; `runs` are the dispatcher's. `draw` gives ids that nobody can guess."""

    def __init__(
        self,
        slots: Mapping[str, int],
        runs: Mapping[Process, Run],
        book: LaneBook,
        tiers: TierTable,
        clock: Clock,
        *,
        batching: Batching,
        draw: Callable[[], str],
    ) -> None:
        self._slots = slots
        self._runs = runs
        self._book = book
        self._tiers = tiers
        self._clock = clock
        self._most = batching.max_tasks if batching.enabled else 1
        self._patience_s = batching.patience_s
        self._draw = draw
        self._waiting: list[_Waiting] = []

    # Asking

    def ask(self, lease: Lease, from_: From) -> None:
        """Who asks has no call under way: the one that an earlier life of the dispatcher saw begin is over."""
        run = self.run_of(from_)
        if run is not None:
            self.vacate(run)
        self._waiting.append(_Waiting(lease, from_, self._clock.monotonic()))
        self.serve()

    def serve(self) -> None:
        waiting, self._waiting = self._waiting, []
        while waiting:
            first = waiting.pop(0)
            answer = self.decide(first.lease)
            if not isinstance(answer, Route):
                first.from_.reply(answer)
                continue
            others = [each for each in waiting if first.lease.company and each.lease == first.lease]
            guests = others[: self._most - 1]
            if not self._is_free(answer) or not self._is_complete(first, guests):
                self._waiting.append(first)
                continue
            waiting = [each for each in waiting if each not in guests]
            self._grant(answer, [first, *guests])

    def decide(self, lease: Lease) -> Route | Hold | None:
        now = self._clock.wall()
        lanes = self._book.lanes(now)
        if lease.exact:
            lanes = tuple(lane for lane in lanes if lane.tier == lease.wanted)
        return choose(lease.wanted, lanes, self._tiers, now=now, floor=lease.floor)

    def _is_free(self, route: Route) -> bool:
        busy = {
            id(run if run.is_unsure else run.shared or run)
            for run in self._runs.values()
            if run.is_unsure or (run.lane is not None and run.lane[0] == route.worker)
        }
        is_probing = self._book.probing(route.worker, route.tier, self._clock.wall())
        return len(busy) < self._slots[route.worker] and not is_probing

    def _is_complete(self, first: _Waiting, guests: list[_Waiting]) -> bool:
        """Nobody else may join, or the first has waited long enough for others."""
        if not first.lease.company or len(guests) + 1 >= self._most:
            return True
        return self._clock.monotonic() >= first.since_s + self._patience_s

    def _grant(self, route: Route, members: list[_Waiting]) -> None:
        runs = [run for each in members if (run := self.run_of(each.from_)) is not None]
        joint, shared = None, None
        if len(runs) > 1:
            joint = JointCall(f"joint-{self._draw()}", [run.task_id for run in runs], self._draw)
            shared = SharedSlot(joint.id, joint)
        for run in runs:
            self.occupy(run, (route.worker, route.tier), shared)
        for each in members:
            each.from_.reply(Seat(route, joint))

    def next_look_s(self) -> float | None:
        """In how many seconds somebody will have waited long enough for company; None if nobody waits for that."""
        now_s = self._clock.monotonic()
        ends = [each.since_s + self._patience_s for each in self._waiting if each.lease.company]
        return min((max(SOON_S, end_s - now_s) for end_s in ends if end_s > now_s), default=None)

    def forget(self, process: Process) -> None:
        """Who asked is gone."""
        self._waiting = [each for each in self._waiting if each.from_.caller is not process]

    # Slots

    @property
    def needed(self) -> int:
        """How many slots the runs hold or will ask for: those that share one hold one, and company asks for none of its own."""
        runs = self._runs.values()
        return len({id(run.shared or run) for run in runs if run.lane is not None or not run.is_company})

    def occupy(self, run: Run, lane: tuple[str, str], shared: SharedSlot | None = None) -> None:
        """Of those that share a slot the first is the probe of what is half open: they are one call."""
        is_first = shared is None or not any(other.shared is shared for other in self._runs.values())
        run.lane, run.shared = lane, shared
        run.probed = self._book.send(*lane, self._clock.wall()) if is_first else frozenset()

    def reoccupy(self, run: Run, lane: tuple[str, str], shared_call: str) -> None:
        """A call that was under way before this desk was there."""
        known = (other.shared for other in self._runs.values() if other.shared and other.shared.id == shared_call)
        shared = (next(known, None) or SharedSlot(shared_call)) if shared_call else None
        self.occupy(run, lane, shared)

    def vacate(self, run: Run) -> None:
        """Its part of the slot is free, nobody waits for it, and whatever it probed is as unknown as before."""
        if run.shared is not None and run.shared.joint is not None:
            run.shared.joint.leave(run.task_id)
        self._book.back_unjudged(run.probed)
        run.lane, run.shared, run.probed, run.is_unsure = None, None, frozenset(), False

    def run_of(self, from_: From) -> Run | None:
        return self._runs.get(from_.caller) if isinstance(from_.caller, Process) else None
