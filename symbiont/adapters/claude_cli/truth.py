"""The truth table: what each field, status and wording of a failed call means. Data only; `verdict.py` asks it in order."""

import re
from collections.abc import Callable

from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    BudgetExceeded,
    Empty,
    Interrupted,
    NoCredit,
    Outcome,
    Overloaded,
    RateLimited,
    Refused,
    TooLong,
    Truncated,
    TurnsExceeded,
    Unauthorised,
    Unreachable,
)

Verdict = Callable[[str], Outcome]


def _overloaded(detail: str) -> Outcome:
    return Overloaded(status=529, detail=detail)


def _rate_limited(detail: str) -> Outcome:
    return RateLimited(detail=detail)


SUBTYPES: dict[str, Verdict] = {
    "error_max_turns": TurnsExceeded,
    "error_max_budget_usd": BudgetExceeded,
    "error_max_structured_output_retries": BadOutput,
}
"""By `subtype` of the result; `error_during_execution` says nothing, what happened stands in the other fields."""

STOPS: dict[str, Verdict] = {
    "refusal": Refused,
    "max_tokens": Truncated,
    "model_context_window_exceeded": TooLong,
}
"""By the stop reason of the model: these hold whether or not the CLI calls it an error."""

KINDS: dict[str, Verdict] = {
    "prompt_too_long": TooLong,
    "message_over_context_limit": TooLong,
    "max_output_tokens": Truncated,
    "max_turns": TurnsExceeded,
    "budget_exhausted": BudgetExceeded,
    "structured_output_retry_exhausted": BadOutput,
    "malformed_tool_use_exhausted": BadOutput,
    "empty_completion": Empty,
    "aborted_streaming": Interrupted,
    "aborted_tools": Interrupted,
    "computer_slept": Interrupted,
    "connection_failed": Unreachable,
    "network_edge_blocked": Unreachable,
    "no_response": Unreachable,
    "stream_idle_timeout": Unreachable,
    "tls_untrusted_ca": Unreachable,
    "tls_cert_signature_failure": Unreachable,
    "api_key_auth_disabled": Unauthorised,
    "claude_code_version_too_old": Unauthorised,
    "gateway_session_expired": Unauthorised,
    "gateway_signin_required": Unauthorised,
    "invalid_credential_header": Unauthorised,
    "oauth_refresh_store_refused": Unauthorised,
    "org_disabled_credential": Unauthorised,
    "provider_credentials": Unauthorised,
    "stored_login_refused": Unauthorised,
    "long_context_credits_required": NoCredit,
    "model_requires_usage_credits": NoCredit,
}
"""By `terminal_reason` and `api_error` of the result."""

STATUSES: dict[int, Verdict] = {
    401: Unauthorised,
    402: NoCredit,
    403: Unauthorised,
    404: BadRequest,
    408: Unreachable,
    413: TooLong,
}
"""By HTTP status; 400, 429 and 5xx need a closer look."""

API_ERRORS: dict[str, Verdict] = {
    "account_on_hold": Unauthorised,
    "authentication_failed": Unauthorised,
    "billing_error": NoCredit,
    "cloud_credential_error": Unauthorised,
    "invalid_request": BadRequest,
    "max_output_tokens": Truncated,
    "model_not_found": BadRequest,
    "oauth_org_not_allowed": Unauthorised,
    "overloaded": _overloaded,
    "rate_limit": _rate_limited,
    "server_error": _overloaded,
    "verification_required": Unauthorised,
}
"""By `error` of the last assistant event."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


BAD_REQUESTS: tuple[tuple[re.Pattern[str], Verdict], ...] = (
    (_words(r"credit balance|billing|api usage limits"), NoCredit),
    (_words(r"prompt is too long|too many tokens|context (?:window|limit|length)"), TooLong),
)
"""By the words of a 400."""

WORDS: tuple[tuple[re.Pattern[str], Verdict], ...] = (
    (_words(r"not logged in|/login|invalid (?:api key|bearer)|failed to authenticate|oauth token"), Unauthorised),
    *BAD_REQUESTS,
    (_words(r"request too large|exceeds 10 ?MB"), TooLong),
    (_words(r"usage policy"), Refused),
    (_words(r"output token maximum"), Truncated),
    (_words(r"unknown option|json.schema|option .* argument|issue with the selected model"), BadRequest),
    (_words(r"input must be provided|only whitespace|no messages returned"), BadRequest),
    (_words(r"unable to connect|connection (?:refused|error|reset|closed)|timed out|fetch failed"), Unreachable),
    (_words(r"\b(?:ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH)\b|socket hang up|certificate"), Unreachable),
    (_words(r"overloaded|server-side issue|internal server error"), _overloaded),
)
"""By the words of an error that no field explains, and of a stderr without a result."""
