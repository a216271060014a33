"""Which task an id means: the whole id, or a prefix only one task has.

The id is tried as it is first, so that a whole id costs one request and never depends on a list. Prefixes are looked up
among the newest `LOOK_BACK` tasks.
"""

from collections.abc import Callable

from symbiont.cli import output
from symbiont.cli.client import Client
from symbiont.domain.errors import SymbiontError
from symbiont.service import views

LOOK_BACK = 1000
_NAMED = 3


def with_task(client: Client, given: str, act: Callable[[str], bytes]) -> bytes:
    """`act` on the task that `given` means. Raises `NOT_FOUND`, or `BAD_VALUE` for a prefix of several tasks."""
    if not given:
        raise SymbiontError("BAD_VALUE", "expected ID to be the id of a task, got: nothing", hint="symbiont task list")
    try:
        return act(given)
    except SymbiontError as error:
        if error.code != "NOT_FOUND":
            raise
        whole = _only_match(client, given)
        if whole is None:
            raise _unknown(given) from error
    output.talk(f"{given} is {whole}")
    return act(whole)


def _only_match(client: Client, prefix: str) -> str | None:
    page = client.decode(client.get("/queue", {"limit": LOOK_BACK}), views.TaskList)
    matches = [task.id for task in page.tasks if task.id.startswith(prefix)]
    if len(matches) > 1:
        named = ", ".join(matches[-_NAMED:]) + (", …" if len(matches) > _NAMED else "")
        message = f"expected ID to mean one task, got: {prefix}, which {len(matches)} begin with ({named})"
        raise SymbiontError("BAD_VALUE", message, hint="symbiont task list", details={"matches": matches})
    return matches[0] if matches else None


def _unknown(given: str) -> SymbiontError:
    message = f"expected ID to be the id of a task or the beginning of one, got: {given}"
    return SymbiontError("NOT_FOUND", message, hint="symbiont task list")
