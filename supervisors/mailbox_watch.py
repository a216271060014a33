"""An actor that raises an alarm while mailboxes are nearly full (OTP 27: `system_monitor`, `long_message_queue`).

It looks at the process table now and then, so that a message pays nothing for it. One `MailboxHigh` when a mailbox has passed the
upper mark, one `MailboxLow` when it has fallen below the lower one, or its process has ended: no flutter in between.
"""

from typing import Final

from supervisors.actor import Actor
from supervisors.events import MailboxHigh, MailboxLow
from supervisors.inbox import MailProcess

__all__ = ["MailboxWatch"]

_LOOK: Final = object()


class MailboxWatch(Actor):
    """`high` and `low` are shares of a mailbox's capacity."""

    def __init__(self, *, every_s: float = 1.0, high: float = 0.8, low: float = 0.5) -> None:
        if not (0 < low <= high <= 1 and every_s > 0):
            raise ValueError(f"expected 0 < low <= high <= 1 and every_s > 0, got: {low}, {high}, {every_s}")
        self._every_s: Final = every_s
        self._high: Final = high
        self._low: Final = low
        self._alarmed: dict[int, str] = {}

    def init(self) -> None:
        self._look_later()

    def handle_info(self, message: object) -> object:
        if message is not _LOOK:
            return super().handle_info(message)
        self._look()
        self._look_later()
        return None

    def _look_later(self) -> None:
        self.send_after(self._every_s, _LOOK)

    def _look(self) -> None:
        processes = self.runtime.processes
        for pid, process in processes.items():
            if isinstance(process, MailProcess):
                self._look_at(pid, process)
        for pid in [pid for pid in self._alarmed if pid not in processes]:
            self.runtime.report(MailboxLow(self._alarmed.pop(pid), pid, 0))

    def _look_at(self, pid: int, process: MailProcess) -> None:
        depth, capacity = process.queued, process.capacity
        if pid not in self._alarmed and depth >= self._high * capacity > 0:
            self._alarmed[pid] = process.label
            self.runtime.report(MailboxHigh(process.label, pid, depth, capacity))
        elif pid in self._alarmed and depth < self._low * capacity:
            self.runtime.report(MailboxLow(self._alarmed.pop(pid), pid, depth))
