"""The rules that the queue keeps, as values."""

import msgspec

from symbiont.domain.retention import Retention
from symbiont.domain.retry import RetryPolicy


class QueueRules(msgspec.Struct, frozen=True):
    """`max_pending` tasks at most; a waiting one gains a rank per `ageing_s`; after `max_rescues` lost runs it is poison."""

    retry: RetryPolicy
    max_pending: int = 100_000
    ageing_s: float = 600.0
    max_rescues: int = 3
    retention: Retention = Retention()
