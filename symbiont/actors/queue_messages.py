"""What the queue is told and asked, and what it answers. The messages of a run are in `run_steps.py`."""

from typing import Final

import msgspec

from supervisors import Request
from symbiont.actors.ledger_messages import Refused
from symbiont.domain.bulk import Filter, Verb
from symbiont.domain.standing import Counts
from symbiont.domain.switches import Switch, SwitchState
from symbiont.domain.task import NewTask, Source, Status, Task

GRACE_BEFORE_RESCUE_S: Final = 60.0
"""How old a lease is before the sweep of the heartbeat asks for its run."""


class NoSuchTask(msgspec.Struct, frozen=True):
    id: str


class Illegal(msgspec.Struct, frozen=True):
    """The task's state does not allow the change."""

    id: str
    status: Status


class KeyTaken(msgspec.Struct, frozen=True):
    """The key was given with another request, which made this task."""

    key: str
    id: str


class Submitted(msgspec.Struct, frozen=True):
    task: Task
    position: int


class Submit(msgspec.Struct, Request[Submitted | KeyTaken | Refused], frozen=True):
    """Record a task. One with a key that is known answers as the first time, whatever has become of the task."""

    new: NewTask


class FindKeyed(msgspec.Struct, Request[Task | None], frozen=True):
    """The task last submitted under this key, of those that are there, also if the key's time is over. Answered once it is on disk."""

    project: str
    key: str


class Take(msgspec.Struct, Request[Task | Refused | None], frozen=True):
    """Lease the next task, a new attempt of it. None if nothing is due. `source` and `since` (RFC 3339) restrict.

    With `small`, only if it may share a call with others and has at most so many characters: nobody is overtaken for that.
    """

    source: Source | None = None
    since: str = ""
    small: int | None = None


class Get(msgspec.Struct, Request[Task | NoSuchTask], frozen=True):
    id: str


class AwaitFinal(msgspec.Struct, Request[Task | NoSuchTask | Refused], frozen=True):
    """Answered once the task is done, failed or cancelled, or when the disk refuses to write down that it begins."""

    id: str


class TaskPage(msgspec.Struct, frozen=True):
    tasks: tuple[Task, ...]
    total: int


class ListTasks(msgspec.Struct, Request[TaskPage], frozen=True):
    """The newest `limit` tasks of a status (None = all), newest last."""

    status: Status | None
    limit: int


class CountTasks(msgspec.Struct, Request[Counts], frozen=True):
    pass


class Cancel(msgspec.Struct, Request[Task | NoSuchTask | Illegal | Refused], frozen=True):
    id: str


class Retry(msgspec.Struct, Request[Task | NoSuchTask | Illegal | Refused], frozen=True):
    id: str


class BulkDone(msgspec.Struct, frozen=True):
    """`ids`: to which the command applied, oldest first. `refused`: those of them that the disk did not take, with the reason."""

    ids: tuple[str, ...]
    refused: tuple[str, ...] = ()
    reason: str = ""
    is_all: bool = True


class Bulk(msgspec.Struct, Request[BulkDone], frozen=True):
    """Apply a command to all tasks of a filter whose state allows it, at most `limit`, oldest first."""

    verb: Verb
    filter: Filter
    limit: int
    dry_run: bool = False


class Rescue(msgspec.Struct, Request[int], frozen=True):
    """Make every leased task pending again whose run is not among `alive` (task id, lease). Answers how many.

    Runs among them that are to be cancelled are told so once more.
    A lease younger than `grace_s` is never taken for an orphan: its run may just be starting.
    """

    alive: frozenset[tuple[str, int]]
    grace_s: float = GRACE_BEFORE_RESCUE_S


class SetSwitch(msgspec.Struct, Request[Switch | Refused], frozen=True):
    """Pause, drain or resume the whole queue (`project` None) or one project."""

    project: str | None
    state: SwitchState


class AwaitIdle(msgspec.Struct, Request[int], frozen=True):
    """Answered once no task (of the project, None: at all) is leased; with 0."""

    project: str | None


class Standing(msgspec.Struct, frozen=True):
    """Which switches are off, and how many tasks wait and run in all and by project."""

    switches: tuple[Switch, ...]
    counts: Counts
    by_project: dict[str, Counts]


class ReadSwitches(msgspec.Struct, Request[tuple[Switch, ...]], frozen=True):
    pass


class ReadStanding(msgspec.Struct, Request[Standing], frozen=True):
    pass


class Tidy(msgspec.Struct, frozen=True):
    """A hint: prune what has been kept long enough, and make the file smaller if much of it is past."""


class EndWaits(msgspec.Struct, frozen=True):
    """A hint: waiting is over for tasks that wait for a limit or a backoff; look at them now."""


class WorkIsDue(msgspec.Struct, frozen=True):
    """A hint for the dispatcher."""


class SweepIsDue(msgspec.Struct, frozen=True):
    """A hint for the dispatcher: the heartbeat has swept; who takes queued tasks only then takes a batch now."""


class StopRun(msgspec.Struct, frozen=True):
    """A hint for the dispatcher: end the run of this task."""

    id: str
