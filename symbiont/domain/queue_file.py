"""The lines of `queue.jsonl`: how tasks are written down, and the fold of a file of any version back into tasks.

Guarantees: the last line of an id wins, field by field; a record begins with the four classic fields. A line that says `pruned` takes the
task away. Does no I/O.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from symbiont.domain.backlog import Backlog
from symbiont.domain.errors import SymbiontError
from symbiont.domain.line_fold import LineFold
from symbiont.domain.moment import epoch_s
from symbiont.domain.task import Task

_FIELDS = Task.__struct_fields__


def record_of(task: Task) -> bytes:
    """The line of a new task."""
    return msgspec.json.encode(task)


def change_of(old: Task, new: Task) -> bytes:
    """The line of a transition: `id`, `status`, and the fields that changed."""
    both = zip(_FIELDS, msgspec.structs.astuple(old), msgspec.structs.astuple(new), strict=True)
    changed = {name: now for name, before, now in both if now is not before and now != before}
    return msgspec.json.encode({"id": new.id, "status": new.status, **changed})


def pruning_of(task: Task) -> bytes:
    """The line that takes a finished task away."""
    return msgspec.json.encode({"id": task.id, "status": task.status, "pruned": True})


def compacted(tasks: Iterable[Task], last_ids: Iterable[str]) -> Iterator[bytes]:
    """The lines of a file that holds just these tasks. `last_ids` were given last: none of them may ever be given again."""
    kept: set[str] = set()
    for task in tasks:
        kept.add(task.id)
        yield record_of(task)
    for task_id in last_ids:
        if task_id not in kept:
            yield msgspec.json.encode({"id": task_id, "status": "done", "pruned": True})


class Loaded(LineFold):
    """The fold of the lines of a queue file into a backlog that nobody else uses meanwhile. `lines` counts them.

    A task is as old as its record says: `now` and `age_now` are the moment of loading on the clocks of the backlog.
    """

    def __init__(self, backlog: Backlog, now: float = 0.0, age_now: float = 0.0) -> None:
        self._backlog = backlog
        self._now = now
        self._age_now = age_now
        self._fields: dict[str, dict[str, Any]] = {}
        self.lines = 0

    def absorb(self, lines: Sequence[bytes]) -> None:
        """Lines, oldest first. Raises `SymbiontError("DATA_CORRUPT")`; `details["index"]` is the line."""
        touched: dict[str, int] = {}
        for index, line in enumerate(lines):
            self.lines += 1
            with _at(index):
                fields = _object(line, self.lines)
            self._take_in(fields)
            touched[fields["id"]] = index
        for task_id, index in touched.items():
            if (known := self._fields.get(task_id)) is not None:
                with _at(index):
                    task = _task(known)
                self._backlog.put(task, self._age_now - max(0.0, self._now - created_at(task)))

    def _take_in(self, fields: dict[str, Any]) -> None:
        task_id = fields["id"]
        self._backlog.note_id(task_id)
        if not fields.get("pruned"):
            self._fields.setdefault(task_id, {}).update(fields)
            return
        self._fields.pop(task_id, None)
        if self._backlog.get(task_id) is not None:
            self._backlog.forget(task_id)


def load(records: Sequence[bytes]) -> list[Task]:
    """The tasks of a queue file of any version, oldest first. Raises `SymbiontError("DATA_CORRUPT")`."""
    backlog = Backlog()
    Loaded(backlog).absorb(records)
    return list(backlog)


@contextmanager
def _at(index: int) -> Generator[None]:
    """Tells which line it was that could not be read."""
    try:
        yield
    except SymbiontError as error:
        error.details = {"index": index}
        raise


def created_at(task: Task) -> float:
    """Epoch seconds, 0 if the record does not say."""
    try:
        return epoch_s(task.created_at)
    except ValueError:
        return 0.0


def _object(record: bytes, number: int) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(record)
    except msgspec.MsgspecError as error:
        raise _corrupt(f"line {number} of the queue is no JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(cast("dict[str, Any]", fields).get("id"), str):
        raise _corrupt(f"expected line {number} of the queue to be an object with an id, got: {record[:80]!r}")
    return cast("dict[str, Any]", fields)


def _task(fields: dict[str, Any]) -> Task:
    try:
        return msgspec.convert(fields, Task)
    except msgspec.ValidationError as error:
        raise _corrupt(f"task {fields['id']} of the queue cannot be read: {error}") from error


def _corrupt(message: str) -> SymbiontError:
    return SymbiontError(
        "DATA_CORRUPT", message, hint="move queue.jsonl aside and keep it; Symbiont starts with a new one"
    )
