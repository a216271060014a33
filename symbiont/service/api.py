"""The service: everything HTTP and CLI may ask of a running Symbiont, as one typed surface.

Each method raises `SymbiontError` with a code of `domain/errors.py` (`RESTARTING` while an actor is being restarted) and
nothing else. It sends messages to actors by name and shapes what they answer into `views`; it holds no state.
"""

from typing import Protocol

from symbiont.domain.task import NewTask
from symbiont.service import views
from symbiont.service.queue_service import QueueApi


class Service(QueueApi, Protocol):
    async def run_task(self, new: NewTask, *, wait_s: float) -> views.TaskAnswer:
        """Record, run and answer. After `wait_s` seconds: `STILL_PENDING` with `details={"id", "status", …}`; the task goes on."""
        ...

    async def enqueue(self, new: NewTask) -> views.Queued: ...

    async def dry_run(self, new: NewTask) -> views.DryRun: ...

    async def task(self, task_id: str) -> views.TaskView: ...

    async def tasks(self, status: str | None, limit: int) -> views.TaskList: ...

    async def cancel(self, task_id: str) -> views.TaskChanged: ...

    async def retry(self, task_id: str) -> views.TaskChanged: ...

    async def status(self) -> views.Status: ...

    def health(self) -> views.Health: ...

    async def ledger(self, limit: int) -> views.LedgerPage: ...

    async def ledger_stats(self) -> views.LedgerStats: ...

    async def heartbeat(self) -> views.Beat:
        """Beat now instead of waiting for the next."""
        ...

    async def wake(self) -> views.Woken:
        """Lift every limit by hand and try again."""
        ...
