"""Commands and questions about the queue as a whole: many tasks at once, and what is stopped."""

from typing import Protocol

from supervisors import CallExit, Runtime
from supervisors.exits import TIMEOUT
from symbiont.actors import names
from symbiont.actors.queue_messages import AwaitIdle, Bulk, ReadStanding, SetSwitch, Standing
from symbiont.domain.bulk import Filter, Verb
from symbiont.domain.standing import Counts
from symbiont.domain.switches import Switch, SwitchState
from symbiont.service import queue_views as views
from symbiont.service.asking import ask, checked, restarting

BULK_TIMEOUT_S = 60.0
_NOTHING = Counts(0, 0, 0, 0, 0)


class QueueApi(Protocol):
    """What HTTP and CLI may ask of the queue as a whole."""

    async def bulk(self, verb: Verb, chosen: Filter, limit: int, *, dry_run: bool) -> views.BulkAnswer: ...

    async def switch(self, project: str | None, state: SwitchState) -> views.QueueState:
        """Pause, drain or resume the queue or one project. Nothing new is taken from then on."""
        ...

    async def drain(self, project: str | None, wait_s: float) -> views.QueueState:
        """Take nothing new and wait for what runs, at most `wait_s` seconds; the state tells whether all is through."""
        ...

    async def queue_status(self) -> views.QueueStatus: ...


class QueueService:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def bulk(self, verb: Verb, chosen: Filter, limit: int, *, dry_run: bool) -> views.BulkAnswer:
        done = await ask(self._runtime, names.QUEUE, Bulk(verb, chosen, limit, dry_run), BULK_TIMEOUT_S)
        return views.BulkAnswer(verb, dry_run, len(done.ids), done.ids, done.refused, done.is_all)

    async def switch(self, project: str | None, state: SwitchState) -> views.QueueState:
        checked(await ask(self._runtime, names.QUEUE, SetSwitch(project, state), BULK_TIMEOUT_S))
        return await self._state(project)

    async def drain(self, project: str | None, wait_s: float) -> views.QueueState:
        state = await self.switch(project, "draining")
        if state.processing and wait_s > 0:
            await self._idle(project, wait_s)
            state = await self._state(project)
        return state

    async def _idle(self, project: str | None, wait_s: float) -> None:
        try:
            await self._runtime.named(names.QUEUE).call(AwaitIdle(project), timeout_s=wait_s)
        except CallExit as exit_:
            if exit_.reason != TIMEOUT:
                raise restarting(names.QUEUE) from None

    async def queue_status(self) -> views.QueueStatus:
        standing = await ask(self._runtime, names.QUEUE, ReadStanding())
        stopped = (switch.project for switch in standing.switches if switch.project is not None)
        projects = sorted({*standing.by_project, *stopped})
        return views.QueueStatus(state_of(standing, None), tuple(state_of(standing, project) for project in projects))

    async def _state(self, project: str | None) -> views.QueueState:
        return state_of(await ask(self._runtime, names.QUEUE, ReadStanding()), project)


def state_of(standing: Standing, project: str | None) -> views.QueueState:
    """The whole queue, or one project as its own switch has it."""
    counts = standing.counts if project is None else standing.by_project.get(project, _NOTHING)
    switch = next((one for one in standing.switches if one.project == project), None)
    return views.QueueState(
        project=project,
        state=_word(switch, counts),
        since=None if switch is None else switch.at,
        pending=counts.pending,
        processing=counts.processing,
        done=counts.done,
        failed=counts.failed,
        cancelled=counts.cancelled,
    )


def _word(switch: Switch | None, counts: Counts) -> str:
    if switch is None:
        return "running"
    return "drained" if switch.state == "draining" and not counts.processing else switch.state
