"""A process with a mailbox: how messages get in. How they are worked on is the subclass's business.

Guarantees: ordinary messages are bounded by the mailbox, signals and requests to stop are not; nothing ever waits to be taken;
what arrives after death is gone.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, final

from supervisors.errors import MailboxFull
from supervisors.exits import ExitReason
from supervisors.mailbox import Mailbox
from supervisors.process import Process
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.signals import CURRENT, DEAD, Down, Exit

__all__ = ["Item", "Kind", "MailProcess"]

Kind = Literal["init", "handle_call", "handle_cast", "handle_info", "handle_continue", "terminate", "stop"]
"""Which callback an item is for; `stop` is for none."""


@final
class Item:
    """A message and what it is for."""

    __slots__ = ("from_", "kind", "message")

    def __init__(self, kind: Kind, message: Any = None, from_: From | None = None) -> None:
        self.kind: Kind = kind
        self.message = message
        self.from_ = from_


class MailProcess(Process):
    """Takes messages in, and says when there is something to do."""

    __slots__ = ("_mailbox",)

    def __init__(
        self, runtime: Runtime, capacity: int, *, name: str | None, label: str, parent: Process | None
    ) -> None:
        super().__init__(runtime, name=name, label=label, parent=parent)
        self._mailbox: Mailbox[Item] = Mailbox(capacity)

    @abstractmethod
    def wake(self) -> None:
        """Something has arrived."""

    @abstractmethod
    def serve_now(self, item: Item) -> bool:
        """Work on a call at once if nothing is before it; False if it has to queue."""

    def post_call(self, request: object, timeout_s: float | None) -> "asyncio.Future[Any]":
        future = self.expect_reply(request, timeout_s)
        item = Item("handle_call", request, From(future, self.forget_call, CURRENT.get()))
        if self.serve_now(item):
            return future
        if not self._mailbox.put(item):
            self.forget_call(future)
            raise MailboxFull(self.label, self._mailbox.capacity)
        self.wake()
        return future

    def post_cast(self, message: object) -> bool:
        taken = self.state is not DEAD and self._mailbox.put(Item("handle_cast", message))
        self.wake()
        return taken

    def post_info(self, message: object) -> bool:
        taken = self.state is not DEAD and self._mailbox.put(Item("handle_info", message))
        self.wake()
        return taken

    def post_signal(self, message: object) -> None:
        self._post_system(Item("handle_info", message))

    def request_stop(self, reason: ExitReason) -> None:
        self._post_system(Item("stop", reason))

    def _post_system(self, item: Item) -> None:
        if self.state is not DEAD:
            self._mailbox.put_system(item)
            self.wake()

    def flush(self, unwanted: Callable[[Exit | Down], bool]) -> None:
        self._mailbox.discard(lambda item: isinstance(item.message, (Exit, Down)) and unwanted(item.message))

    @property
    def queued(self) -> int:
        return len(self._mailbox)

    @property
    def mailbox(self) -> Mailbox[Item]:
        """For introspection: depth, peak, capacity, refused. Never its contents."""
        return self._mailbox
