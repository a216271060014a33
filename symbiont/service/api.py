"""The service: everything HTTP and CLI may ask of a running Symbiont, as one typed surface.

Each method raises `SymbiontError` with a code of `domain/errors.py` (`RESTARTING` while an actor is being restarted) and
nothing else. It sends messages to actors by name and shapes what they answer into `views`; it holds no state.
"""

from collections.abc import Sequence
from typing import Protocol

from symbiont.domain.ledger import Entry
from symbiont.domain.ledger_query import Dimension, LedgerFilter
from symbiont.domain.outbox import State
from symbiont.domain.task import NewTask
from symbiont.service import ledger_views, views, webhook_views
from symbiont.service.queue_service import QueueApi
from symbiont.service.schedules import ScheduleApi
from symbiont.telemetry.metrics import Reading


class Service(QueueApi, ScheduleApi, Protocol):
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

    async def metrics(self) -> Reading: ...

    async def ledger(self, limit: int) -> views.LedgerPage: ...

    async def search_ledger(self, wanted: LedgerFilter, limit: int) -> views.LedgerPage: ...

    async def ledger_stats(self) -> views.LedgerStats: ...

    async def search_stats(self, wanted: LedgerFilter) -> views.LedgerStats: ...

    async def ledger_table(self, by: Dimension, wanted: LedgerFilter) -> ledger_views.LedgerTable: ...

    async def import_ledger(self, entries: Sequence[Entry], *, dry_run: bool) -> ledger_views.LedgerImported:
        """Take in lines that others have written; those that are there already are left out."""
        ...

    async def budgets(self) -> ledger_views.BudgetList: ...

    async def webhooks(self) -> webhook_views.WebhookList: ...

    async def deliveries(
        self, limit: int, *, webhook: str | None, state: State | None, task_id: str | None
    ) -> webhook_views.DeliveryList: ...

    async def enable_webhook(self, name: str) -> webhook_views.WebhookView:
        """What waited for it is sent, and what it has missed is looked up."""
        ...

    async def test_webhook(self, name: str) -> webhook_views.WebhookTested:
        """Send it something now, once, enabled or not."""
        ...

    async def retry_delivery(self, delivery_id: str) -> webhook_views.DeliveryView: ...

    async def heartbeat(self) -> views.Beat:
        """Beat now instead of waiting for the next."""
        ...

    async def wake(self) -> views.Woken:
        """Lift every limit by hand and try again."""
        ...
