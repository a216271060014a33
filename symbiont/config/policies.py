"""The policies of `domain` as the configuration sets them."""

from symbiont.config.schema import Config
from symbiont.domain.closure import ClosurePolicy
from symbiont.domain.queue_rules import QueueRules
from symbiont.domain.retention import Retention
from symbiont.domain.retry import RetryPolicy
from symbiont.domain.schedule import Timetable, timetable
from symbiont.domain.webhook import TASK_HOOK, Hook


def retry_policy(config: Config) -> RetryPolicy:
    dispatch = config.dispatch
    return RetryPolicy(dispatch.max_attempts, dispatch.backoff_base_s, dispatch.backoff_max_s, dispatch.backoff_jitter)


def queue_rules(config: Config) -> QueueRules:
    queue = config.queue
    return QueueRules(
        retry=retry_policy(config),
        max_pending=config.dispatch.max_pending,
        ageing_s=queue.ageing_s,
        max_rescues=queue.max_rescues,
        retention=Retention(queue.keep_s, queue.keep_count, queue.idempotency_window_s),
    )


def closure_policy(config: Config) -> ClosurePolicy:
    limits = config.limits
    return ClosurePolicy(
        unknown_reset_s=limits.unknown_reset_s,
        rate_backoff_base_s=limits.rate_backoff_base_s,
        rate_backoff_max_s=limits.rate_backoff_max_s,
        account_pause_s=limits.account_pause_s,
    )


def timetables(config: Config) -> tuple[Timetable, ...]:
    return tuple(map(timetable, config.schedules))


def hooks(config: Config) -> tuple[Hook, ...]:
    """Who is told of what; none = webhooks are off."""
    webhooks = config.webhooks
    named = tuple(
        Hook(
            name=endpoint.name,
            events=endpoint.events,
            projects=endpoint.projects,
            include_result=endpoint.include_result,
            max_attempts=endpoint.max_attempts,
            disable_after_s=endpoint.disable_after_s,
        )
        for endpoint in webhooks.endpoints
    )
    return (*named, Hook(TASK_HOOK, include_result=webhooks.task_include_result)) if webhooks.allow_task_urls else named
