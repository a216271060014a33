"""The way from a connection into the supervision tree: each request runs behind it.

Connections live above the tree, so whatever crashes below, there is still somebody to answer. The gate itself is
implemented over the actors; this file only says what the HTTP layer relies on.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Gate(Protocol):
    """Admission to the tree, with a bound on the requests in flight."""

    async def run(self, body: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        """Run `body` as a supervised task, at most once, and return what it returns or raise what it raises.

        `waits`: it may take as long as a task does; such requests leave room for those that are quick.

        Raises SymbiontError `OVER_CAPACITY` at once when too many are in flight, `RESTARTING` when nothing was begun,
        for the tree is being restarted, and `OUTCOME_UNKNOWN` when the body was cut off. Cancelling the caller cancels the body.
        """
        ...
