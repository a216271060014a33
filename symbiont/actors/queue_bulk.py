"""One command for many tasks: a portion at a time, so that the queue hears others in between; one answer at the end."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from supervisors import NO_REPLY, From
from symbiont.actors.ledger_messages import Refused
from symbiont.actors.queue_messages import Bulk, BulkDone
from symbiont.domain.bulk import applies
from symbiont.domain.task import Task

PORTION: Final = 200


class NextPortion(msgspec.Struct, frozen=True):
    """The queue's message to itself: go on with this command."""

    run: Any


def chosen(request: Bulk, tasks: Iterable[Task]) -> tuple[list[str], bool]:
    """The ids that the command is for, oldest first, and whether those are all."""
    found: list[str] = []
    for task in tasks:
        if request.filter.admits(task) and applies(request.verb, task):
            if len(found) == request.limit:
                return found, False
            found.append(task.id)
    return found, True


class BulkRun:
    """`command` is called with an id and somebody to answer; it answers itself or says `NO_REPLY`."""

    def __init__(
        self,
        ids: list[str],
        is_all: bool,
        from_: From,
        *,
        command: Callable[[str, "_Part"], object],
        again: Callable[["BulkRun"], None],
    ) -> None:
        self._left = deque(ids)
        self._is_all = is_all
        self._from = from_
        self._command = command
        self._again = again
        self._open = 0
        self._done: dict[str, None] = {}
        self._refused: list[str] = []
        self._reason = ""

    def go_on(self) -> None:
        """Send out the next portion; when all of it is answered, ask for the one after."""
        portion = [self._left.popleft() for _ in range(min(PORTION, len(self._left)))]
        self._open = len(portion)
        if not portion:
            self._from.reply(BulkDone(tuple(self._done), tuple(self._refused), self._reason, self._is_all))
        for task_id in portion:
            part = _Part(self, task_id)
            answer = self._command(task_id, part)
            if answer is not NO_REPLY:
                part.reply(answer)

    def answered(self, task_id: str, answer: object) -> None:
        match answer:
            case Task():
                self._done[task_id] = None
            case Refused(reason):
                self._done[task_id] = None
                self._refused.append(task_id)
                self._reason = reason
            case _:  # its state has changed meanwhile: the command is not for it any more
                pass
        self._open -= 1
        if not self._open:
            self._again(self)


class _Part:
    def __init__(self, run: BulkRun, task_id: str) -> None:
        self._run = run
        self._id = task_id

    def reply(self, value: Any, /) -> None:
        self._run.answered(self._id, value)
