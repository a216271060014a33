"""Why a pending task waits when it has met no limit itself: everything that could run it is closed, or somebody has stopped the queue.

Such a task is not even leased, so that its record says nothing; the dispatcher and the switches know.
"""

from collections.abc import Iterable

import msgspec

from supervisors import Runtime
from symbiont.actors import names
from symbiont.actors.lease_desk import Outlook
from symbiont.actors.queue_messages import ReadSwitches
from symbiont.domain.errors import SymbiontError
from symbiont.domain.routing import Hold
from symbiont.domain.switches import Switch, Switches
from symbiont.domain.task import Status, Task
from symbiont.domain.tier import TierTable
from symbiont.service.asking import ask


async def with_reasons(runtime: Runtime, tiers: TierTable, tasks: Iterable[Task]) -> tuple[Task, ...]:
    """The tasks, each pending one with what it waits for."""
    whole = tuple(tasks)
    if not any(_is_unexplained(task) for task in whole):
        return whole
    stopped = Switches(await ask(runtime, names.QUEUE, ReadSwitches()))
    hold = await _hold(runtime, tiers)
    return tuple(_explained(task, hold, stopped.of(task.project)) for task in whole)


async def _hold(runtime: Runtime, tiers: TierTable) -> Hold | None:
    try:
        outlook = await ask(runtime, names.DISPATCHER, Outlook(tiers.tiers[0].name))
    except SymbiontError:  # it is being restarted: the task can be shown without its reason
        return None
    return outlook if isinstance(outlook, Hold) else None


def _is_unexplained(task: Task) -> bool:
    return task.status is Status.PENDING and task.waiting_for is None


def _explained(task: Task, hold: Hold | None, stopped: Switch | None) -> Task:
    if not _is_unexplained(task):
        return task
    if stopped is not None:
        what = "the queue" if stopped.project is None else "its project"
        return msgspec.structs.replace(task, waiting_for=f"{what}, which is {stopped.state}")
    if hold is None:
        return task
    return msgspec.structs.replace(task, waiting_for=hold.reason, not_before=hold.until)
