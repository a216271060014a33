"""The tasks of the queue as they are on disk and on their way there.

Guarantees: a task changes from what is on disk, one change at a time; what is asked of it meanwhile waits for its turn, in order. A
change counts at once for everybody who asks, and is answered and acted on when it is on disk; one that the disk refuses is
taken back and takes nothing else along. The file is made smaller when most of it is past.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog

from supervisors import NO_REPLY, Custom, Stop
from symbiont.actors.ledger_messages import failure_of, refusal
from symbiont.domain.backlog import Backlog
from symbiont.domain.finishes import Finishes
from symbiont.domain.queue_file import Loaded, change_of, compacted, pruning_of, record_of
from symbiont.domain.task import FINAL, Task
from symbiont.ports import Clock, Damage, Journal, SyncFailed

Step = Callable[[], object]
Pipe = Callable[["asyncio.Future[Any]", Callable[["asyncio.Future[Any]"], object]], None]

SLACK_LINES: Final = 1_000
PAST_PER_TASK: Final = 4
"""The file is compacted when it has this many lines more than tasks, times this."""

_log = structlog.get_logger("symbiont.queue")


class Asker(Protocol):
    """Whoever is answered: a caller, or a part of a larger answer."""

    def reply(self, value: Any, /) -> None: ...


class Written(msgspec.Struct, frozen=True):
    """`since`: when the old task was put in line, if it ever was."""

    old: Task | None
    new: Task
    from_: Any
    answer: object
    error: Exception | None
    since: float | None = None


class Pruned(msgspec.Struct, frozen=True):
    old: Task
    from_: Any
    error: Exception | None


class Compacted(msgspec.Struct, frozen=True):
    before: int
    after: int
    error: Exception | None


class QueueRecord:
    """`act_on` is called with every task whose change is on disk, `look_again` when somebody was passed over because of one."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        backlog: Backlog,
        *,
        pipe: Pipe,
        act_on: Callable[[Task], None],
        look_again: Callable[[], None],
        finishes: Finishes,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._backlog = backlog
        self._pipe = pipe
        self._act_on = act_on
        self._look_again = look_again
        self._finishes = finishes
        self._changing: dict[str, list[tuple[Asker | None, Step]]] = {}
        self._lines = 0
        self._is_compacting = False
        self.passed_over = False
        self.damage: Damage | None = None

    async def open(self) -> None:
        loaded = Loaded(self._backlog, self._clock.wall(), self._clock.monotonic())
        self.damage = (await self._journal.open(loaded)).damage
        self._lines = loaded.lines
        for task in self._backlog:
            self._finishes.load(task)

    def spoiled(self) -> "asyncio.Future[Damage]":
        return self._journal.spoiled()

    async def close(self) -> None:
        await self._journal.close()

    def is_changing(self, task_id: str) -> bool:
        return task_id in self._changing

    # Changes

    def write(self, old: Task | None, new: Task, from_: Asker | None = None, answer: object = None) -> object:
        ended = self._finishes.numbered(old, new, self._clock.wall())
        answer, new = ended if answer is new else answer, ended
        since = self._backlog.ready_since(new.id)
        self._backlog.put(new, self._clock.monotonic())
        line = record_of(new) if old is None else change_of(old, new)
        self._append(new.id, line, lambda error: Written(old, new, from_, answer, error, since))
        return NO_REPLY

    def prune(self, task: Task, from_: Asker | None) -> object:
        """Take an ended task away. It is there until that is on disk."""
        self._append(task.id, pruning_of(task), lambda error: Pruned(task, from_, error))
        return NO_REPLY

    def _append(self, task_id: str, line: bytes, told: Callable[[Exception | None], object]) -> None:
        self._changing[task_id] = []
        self._lines += 1
        self._pipe(self._journal.append(line), lambda done: told(failure_of(done)))

    def landed(self, landed: Written | Pruned | Compacted) -> Stop | None:
        """What has become of a change."""
        if isinstance(landed.error, SyncFailed):
            return Stop(Custom(("sync_failed", str(landed.error))))
        match landed:
            case Written():
                self._written(landed)
            case Pruned():
                self._pruned(landed)
            case Compacted():
                self._compacted(landed)
        return None

    def _written(self, written: Written) -> None:
        if written.error is not None:
            self._take_back(written)
        elif written.from_ is not None:
            written.from_.reply(written.answer)
        if written.error is None:
            if written.new.status in FINAL:
                self._finishes.durable(written.new)
            self._act_on(written.new)
        self._go_on(written.new.id)

    def _take_back(self, written: Written) -> None:
        """The disk refused: the task is what it was before."""
        if written.old is None:
            self._backlog.forget(written.new.id)
        else:
            self._backlog.put(written.old, self._clock.monotonic() if written.since is None else written.since)
        if written.from_ is not None and written.error is not None:
            written.from_.reply(refusal(written.error))

    def _pruned(self, pruned: Pruned) -> None:
        if pruned.error is None:
            self._backlog.forget(pruned.old.id)
        if pruned.from_ is not None:
            pruned.from_.reply(pruned.old if pruned.error is None else refusal(pruned.error))
        self._go_on(pruned.old.id)

    # Turns

    def in_turn(self, task_id: str, from_: Asker | None, step: Step) -> object:
        """Take this step now, or once the change of the task that is under way is on disk or refused."""
        if task_id not in self._changing:
            return step()
        self._changing[task_id].append((from_, step))
        return NO_REPLY

    def _go_on(self, task_id: str) -> None:
        """What had to wait for this change, in order; also who was passed over because of it."""
        for from_, step in self._changing.pop(task_id):
            answer = self.in_turn(task_id, from_, step)
            if from_ is not None and answer is not NO_REPLY:
                from_.reply(answer)
        if self.passed_over:
            self.passed_over = False
            self._look_again()

    # The file

    def compact_if_due(self) -> None:
        """Only while no change is under way: of one that the disk may yet refuse nobody knows what to write."""
        is_due = self._lines > PAST_PER_TASK * len(self._backlog) + SLACK_LINES
        if not is_due or self._changing or self._is_compacting:
            return
        self._is_compacting = True
        tasks, last_ids = tuple(self._backlog), self._backlog.last_ids
        before = self._lines
        self._lines = len(tasks) + len(last_ids)
        self._pipe(
            self._journal.compact(partial(_lines_of, tasks, last_ids)),
            lambda done: Compacted(before, len(tasks), failure_of(done)),
        )

    def _compacted(self, compacted_: Compacted) -> None:
        self._is_compacting = False
        if compacted_.error is None:
            _log.info("queue_compacted", lines=compacted_.before, tasks=compacted_.after)
        else:
            self._lines += compacted_.before
            _log.error("queue_not_compacted", error=str(compacted_.error))


def _lines_of(tasks: tuple[Task, ...], last_ids: tuple[str, ...]) -> Iterable[bytes]:
    return compacted(tasks, last_ids)
