"""Staying with a task until it ends, or the caller's patience does.

Guarantees that giving up never stops the task: `--timeout` ends with `STILL_PENDING` and the id, Ctrl-C says how to come
back. A server that is away for a moment is waited for.
"""

import time
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from symbiont.cli import output, rendering
from symbiont.cli.client import Client
from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import Status
from symbiont.service import views

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
AWAY_TRIES = 15
_AWAY = frozenset({"SERVER_UNREACHABLE", "RESTARTING", "OVER_CAPACITY"})


class Patience:
    """How long the caller waits in all: `timeout_s` from now, None for ever. Also paces the asking."""

    def __init__(
        self,
        timeout_s: float | None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._ends = None if timeout_s is None else now() + timeout_s
        self._pause_s = FIRST_PAUSE_S

    def left_s(self) -> float | None:
        """Seconds left, at least a little (a socket takes no 0); None for ever."""
        return None if self._ends is None else max(self._ends - self._now(), 0.001)

    def is_over(self) -> bool:
        return self._ends is not None and self._now() >= self._ends

    def pause(self) -> None:
        """Wait until it is time to ask again: ever longer, never past the end."""
        self._sleep(min(self._pause_s, self.left_s() or self._pause_s))
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


class _Ended(msgspec.Struct, frozen=True):
    """A done task's answer as the server wrote it: the very shape of `POST /task`."""

    answer: msgspec.Raw


def path_of(task_id: str) -> str:
    """The path of a task; whatever the id is made of stays one segment."""
    return f"/task/{quote(task_id, safe='')}"


def until_done(client: Client, task_id: str, patience: Patience) -> bytes:
    """The answer of a task, as JSON. Raises the task's failure, or `STILL_PENDING` when patience ends."""
    try:
        return _until_done(client, task_id, patience)
    except KeyboardInterrupt:
        output.talk(f"{task_id} goes on; come back with: symbiont task wait {task_id}")
        raise


def _until_done(client: Client, task_id: str, patience: Patience) -> bytes:
    away, status = 0, str(Status.PENDING)
    while True:
        try:
            body = client.get(path_of(task_id))
            task = client.decode(body, views.TaskView)
            away, status = 0, task.status
        except SymbiontError as error:
            away += 1
            if error.code not in _AWAY or away > AWAY_TRIES:
                raise
        else:
            if task.status == Status.DONE:
                return bytes(msgspec.json.decode(body, type=_Ended).answer)
            if bad_end := rendering.bad_end(task):
                raise bad_end
        if patience.is_over():
            raise rendering.still_pending(task_id, status)
        patience.pause()
