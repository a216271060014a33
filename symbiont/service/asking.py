"""Asking an actor on behalf of a caller: whatever the actor world can say becomes a value or a `SymbiontError`."""

from typing import TypeVar

from supervisors import CallExit, MailboxFull, Request, Runtime
from supervisors.exits import TIMEOUT
from symbiont.actors.ledger import Refused
from symbiont.actors.queue import Illegal, NoSuchTask
from symbiont.actors.run_steps import Stale
from symbiont.domain.errors import SymbiontError

R = TypeVar("R")


async def ask(runtime: Runtime, name: str, request: Request[R], timeout_s: float | None = 5.0) -> R:
    """Call the actor registered under `name`.

    Raises `RESTARTING` when it is not there, dies meanwhile or is too slow, `OVER_CAPACITY` when its mailbox is full.
    """
    try:
        return await runtime.named(name).call(request, timeout_s)
    except CallExit as exit_:
        if exit_.reason == TIMEOUT:
            part = name.replace("_", " ")
            message = f"expected the {part} to answer within {timeout_s:g} s, got: nothing"
            raise SymbiontError("RESTARTING", message, hint="try again in a second") from None
        raise restarting(name) from None
    except MailboxFull as full:
        raise no_room(name, full) from None


def no_room(name: str, full: MailboxFull) -> SymbiontError:
    return SymbiontError("OVER_CAPACITY", f"{name} has no room: {full}", hint="try again in a moment")


def restarting(name: str) -> SymbiontError:
    """Nothing was recorded: asking again is safe."""
    part = name.replace("_", " ")
    message = f"expected the {part} to answer, got: nothing, it is being restarted or shut down"
    return SymbiontError("RESTARTING", message, hint="try again in a second")


def checked(answer: R | Refused | NoSuchTask | Illegal | Stale) -> R:
    """The answer itself, or the error it means: `STORAGE_REFUSED`, `NOT_FOUND`, `CONFLICT`."""
    match answer:
        case Refused(reason):
            raise SymbiontError("STORAGE_REFUSED", f"nothing can be recorded at the moment: {reason}")
        case NoSuchTask(task_id) | Stale(task_id):
            hint = "symbiont task list"
            raise SymbiontError("NOT_FOUND", f"expected the id of a task, got: {task_id}", hint=hint)
        case Illegal(task_id, status):
            raise SymbiontError("CONFLICT", f"task {task_id} is {status.value}: this cannot be done to it now")
        case _:
            return answer
