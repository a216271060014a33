"""What would a task cost? Pure: no model, no record, no running server needed."""

from symbiont.actors.life import TASK_SYSTEM
from symbiont.adapters.rehearsal import rehearse
from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError
from symbiont.domain.heuristic import classify_by_rules
from symbiont.domain.outcome import Done, code_of, detail_of
from symbiont.domain.price import PriceTable, usd
from symbiont.domain.routing import wanted_tier
from symbiont.domain.task import Classification, NewTask
from symbiont.domain.tier import TierTable
from symbiont.ports import ModelCall
from symbiont.service import views


def dry_run(new: NewTask, config: Config, tiers: TierTable, prices: PriceTable) -> views.DryRun:
    """Classified by rules (asking a model would cost money), priced by estimate. Raises the refusal that can be foreseen."""
    classification = _classified(new, tiers)
    tier = tiers[wanted_tier(classification, tiers, config.routing.low_confidence)]
    call = ModelCall("dry-run", 1, "task", tier.name, tier.model, new.task, TASK_SYSTEM)
    reply = rehearse(call, tiers, prices)
    if not isinstance(reply.outcome, Done):
        raise SymbiontError(code_of(reply.outcome), f"the task would fail: {detail_of(reply.outcome)}")
    usage = reply.usage[0].usage
    cost_nanos = prices.cost_nanos(tier.price_model, usage)
    return views.DryRun(
        task=new.task,
        model=tier.name,
        model_id=tier.price_model,
        confidence=classification.confidence,
        reason=_reason(classification, tier.name),
        classified_by=classification.source,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        estimated_cost_usd=None if cost_nanos is None else usd(cost_nanos),
    )


def _reason(classification: Classification, tier: str) -> str:
    if classification.tier == tier:
        return classification.reason
    return f"{classification.reason}; low confidence in {classification.tier}: one tier up"


def _classified(new: NewTask, tiers: TierTable) -> Classification:
    if new.force_tier is None:
        return classify_by_rules(new.task, tiers)
    return Classification(new.force_tier, "high", "the caller chose the tier", "general", "forced")
