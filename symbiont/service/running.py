"""The service of a running tree: `api.Service`, made of queries, commands and the dry run."""

from collections.abc import Callable

from supervisors import Runtime
from symbiont.config.schema import Config
from symbiont.domain.intake import Intake
from symbiont.domain.price import PriceTable
from symbiont.domain.task import NewTask
from symbiont.domain.tier import TierTable
from symbiont.ports import Clock, LedgerReader
from symbiont.service import views
from symbiont.service.commands import Commands
from symbiont.service.dry_run import dry_run
from symbiont.service.ledger_queries import LedgerQueries
from symbiont.service.metrics import Metrics
from symbiont.service.queries import Queries
from symbiont.service.queue_service import QueueService
from symbiont.service.schedules import ScheduleService
from symbiont.service.webhooks import WebhookService


class RunningService(Queries, Metrics, LedgerQueries, Commands, QueueService, ScheduleService, WebhookService):
    """Everything HTTP and CLI may ask of this process."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        config: Config,
        tiers: TierTable,
        prices: PriceTable,
        clock: Clock,
        reader: LedgerReader,
        workers: tuple[str, ...],
        version: str,
        problems: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        Queries.__init__(self, runtime, tiers=tiers, clock=clock, workers=workers, version=version, problems=problems)
        Metrics.__init__(self, runtime, clock=clock, version=version, problems=problems)
        LedgerQueries.__init__(self, runtime, reader)
        Commands.__init__(self, runtime, tiers=tiers, clock=clock)
        QueueService.__init__(self, runtime)
        ScheduleService.__init__(self, runtime, Intake(tiers, config.dispatch.max_task_chars), clock)
        WebhookService.__init__(self, runtime, {one.name: one.url for one in config.webhooks.endpoints})
        self._config = config
        self._prices = prices

    async def dry_run(self, new: NewTask) -> views.DryRun:
        return dry_run(new, self._config, self._tiers, self._prices)
