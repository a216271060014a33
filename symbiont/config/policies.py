"""The policies of `domain` as the configuration sets them."""

from symbiont.config.schema import Config
from symbiont.domain.closure import ClosurePolicy
from symbiont.domain.retry import RetryPolicy


def retry_policy(config: Config) -> RetryPolicy:
    dispatch = config.dispatch
    return RetryPolicy(dispatch.max_attempts, dispatch.backoff_base_s, dispatch.backoff_max_s)


def closure_policy(config: Config) -> ClosurePolicy:
    limits = config.limits
    return ClosurePolicy(
        unknown_reset_s=limits.unknown_reset_s,
        rate_backoff_base_s=limits.rate_backoff_base_s,
        rate_backoff_max_s=limits.rate_backoff_max_s,
        account_pause_s=limits.account_pause_s,
    )
