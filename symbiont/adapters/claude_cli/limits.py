"""Usage limits of a subscription: which one struck, whom it stops, when it ends. Pure.

The event tells it all; the sentence meant for people is the fallback. A limit of one model leaves the others usable,
a limit of the account does not: the scope decides whether another model is worth a try.
"""

import re

from symbiont.adapters.claude_cli.reset_text import parse_reset
from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.domain.outcome import LimitScope, UsageLimited

_OF_THE_ACCOUNT = frozenset({"seven_day_oauth_apps", "seven_day_cowork", "seven_day_omelette"})

_STRUCK = re.compile(
    r"hit your .*limit|out of (?:extra )?usage|(?:usage|hour|weekly|session|opus|sonnet|fable)\b[\w -]* limit reached",
    re.IGNORECASE,
)

_NAMES = (
    (re.compile(r"\bopus\b", re.IGNORECASE), "seven_day_opus"),
    (re.compile(r"\bsonnet\b", re.IGNORECASE), "seven_day_sonnet"),
    (re.compile(r"\bfable\b", re.IGNORECASE), "seven_day_overage_included"),
    (re.compile(r"\bweekly\b", re.IGNORECASE), "seven_day"),
    (re.compile(r"\bsession\b|\b5.hour\b", re.IGNORECASE), "five_hour"),
    (re.compile(r"usage credit|extra usage|\bspend\b", re.IGNORECASE), "overage"),
)


def limited(transcript: Transcript, text: str, now: float) -> UsageLimited | None:
    """The limit that stopped a failed call; None if none did."""
    result = transcript.result
    status, kind = (None, None) if result is None else (result.api_error_status, result.api_error)
    event = transcript.limit
    # A window may stand rejected while the call goes on over it and fails of something else.
    rejected = event is not None and event.status == "rejected" and (status == 429 or transcript.error == "rate_limit")
    if not (rejected or _STRUCK.search(text) or "usage_limit_reached" in {kind, transcript.api_error}):
        return None
    name = event.rate_limit_type if event is not None and rejected else None
    resets_at = event.resets_at if event is not None and rejected else None
    limit = name or _name_in(text)
    return UsageLimited(
        limit=limit,
        scope=scope_of(limit),
        resets_at=resets_at if resets_at is not None else parse_reset(text, now),
        detail=text,
    )


def scope_of(limit: str) -> LimitScope:
    """Whom a limit stops: `seven_day_opus` and its like one model, everything else the account."""
    return "model" if limit.startswith("seven_day_") and limit not in _OF_THE_ACCOUNT else "account"


def _name_in(text: str) -> str:
    return next((name for pattern, name in _NAMES if pattern.search(text)), "unknown")
