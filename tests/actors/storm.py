"""The whole tree in a storm: random tasks, outcomes, crashes, full disks, power cuts, wrong clocks, time; then fair weather.

A storm is a number: the same one is the same storm, event by event. Whatever happened in it, `Violation` is raised unless every
acknowledged task has come to an end, every call that was made is in the ledger once, shares of one call come to what it consumed,
no more calls ran than there were slots, and the totals are the sum of the lines. In every third storm small tasks share calls.
"""

import asyncio
import errno
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgspec
import structlog

from supervisors import CallExit
from supervisors.testing import VirtualClock
from symbiont.actors import names
from symbiont.actors.dispatcher import Wake
from symbiont.actors.heartbeat import BeatNow
from symbiont.actors.ledger import ReadTotals, Refused
from symbiont.actors.queue_messages import Cancel, CountTasks, Retry
from symbiont.config.schema import Batching
from symbiont.domain.ledger import Entry, decode, key_of
from symbiont.domain.task import FINAL
from symbiont.domain.totals import Totals
from symbiont.domain.usage import Usage
from symbiont.ports import ModelCall, ModelReply, SyncFailed
from tests.actors.system import JOURNALS, PUNCTUAL, System
from tests.actors.weather import WeatherWorker

ACTORS: Final = (names.LEDGER, names.QUEUE, names.DISPATCHER, names.HEARTBEAT, names.HTTP_SERVER)
TIERS: Final = (None, "haiku", "sonnet", "opus")
SLOTS: Final = (1, 2, 3)
SHORTEST: Final = 5
LONGEST: Final = 25
MOST_PASSES: Final = 30
MANY: Final = 50

Step = tuple[str, Any]

STEPS: Final[dict[str, Callable[[Random], Any]]] = {
    "submit": lambda chance: chance.choice(TIERS),
    "advance": lambda chance: chance.choice((0.1, 1.0, 10.0, 100.0, 1_000.0)),
    "crash": lambda chance: chance.choice(ACTORS),
    "crash_soon": lambda chance: (chance.choice(ACTORS), chance.randint(0, MOST_PASSES)),
    "cancel": lambda chance: chance.randrange(MANY),
    "retry": lambda chance: chance.randrange(MANY),
    "full": lambda chance: chance.choice(JOURNALS),
    "sync_failed": lambda chance: chance.choice(JOURNALS),
    "wake": lambda chance: None,
    "beat": lambda chance: None,
    "power_cut": lambda chance: chance.randint(0, MOST_PASSES),
    "clock_jump": lambda chance: chance.choice((-86_400.0, -3_600.0, -1.0, 1.0, 3_600.0, 86_400.0)),
}
"""What may happen, and by what chance draws how."""

IN_COMPANY: Final = msgspec.structs.replace(PUNCTUAL, batching=Batching(enabled=True, max_tasks=3))

Key = tuple[str, int, str]

FREQUENT: Final = ("submit", "submit", "submit", "advance")
"""What happens more often than the rest: without tasks and time, nothing does."""


class Violation(AssertionError):
    """Something was lost, doubled or left lying about."""


def steps_of(seed: int) -> tuple[int, list[Step]]:
    """How many slots there are, and what happens, in the storm of this number."""
    chance = Random(seed)
    kinds = [*STEPS, *FREQUENT]
    drawn = [chance.choice(kinds) for _ in range(chance.randint(SHORTEST, LONGEST))]
    return chance.choice(SLOTS), [(kind, STEPS[kind](chance)) for kind in drawn]


def endure(seed: int) -> str:
    """Go through the storm; returns a digest of all that was written in it. Raises `Violation`."""
    slots, steps = steps_of(seed)
    with structlog.testing.capture_logs(), asyncio.Runner() as runner:
        return runner.run(weather(slots, seed, steps))


async def weather(slots: int, seed: int, steps: list[Step]) -> str:
    storm = Storm(slots, seed)
    await storm.begin()
    try:
        for step, argument in steps:
            try:
                await storm.take(step, argument)
            except CallExit:
                await storm.system.quiet()  # asked an actor that went down: what any caller may meet in a storm
        await storm.clear_up()
        await check(storm)
    finally:
        await storm.system.stop()  # also after a violation: the loop would wait for runs that wait for time to pass
    return storm.digest.hexdigest()


class Storm:
    """A tree that is started again after a power cut, and what must not be forgotten over one."""

    def __init__(self, slots: int, seed: int) -> None:
        self.slots = slots
        self.seed = seed
        self.config = IN_COMPANY if seed % 3 == 2 else PUNCTUAL
        self.system: System
        self.ids: list[str] = []
        self.calls: list[tuple[Key, ...]] = []  # the tasks that each was made for
        self.returned: list[tuple[tuple[Key, ...], ModelReply]] = []
        self.digest = hashlib.sha256()

    async def begin(self) -> None:
        await self._start(VirtualClock(), {})

    async def _start(self, clock, disk) -> None:
        self.seed += 1
        self.worker = WeatherWorker(self.slots, self.seed, clock)
        options = {"worker": self.worker, "clock": clock, "disk": disk, "seed": self.seed}
        self.system = await System.start(**options, config=self.config, max_restarts=1_000_000)

    async def take(self, step: str, argument) -> None:
        await getattr(self, step)(argument)
        _require(self.worker.peak <= self.slots, "more calls ran than there are slots", self.worker.peak)

    async def submit(self, tier) -> None:
        answer = await self.system.try_submit(force_tier=tier)
        if not isinstance(answer, Refused):
            self.ids.append(answer.task.id)

    async def advance(self, seconds) -> None:
        await self.system.advance(seconds)

    async def crash(self, name) -> None:
        await self.system.crash(name)

    async def crash_soon(self, argument) -> None:
        """In the middle of whatever a task has set going."""
        name, passes = argument
        submitting = asyncio.ensure_future(self.submit(None))
        for _ in range(passes):
            await asyncio.sleep(0)
        with suppress(CallExit):
            await submitting
        await self.system.crash(name)

    async def cancel(self, number) -> None:
        if self.ids:
            await self.system.ask(names.QUEUE, Cancel(self.ids[number % len(self.ids)]))

    async def retry(self, number) -> None:
        if self.ids:
            await self.system.ask(names.QUEUE, Retry(self.ids[number % len(self.ids)]))

    async def full(self, journal) -> None:
        self.system.journals[journal].fail_next(OSError(errno.ENOSPC, "No space left on device"))

    async def sync_failed(self, journal) -> None:
        self.system.journals[journal].fail_next(SyncFailed(errno.EIO, "the disk is unwell"))

    async def wake(self, _) -> None:
        await self.system.ask(names.DISPATCHER, Wake())

    async def beat(self, _) -> None:
        await self.system.ask(names.HEARTBEAT, BeatNow())

    async def clock_jump(self, seconds) -> None:
        self.system.clock.jump_wall(seconds)

    async def power_cut(self, passes) -> None:
        await self.submit(None)
        for _ in range(passes):
            await asyncio.sleep(0)
        self._remember_calls()
        old, left = self.system, self.system.on_disk()
        await old.stop()
        await self._start(VirtualClock(old.clock.wall() + 1.0), left)

    def _remember_calls(self) -> None:
        self.digest.update(json.dumps(self._written(), sort_keys=True).encode())
        unmade = [call for call, reply in self.worker.returned if not reply.was_made]
        self.calls += [_keys(call) for call in self.worker.calls if call not in unmade]
        self.returned += [(_keys(call), reply) for call, reply in self.worker.returned if reply.was_made]

    def _written(self) -> list[object]:
        return [entry for entry in self.system.trace if entry[0] in JOURNALS]

    async def clear_up(self) -> None:
        """Fair weather, and as much time as anything may have to wait."""
        self.worker.is_fair = True
        for journal in self.system.journals.values():
            journal._failures.clear()
        await self.system.advance(2_000.0)
        await self.wake(None)
        await self.system.advance(2_000.0)
        self._remember_calls()


async def check(storm: Storm) -> None:
    system = storm.system
    tasks = [await system.task(task_id) for task_id in storm.ids]
    _require_none("came to no end", [task for task in tasks if task.status not in FINAL])
    entries = [decode(line) for line in system.journals["ledger"].records]
    recorded = Counter(map(key_of, entries))
    _require_none("are in the ledger more than once", [key for key, times in recorded.items() if times > 1])
    made = Counter(key for keys in storm.calls for key in keys)
    _require_none("were made more than once", [key for key, times in made.items() if times > 1])
    _require_none("are missing in the ledger", [keys for keys in storm.calls if recorded.keys().isdisjoint(keys)])
    made_up = [each for each in entries if key_of(each) not in made and each.error_code != "INTERRUPTED"]
    _require_none("were never made", made_up)
    _require_none("are not what their call consumed", _wrong_shares(storm.returned, entries))
    totals = Totals()
    for entry in entries:
        totals.add(entry)
    read = await system.ask(names.LEDGER, ReadTotals())
    _require(read == totals, "the totals are not the sum of the lines", read)
    counts = await system.ask(names.QUEUE, CountTasks())
    _require(counts.pending == counts.processing == 0, "tasks are left", counts)
    _require(storm.worker.running == 0, "calls are left running", storm.worker.running)


def _keys(call: ModelCall) -> tuple[Key, ...]:
    """What the ledger may know a call by: whom it was made for."""
    calls = [part for _, part in call.parts] or [call]
    return tuple((each.task_id, each.attempt, each.kind) for each in calls)


def _wrong_shares(returned: list[tuple[tuple[Key, ...], ModelReply]], entries: list[Entry]) -> list[object]:
    """Calls whose lines come to something else. What a crash of a run or a power cut interrupted is not known."""
    lines = {key_of(entry): entry for entry in entries}
    wrong: list[object] = []
    for keys, reply in returned:
        shares = [lines[key] for key in keys if key in lines]
        consumed = sum((used.usage for used in reply.usage), Usage())
        paid = sum(share.input_tokens for share in shares), sum(share.output_tokens for share in shares)
        is_known = all(share.error_code != "INTERRUPTED" for share in shares)
        if is_known and paid != (consumed.input_tokens, consumed.output_tokens):
            wrong.append((keys, paid, consumed))
    return wrong


def _require_none(what: str, wrong: Any) -> None:
    _require(not wrong, f"some {what}", wrong)


def _require(holds: bool, what: str, found: object) -> None:
    if not holds:
        raise Violation(f"{what}: {found!r}")
