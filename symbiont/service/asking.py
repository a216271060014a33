"""Asking an actor on behalf of a caller: whatever the actor world can say becomes a value or a `SymbiontError`."""

import re
from typing import TypeVar

from supervisors import CallExit, MailboxFull, Request, Runtime
from supervisors.exits import TIMEOUT
from symbiont.actors.ledger import Refused
from symbiont.actors.queue_messages import Illegal, KeyTaken, NoSuchTask
from symbiont.actors.run_steps import Stale
from symbiont.domain.errors import SymbiontError, no_such_task
from symbiont.domain.wording import quoted

R = TypeVar("R")

_ERRNO = re.compile(r"^\[Errno \d+\] ")


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


async def ask_if_there(runtime: Runtime, name: str, request: Request[R], timeout_s: float = 1.0) -> R | None:
    """The same, and None from an actor that is busy or away: for answers of many parts."""
    try:
        return await ask(runtime, name, request, timeout_s)
    except SymbiontError:
        return None


def no_room(name: str, full: MailboxFull) -> SymbiontError:
    return SymbiontError("OVER_CAPACITY", f"{name} has no room: {full}", hint="try again in a moment")


def restarting(name: str) -> SymbiontError:
    """Nothing was recorded: asking again is safe."""
    part = name.replace("_", " ")
    message = f"expected the {part} to answer, got: nothing, it is being restarted or shut down"
    return SymbiontError("RESTARTING", message, hint="try again in a second")


def checked(answer: R | Refused | NoSuchTask | Illegal | KeyTaken | Stale, *, allowed: str = "in another state") -> R:
    """The answer itself, or the error it means: `STORAGE_REFUSED`, `NOT_FOUND`, `CONFLICT` (the states that are `allowed`)."""
    match answer:
        case Refused(reason, "DATA_CORRUPT", hint):
            raise SymbiontError("DATA_CORRUPT", reason, hint=hint)
        case Refused(reason):
            raise _refused(reason)
        case NoSuchTask(task_id) | Stale(task_id):
            raise no_such_task(quoted(task_id))
        case Illegal(task_id, status):
            message = f"expected {task_id} to be {allowed}, got: {status.value}"
            raise SymbiontError("CONFLICT", message, hint=f"symbiont task show {task_id}")
        case KeyTaken(key, task_id):
            message = f"expected idempotency key {quoted(key)} to come with the request it first came with, that of {task_id}, got: another"
            details = {"idempotency_key": key, "id": task_id}
            raise SymbiontError("CONFLICT", message, hint="use a new key for a new request", details=details)
        case _:
            return answer


def _refused(reason: str) -> SymbiontError:
    if reason.startswith("expected "):
        return SymbiontError("STORAGE_REFUSED", reason, hint="symbiont queue list")
    words = _ERRNO.sub("", reason).lower()
    return SymbiontError("STORAGE_REFUSED", f"expected the disk to take the record, got: {words}", hint="df -h")
