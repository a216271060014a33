"""From a model call to its line in the ledger: what it cost by our own prices, beside what the worker says. Pure."""

from typing import Any

import msgspec

from symbiont.domain.ledger import Entry, preview
from symbiont.domain.moment import epoch_s, rfc3339_us
from symbiont.domain.outcome import (
    BadRequest,
    CliMissing,
    Done,
    NoCredit,
    NotStarted,
    Outcome,
    Overloaded,
    RateLimited,
    TooLong,
    Unauthorised,
    Unreachable,
    UsageLimited,
    code_of,
    detail_of,
)
from symbiont.domain.price import PriceTable, usd
from symbiont.domain.task import OpenCall, Share, Task, Try
from symbiont.domain.tier import Tier
from symbiont.domain.usage import Usage
from symbiont.ports import ModelReply

STORY_DETAIL_CHARS = 300
"""How much of what a call said of its end a story keeps."""

_NOTHING_SERVED = (
    UsageLimited,
    RateLimited,
    Overloaded,
    Unauthorised,
    NoCredit,
    TooLong,
    Unreachable,
    CliMissing,
    NotStarted,
    BadRequest,
)
"""The request was turned away or never made: without a report of usage it cost nothing. Any other one may have."""


def entry_of(task: Task, reply: ModelReply, *, tier: Tier, worker: str, prices: PriceTable, now: float) -> Entry:
    """The line of the call that is open in `task`, however it ended."""
    usage = sum((used.usage for used in reply.usage), Usage())
    cost_usd, price_table = cost_of(reply, tier, prices)
    is_done = isinstance(reply.outcome, Done)
    return Entry(
        timestamp=rfc3339_us(now),
        model=tier.name,
        success=is_done,
        elapsed_seconds=round(reply.elapsed_s, 3),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        estimated_cost_usd=cost_usd,
        prompt_preview=preview(task.task),
        task_id=task.id,
        attempt=task.attempt,
        kind="task" if task.call is None else task.call.kind,
        tier=tier.name,
        model_id=resolved_model(reply),
        worker=worker,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reported_cost_usd=reply.reported_cost_usd,
        price_table=price_table,
        billing=reply.billing,
        error_code=None if is_done else code_of(reply.outcome),
        project=task.project,
        upper_bound_usd=_bound(task.call) if cost_usd is None else msgspec.UNSET,
        **_share(reply.shared),
    )


def try_of(entry: Entry, outcome: Outcome) -> Try:
    """The call as the story of its task tells it."""
    return Try(
        attempt=entry.attempt,
        kind=entry.kind,
        tier=entry.tier,
        worker=entry.worker,
        outcome=code_of(outcome),
        at=entry.timestamp,
        elapsed_seconds=entry.elapsed_seconds,
        cost_usd=entry.estimated_cost_usd,
        detail=detail_of(outcome)[:STORY_DETAIL_CHARS],
        shares=0 if isinstance(entry.shares, msgspec.UnsetType) else entry.shares,
    )


def interrupted(task: Task, call: OpenCall, now: float) -> Entry:
    """The line of a call that a crash of the process cut off: it happened, and nobody knows what it cost.

    Nor how long it took: the time since it began is the most it can have been.
    """
    return Entry(
        timestamp=rfc3339_us(now),
        model=call.tier,
        success=False,
        elapsed_seconds=round(max(0.0, now - epoch_s(call.began_at)), 3),
        input_tokens=0,
        output_tokens=0,
        estimated_cost_usd=None,
        prompt_preview=preview(task.task),
        task_id=task.id,
        attempt=task.attempt,
        kind=call.kind,
        tier=call.tier,
        model_id=call.model,
        worker=call.worker,
        billing=call.billing,
        error_code="INTERRUPTED",
        project=task.project,
        upper_bound_usd=_bound(call),
        **_share(call.shared),
    )


def _bound(call: OpenCall | None) -> float | msgspec.UnsetType:
    return call.upper_bound_usd if call is not None and call.upper_bound_usd else msgspec.UNSET


def _share(shared: Share | None) -> dict[str, Any]:
    return {} if shared is None else {"shared_call": shared.call, "share": shared.number, "shares": shared.of}


def resolved_model(reply: ModelReply) -> str:
    """The model that wrote the answer: the one with the most output, for a call may touch several."""
    return max(reply.usage, key=lambda used: used.usage.output_tokens).model_id if reply.usage else ""


def cost_of(reply: ModelReply, tier: Tier, prices: PriceTable) -> tuple[float | None, str]:
    """USD and the version of the table it was priced by; None if nobody knows, as of a call cut off before it told.

    A model the table does not know is priced as the worker reported it (`reported`), else like its tier's model.
    """
    if not reply.usage:
        return _cost_without_usage(reply, prices)
    nanos = [prices.cost_nanos(used.model_id, used.usage) for used in reply.usage]
    known = [amount for amount in nanos if amount is not None]
    if len(known) == len(nanos):
        return usd(sum(known)), prices.version
    if reply.reported_cost_usd is not None:
        return reply.reported_cost_usd, "reported"
    if prices.row(tier.price_model) is None:
        return None, ""
    stand_in = [prices.cost_nanos(tier.price_model, used.usage) or 0 for used in reply.usage]
    return usd(sum(stand_in)), f"{prices.version} as {tier.price_model}"


def _cost_without_usage(reply: ModelReply, prices: PriceTable) -> tuple[float | None, str]:
    """A report of nothing is believed only of a request that was turned away: one cut off may have been served already."""
    if reply.reported_cost_usd:
        return reply.reported_cost_usd, "reported"
    return (0.0, prices.version) if isinstance(reply.outcome, _NOTHING_SERVED) else (None, "")
