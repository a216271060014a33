"""A classification by rules, for when no model can classify: free, instant, and honest about how little it knows.

Guarantees: pure; always names a tier of the table, whatever the table and the text; reads only the start and the end of a
long text, so that a megabyte costs no more than a page; the reason names every feature that decided.
Does not understand: its vocabulary is English. In other languages length and structure alone decide, and the confidence
says `low`, which by default sends the task one tier up.

The score runs from 0 (the cheapest tier will do) to 2 (the dearest is needed):
1. The word that gives the order decides: *extract* 0, *write* 1, *design* 2. People put it first, or last after what they
   pasted; the further in it stands, the less it is trusted. Without one, a short question is easy (*who*, *when*) or
   middling (*why*, *how*), and for the rest the length decides.
2. Signs of harder work push the score up: words of deep reasoning, many requirements, many questions, code.
3. Signs of a tiny answer ("in one word", "yes or no") push it down.
4. A tier whose context the task would not fit is skipped.
"""

import math
import re
from typing import NamedTuple

from symbiont.domain.price import estimate_tokens
from symbiont.domain.task import Classification, Confidence
from symbiont.domain.tier import Tier, TierTable

TOP_SCORE = 2.0
HEAD_CHARS = 3_000
TAIL_CHARS = 1_000
FIRST_WORDS, NEAR_WORDS = 4, 25
SHORT_QUESTION_CHARS = 160
CONTEXT_SHARE = 0.8
"""Of a tier's context that a prompt may fill: the answer and the estimate's error need room too."""

_VOCABULARY: dict[tuple[float, str], str] = {
    (0.0, "classification"): "classify categorise categorize label tag detect identify sort",
    (0.0, "extraction"): "extract list find count parse lookup fetch",
    (0.0, "formatting"): "format reformat convert capitalise capitalize uppercase lowercase rename",
    (0.0, "translation"): "translate",
    (1.0, "writing"): "write draft compose rewrite rephrase edit summarise summarize outline reply",
    (1.0, "code"): "code implement debug refactor fix",
    (1.0, "analysis"): "explain analyse analyze compare describe review research investigate suggest recommend plan",
    (2.0, "design"): "design architect architecture redesign",
    (2.0, "strategy"): "strategy strategise strategize roadmap negotiate",
    (2.0, "reasoning"): "prove derive disprove optimise optimize",
}
_ORDERS = {word: (score, kind) for (score, kind), words in _VOCABULARY.items() for word in words.split()}

_DEEP = re.compile(
    r"\b(?:strateg(?:y|ic|ies)|architectur(?:e|al|es)|trade-?offs?|multi-?step|step[- ]by[- ]step|long[- ]term|root cause|end[- ]to[- ]end"
    r"|distributed|consensus|invariants?|formal(?:ly)?|theorem|proof|prove|rigorous(?:ly)?|threat model|migration plan"
    r"|whole (?:codebase|repository|system)|entire (?:codebase|repository|system))\b"
)
_TINY = re.compile(
    r"\b(?:one[- ]word|single word|yes or no|true or false|one sentence|just the|only the|as (?:a )?json|as csv)\b"
)
_CODE = re.compile(r"```|^[ \t]*(?:def|class|func|fn|import|from|#include|select|public|const|let) ", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_QUESTION = re.compile(r"[?？؟]")
_WORD = re.compile(r"[a-z]+")
_FACT = re.compile(
    r"\s*(?:who|whose|when|where|which|what|how (?:many|much|old|far|long)|is|are|was|were|does|do|did|can|has)\b"
)
_WHY = re.compile(r"\s*(?:why|how)\b")
_PROGRAM = re.compile(
    r"\b(?:function|script|program|unit tests?|regex|sql|query|class|module|api|python|rust|javascript|bash)\b"
)


class _Order(NamedTuple):
    """The word that gives the order, what it is worth, and how far the rules trust that it is the one."""

    score: float
    task_type: str
    trust: Confidence
    why: str


class _Push(NamedTuple):
    """A sign that the task is harder (or, below 0, easier) than its order sounds."""

    by: float
    why: str


def classify_by_rules(text: str, tiers: TierTable) -> Classification:
    """The tier `text` seems to need, with `source="heuristic"`. `tiers` must not be empty."""
    seen = _seen(text).casefold()
    order = _order(seen, len(text))
    pushes = _pushes(seen)
    score = min(max(order.score + sum(push.by for push in pushes), 0.0), TOP_SCORE)
    by_score = _at(score, tiers)
    tier = _roomy(by_score, text, tiers)
    reasons = [order.why, *(push.why for push in pushes)]
    if tier != by_score:
        reasons.append(f"too long for {by_score.name}")
    return Classification(
        tier=tier.name,
        confidence=_confidence(order, pushes),
        reason=f"rules: {', '.join(reasons)}",
        task_type=order.task_type,
        source="heuristic",
    )


def _seen(text: str) -> str:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def _order(seen: str, chars: int) -> _Order:
    words = _WORD.findall(seen)
    places: list[tuple[Confidence, list[str]]] = [
        ("high", words[:FIRST_WORDS]),
        ("medium", words[FIRST_WORDS:NEAR_WORDS]),
        ("medium", words[-NEAR_WORDS:]),
        ("low", words),
    ]
    for trust, place in places:
        word = next((word for word in place if word in _ORDERS), None)
        if word is not None:
            score, task_type = _ORDERS[word]
            is_program = task_type == "writing" and _PROGRAM.search(seen)
            return _Order(score, "code" if is_program else task_type, trust, f"says '{word}'")
    return _by_question(seen, chars) or _by_length(chars)


def _by_question(seen: str, chars: int) -> _Order | None:
    if chars > SHORT_QUESTION_CHARS or not _QUESTION.search(seen):
        return None
    if _FACT.match(seen) or _TINY.search(seen):
        return _Order(0.0, "question", "medium", "a short question of fact")
    if _WHY.match(seen):
        return _Order(1.0, "question", "medium", "a short question of why or how")
    return None


def _by_length(chars: int) -> _Order:
    if chars <= 300:
        return _Order(0.0, "general", "low", "short, no word that gives an order")
    if chars <= 6_000:
        return _Order(0.8, "general", "low", "of middling length, no word that gives an order")
    return _Order(1.2, "general", "low", "long, no word that gives an order")


def _pushes(seen: str) -> list[_Push]:
    deep = sorted(set(_DEEP.findall(seen)))
    items, questions = len(_ITEM.findall(seen)), len(_QUESTION.findall(seen))
    signs = [
        (deep, _Push(min(0.6 * len(deep), 1.2), f"speaks of {' and '.join(deep[:3])}")),
        (items >= 5, _Push(0.4, f"{items} listed points")),
        (questions >= 3, _Push(0.3, f"{questions} questions")),
        (_CODE.search(seen), _Push(0.3, "contains code")),
        (_TINY.search(seen), _Push(-0.5, "wants a tiny answer")),
    ]
    return [push for present, push in signs if present]


def _at(score: float, tiers: TierTable) -> Tier:
    """The tier as far up the table as the score is up its scale; halfway between two, the cheaper."""
    place = score / TOP_SCORE * (len(tiers.tiers) - 1)
    return tiers.tiers[math.ceil(place - 0.5)]


def _confidence(order: _Order, pushes: list[_Push]) -> Confidence:
    """Signs that pull away from the order's own level make the rules less sure of it, never surer."""
    is_contested = any((push.by > 0) != (order.score >= TOP_SCORE / 2) for push in pushes)
    if order.trust == "high":
        return "medium" if is_contested else "high"
    return "low" if is_contested else order.trust


def _roomy(wanted: Tier, text: str, tiers: TierTable) -> Tier:
    tokens = estimate_tokens(text)
    able = tiers.at_or_above(wanted.name)
    return next((tier for tier in able if tokens <= tier.context_tokens * CONTEXT_SHARE), able[-1])
