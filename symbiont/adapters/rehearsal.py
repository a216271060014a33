"""A worker that calls no model: it tells what a call would have been. For trying Symbiont out without spending anything.

Guarantees: pure and instant; every text says that it is a rehearsal, so no answer of it passes for a model's; token counts are
estimates and marked as `billing: rehearsal`, so no real total contains them. Does not judge: what needs a model's judgement
(classifying, a structured answer) is refused.
"""

from symbiont.domain.outcome import BadRequest, Done, Outcome, TooLong
from symbiont.domain.price import PriceTable, estimate_tokens, usd
from symbiont.domain.task import Billing
from symbiont.domain.tier import Tier, TierTable
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import ModelCall, ModelReply

# A guess, not a measurement: dearer tiers get the longer tasks, and a judge says little.
_ANSWER_TOKENS_BY_RANK = {1: 300, 2: 800}
_LONG_ANSWER_TOKENS = 1_500
_VERDICT_TOKENS = 100


class Rehearsal:
    """The worker. `slots` bounds how many calls it gets at a time; they cost it nothing."""

    name = "rehearsal"

    def __init__(self, tiers: TierTable, prices: PriceTable, slots: int = 64) -> None:
        self.slots = slots
        self.billing: Billing = "rehearsal"
        self._tiers = tiers
        self._prices = prices

    async def run(self, call: ModelCall) -> ModelReply:
        return rehearse(call, self._tiers, self._prices)


def rehearse(call: ModelCall, tiers: TierTable, prices: PriceTable) -> ModelReply:
    """What `call` would be: `Done` with a text and the estimated usage, or the refusal that can be foreseen."""
    if call.parts:
        return _of_several(call, tiers, prices)
    tier = tiers.get(call.tier)
    if tier is None:
        known = ", ".join(tiers.names)
        return _unused(BadRequest(f"expected tier to be one of {known}, got: {call.tier}"))
    if call.kind == "classify" or call.schema is not None:
        return _unused(BadRequest(f"expected a plain task for a rehearsal, got: {_what_it_cannot(call)}"))
    usage = Usage(input_tokens=_prompt_tokens(call), output_tokens=_answer_tokens(call, tier))
    if usage.prompt_tokens > tier.context_tokens:
        return _unused(TooLong(f"about {usage.prompt_tokens} tokens, {tier.name} takes {tier.context_tokens}"))
    text = _text(call, tier, usage, prices.cost_nanos(tier.price_model, usage))
    consumed = (ModelUsage(tier.price_model, usage),)
    return ModelReply(outcome=Done(text), elapsed_s=0.0, billing="rehearsal", usage=consumed)


def _of_several(call: ModelCall, tiers: TierTable, prices: PriceTable) -> ModelReply:
    """A call for several tasks: each as if it were made alone, in the form that was asked for."""
    replies = {id_: rehearse(part, tiers, prices) for id_, part in call.parts}
    texts = {id_: reply.outcome.text for id_, reply in replies.items() if isinstance(reply.outcome, Done)}
    if len(texts) < len(replies):
        return next(reply for id_, reply in replies.items() if id_ not in texts)
    answers = [{"id": id_, "answer": text} for id_, text in texts.items()]
    usage = sum((used.usage for reply in replies.values() for used in reply.usage), Usage())
    consumed = (ModelUsage(tiers[call.tier].price_model, usage),)
    return ModelReply(outcome=Done("", {"answers": answers}), elapsed_s=0.0, billing="rehearsal", usage=consumed)


def _unused(outcome: Outcome) -> ModelReply:
    return ModelReply(outcome=outcome, elapsed_s=0.0, billing="rehearsal")


def _what_it_cannot(call: ModelCall) -> str:
    return "a classification" if call.kind == "classify" else "a call for a structured answer"


def _prompt_tokens(call: ModelCall) -> int:
    return estimate_tokens(call.system) + estimate_tokens(call.prompt)


def _answer_tokens(call: ModelCall, tier: Tier) -> int:
    if call.kind == "judge":
        return _VERDICT_TOKENS
    return _ANSWER_TOKENS_BY_RANK.get(tier.rank, _LONG_ANSWER_TOKENS)


def _text(call: ModelCall, tier: Tier, usage: Usage, cost_nanos: int | None) -> str:
    cost = (
        f"an unknown amount ({tier.price_model} has no price)"
        if cost_nanos is None
        else f"about ${usd(cost_nanos):.6f}"
    )
    return (
        "This is a rehearsal: no model was called, and this text is no answer. "
        f"The {call.kind} would have gone to {call.model} (tier {tier.name}) with about {usage.input_tokens} input tokens. "
        f"With an answer of about {usage.output_tokens} tokens it would have cost {cost}."
    )
