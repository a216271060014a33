"""The gate over the actors: a request is admitted by HTTPServer and runs as a task under TaskSupervisor.

Guarantees: the body runs at most once; a crash anywhere in the tree is answered, never waited for; what the body raises is raised
here. An actor that is just being restarted is waited for a moment, so most requests do not even notice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import msgspec

from supervisors import SHUTDOWN, CallExit, Error, MailboxFull, Process, Runtime, TaskHandle
from supervisors.exits import NOPROC
from supervisors.process import CURRENT
from supervisors.task import TaskProcess
from symbiont.actors import names
from symbiont.actors.http_server import Admit, Busy
from symbiont.domain.errors import SymbiontError
from symbiont.service.asking import restarting

RESTART_PATIENCE_S = 1.0
ADMISSION_TIMEOUT_S = 5.0

T = TypeVar("T")


class _Returned(msgspec.Struct, Generic[T]):
    value: T


@dataclass(slots=True)
class _Ticket:
    """What the body of a request and whoever asked for it know of each other: the process it runs in, or that it must not."""

    process: Process | None = None
    is_withdrawn: bool = False


class ActorGate:
    """Implements `gate.Gate`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self, body: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        ticket = _Ticket()

        async def job() -> object:
            if ticket.is_withdrawn:
                return restarting(names.HTTP_SERVER)
            ticket.process = CURRENT.get()
            try:
                return _Returned(await body())
            except SymbiontError as refusal:  # a value to the supervisor: a refused request is no crash
                return refusal

        process = await self._admitted(Admit(job, waits), ticket)
        outcome = await self._outcome(process)
        if isinstance(outcome, SymbiontError):
            raise outcome
        return cast("_Returned[T]", outcome).value

    async def _admitted(self, admit: Admit, ticket: "_Ticket") -> TaskProcess:
        answer = await self._asked(admit, ticket) or await self._asked_again(admit, ticket)
        if isinstance(answer, Busy):
            hint = "try again in a moment"
            raise SymbiontError(
                "OVER_CAPACITY", f"expected at most {answer.max_in_flight} requests at a time, got: one more", hint=hint
            )
        return answer

    async def _asked(self, admit: Admit, ticket: "_Ticket") -> TaskProcess | Busy | None:
        """None if nobody was there: then, and only then, it is safe to ask again.

        If the door was cycled while it let the request in, the body either runs already or never will.
        """
        try:
            return await self._runtime.named(names.HTTP_SERVER).call(admit, ADMISSION_TIMEOUT_S)
        except CallExit as exit_:
            if exit_.reason == NOPROC:
                return None
            if isinstance(ticket.process, TaskProcess):
                return ticket.process
            ticket.is_withdrawn = True
            raise restarting(names.HTTP_SERVER) from None
        except MailboxFull:
            raise SymbiontError("OVER_CAPACITY", "too many requests at a time", hint="try again in a moment") from None

    async def _asked_again(self, admit: Admit, ticket: "_Ticket") -> TaskProcess | Busy:
        await self._runtime.await_name(names.HTTP_SERVER, RESTART_PATIENCE_S)
        answer = await self._asked(admit, ticket)
        if answer is None:
            raise restarting(names.HTTP_SERVER)
        return answer

    async def _outcome(self, process: TaskProcess) -> object:
        handle: TaskHandle[object] = TaskHandle(process)
        try:
            return await handle.result()
        except CallExit as exit_:
            if isinstance(exit_.reason, Error):
                raise exit_.reason.exception from None
            raise _cut_off() from None
        except asyncio.CancelledError:
            process.exit(SHUTDOWN)
            raise


def _cut_off() -> SymbiontError:
    """The body was stopped without having had anything to say about it: it may have done its work, or not have begun."""
    message = "expected the request to run to its end, got: Symbiont is restarting or shutting down"
    return SymbiontError("OUTCOME_UNKNOWN", message, hint="before you send a task again: symbiont task list")
