"""Every few minutes: is everything well, and is anything lost? Also on demand (`Beat`).

A beat rescues tasks whose run is gone, nudges the dispatcher, has old results pruned, checks disk, ledger and workers, and leaves a line in
`heartbeat.jsonl`. Guarantees: hints that were lost in a crash are made good within one interval.
Does not mend anything by itself but what the queue and the dispatcher offer.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from supervisors import Actor, CallExit, Continue, From, Request, Tasks
from supervisors.exits import ExitReason
from symbiont.actors import names
from symbiont.actors.ledger_messages import ReadDamage
from symbiont.actors.queue_messages import CountTasks, Rescue, SweepIsDue, Tidy
from symbiont.actors.run_steps import runs_in
from symbiont.domain.line_fold import LineFold
from symbiont.domain.moment import rfc3339
from symbiont.domain.standing import Counts
from symbiont.ports import Clock, Disk, Journal, SyncFailed, WorkerCheck

KEPT_BEATS: Final = 10_000
"""A month of them, every five minutes. The file holds up to twice as many."""

_log = structlog.get_logger("symbiont.heartbeat")


class Snapshot(msgspec.Struct, frozen=True):
    """A line of `heartbeat.jsonl`. `status` is `healthy` if every check is true, else `degraded`."""

    timestamp: str
    status: str
    checks: dict[str, bool]
    disk_free_bytes: int
    queue_size: int
    processing: int
    tasks_processed: int
    rescued: int


class BeatNow(msgspec.Struct, Request[Snapshot], frozen=True):
    pass


class LastBeat(msgspec.Struct, Request[Snapshot | None], frozen=True):
    pass


class _Tick(msgspec.Struct, frozen=True):
    pass


class _Kept(LineFold):
    """The newest beats as they stand in the journal, and how many lines that has."""

    def __init__(self) -> None:
        self.newest: deque[bytes] = deque(maxlen=KEPT_BEATS)
        self.lines = 0

    def absorb(self, lines: Sequence[bytes]) -> None:
        self.newest.extend(lines)
        self.lines += len(lines)


class Heartbeat(Actor):
    """`interval_s` between beats; less than `min_free_bytes` of disk is not well; `worker` tells if models can be called."""

    def __init__(
        self, *, journal: Journal, clock: Clock, disk: Disk, worker: WorkerCheck, interval_s: float, min_free_bytes: int
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._disk = disk
        self._worker = worker
        self._interval_s = interval_s
        self._min_free_bytes = min_free_bytes
        self._last: Snapshot | None = None
        self._kept = _Kept()

    async def init(self) -> Continue:
        self._kept = _Kept()
        await self._journal.open(self._kept)
        self._last = _snapshot(self._kept.newest[-1]) if self._kept.newest else None
        return Continue(_Tick())

    async def terminate(self, reason: ExitReason) -> None:
        await self._journal.close()

    async def handle_continue(self, term: Any) -> None:
        """The first beat comes at once: after a crash nobody should wait an interval for the sweep."""
        await self._tick()

    async def handle_call(self, request: Any, from_: From) -> object:
        match request:
            case BeatNow():
                return await self._beat()
            case LastBeat():
                return self._last
            case _:
                return super().handle_call(request, from_)

    def handle_info(self, message: Any) -> object:
        return self._tick() if isinstance(message, _Tick) else super().handle_info(message)

    async def _tick(self) -> None:
        await self._beat()
        self.send_after(self._interval_s, _Tick())

    async def _beat(self) -> Snapshot:
        rescued = await self._sweep()
        counts = await self._counts()
        free_bytes = await self._free_bytes()
        checks = {
            "ledger": await self._ledger_answers(),
            "queue": counts is not None,
            "disk": free_bytes >= self._min_free_bytes,
            "worker": await self._worker(),
        }
        counts = counts or Counts(0, 0, 0, 0, 0)
        snapshot = Snapshot(
            timestamp=rfc3339(self._clock.wall()),
            status="healthy" if all(checks.values()) else "degraded",
            checks=checks,
            disk_free_bytes=free_bytes,
            queue_size=counts.pending,
            processing=counts.processing,
            tasks_processed=counts.done + counts.failed,
            rescued=rescued,
        )
        await self._keep(snapshot)
        return snapshot

    async def _sweep(self) -> int:
        """Lost runs back into the queue, and the dispatcher reminded that there may be work."""
        try:
            children = await Tasks(self.named(names.TASKS)).children()
            alive = runs_in(child.id for child in children)
            rescued = await self.named(names.QUEUE).call(Rescue(alive))
        except CallExit as gone:
            _log.warning("sweep_skipped", reason=str(gone))
            return 0
        self.named(names.DISPATCHER).cast(SweepIsDue())
        self.named(names.QUEUE).cast(Tidy())
        return rescued

    async def _counts(self) -> Counts | None:
        try:
            return await self.named(names.QUEUE).call(CountTasks())
        except CallExit:
            return None

    async def _ledger_answers(self) -> bool:
        try:
            return await self.named(names.LEDGER).call(ReadDamage()) is None
        except CallExit:
            return False

    async def _free_bytes(self) -> int:
        """A disk that cannot even be asked is as unwell as a full one."""
        try:
            return await self._disk.free_bytes()
        except OSError as error:
            _log.error("disk_not_checked", error=str(error))
            return 0

    async def _keep(self, snapshot: Snapshot) -> None:
        """A full disk must not end the one who reports it: the snapshot then lives in memory alone."""
        self._last = snapshot
        try:
            await self._append(msgspec.json.encode(snapshot))
        except SyncFailed:
            raise  # no beat is kept any more until a new life of this actor opens the journal anew
        except OSError as error:
            _log.error("beat_not_kept", error=str(error))

    async def _append(self, line: bytes) -> None:
        await self._journal.append(line)
        self._kept.absorb([line])
        if self._kept.lines >= 2 * KEPT_BEATS:
            newest = tuple(self._kept.newest)
            self._kept.lines = (await self._journal.compact(lambda: newest)).seq


def _snapshot(line: bytes) -> Snapshot | None:
    """A beat of an earlier version had other fields; the next one comes at once anyway."""
    try:
        return msgspec.json.decode(line, type=Snapshot)
    except msgspec.ValidationError:
        return None
