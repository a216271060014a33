"""How a call ended, judged from its transcript, its exit code and its stderr: the truth table of the CLI, as data.

The exit code and `subtype` alone lie (`subtype` is `success` for every API error), so structured fields are asked first,
from the most to the least telling, and sentences meant for people last. Pure; every combination gives an outcome.
What it cannot know is whether we stopped the call ourselves: that is the worker's to say.
"""

import re
from typing import Any

import msgspec

from symbiont.adapters.claude_cli.command import INSTALL_HINT
from symbiont.adapters.claude_cli.events import Result
from symbiont.adapters.claude_cli.limits import limited
from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.adapters.claude_cli.truth import API_ERRORS, BAD_REQUESTS, KINDS, STATUSES, STOPS, SUBTYPES, WORDS
from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    CliMissing,
    Done,
    Empty,
    Interrupted,
    Outcome,
    Overloaded,
    RateLimited,
)


class Evidence(msgspec.Struct, frozen=True):
    """What is known when a call is over. `exit_code` is None if the CLI had answered and then had to be ended by us."""

    transcript: Transcript
    exit_code: int | None
    stderr: str
    schema: dict[str, Any] | None
    now: float


def judge(evidence: Evidence) -> Outcome:
    """The outcome of a call that we did not stop."""
    result = evidence.transcript.result
    if result is None:
        return _without_result(evidence)
    if result.is_error or result.subtype != "success":
        return _failed(evidence, result)
    if evidence.exit_code:
        return Interrupted(detail=f"the CLI answered, then ended with {_ending(evidence.exit_code)}")
    return _answered(evidence, result)


def tidy(text: str) -> str:
    """A detail fit for the ledger: one short paragraph without credentials."""
    return " ".join(_SECRET.sub("sk-ant-…", text).split())[:500]


_SECRET = re.compile(r"sk-ant-[\w-]+")


# Answers


def _answered(evidence: Evidence, result: Result) -> Outcome:
    text = result.text or ""
    early = STOPS.get(result.stop_reason or "")
    if early is not None:
        return early(tidy(text))
    if evidence.schema is not None:
        return _structured(evidence.schema, result)
    if not evidence.transcript.saw_model and text:
        return BadRequest(detail=tidy(f"the CLI answered by itself, no model was asked: {text}"))
    if not text.strip():
        return Empty(detail="reported as success, with an empty answer")
    return Done(text=text)


def _structured(schema: dict[str, Any], result: Result) -> Outcome:
    found = result.structured if result.structured is not None else _parsed(result.text or "")
    if not isinstance(found, dict):
        return BadOutput(detail=tidy(f"expected an object by the schema, got: {result.text or 'nothing'}"))
    answer: dict[str, Any] = msgspec.convert(found, dict[str, Any])
    missing = [key for key in schema.get("required", ()) if key not in answer]
    if missing:
        return BadOutput(detail=tidy(f"expected the keys {', '.join(missing)} by the schema, got: {result.text}"))
    return Done(text=result.text or msgspec.json.encode(answer).decode(), structured=answer)


def _parsed(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


# Failures


def _failed(evidence: Evidence, result: Result) -> Outcome:
    text = tidy(result.text or "; ".join(str(error) for error in result.errors or ()))
    said = (
        SUBTYPES.get(result.subtype or ""),
        STOPS.get(result.stop_reason or ""),
        KINDS.get(result.terminal_reason or ""),
        KINDS.get(result.api_error or evidence.transcript.api_error),
    )
    for verdict in said:
        if verdict is not None:
            return verdict(text)
    if result.api_error_status is not None:
        return _by_status(evidence, result, result.api_error_status, text)
    return limited(evidence.transcript, text, evidence.now) or _by_words(evidence.transcript.error, text)


def _by_status(evidence: Evidence, result: Result, status: int, text: str) -> Outcome:
    if status == 429:
        return limited(evidence.transcript, text, evidence.now) or RateLimited(detail=text)
    if status >= 500:
        return Overloaded(status=status, detail=text)
    if status == 400:
        return next((verdict(text) for pattern, verdict in BAD_REQUESTS if pattern.search(text)), BadRequest(text))
    return STATUSES.get(status, BadRequest)(text or f"{status} {result.api_error or ''}".strip())


def _by_words(error: str, text: str) -> Outcome:
    for pattern, verdict in WORDS:
        if pattern.search(text):
            return verdict(text)
    return API_ERRORS.get(error, Interrupted)(text or error or "the CLI reported an error without saying which")


def _without_result(evidence: Evidence) -> Outcome:
    code = evidence.exit_code
    said = tidy(evidence.stderr or evidence.transcript.noise)
    detail = tidy(f"the CLI ended without a result, with {_ending(code)}" + (f": {said}" if said else ""))
    if code in {126, 127}:
        return CliMissing(detail=f"{detail}; {INSTALL_HINT}")
    if code is not None and 0 < code < 126:
        return next((verdict(detail) for pattern, verdict in WORDS if pattern.search(said)), Interrupted(detail))
    return Interrupted(detail=detail)


def _ending(code: int | None) -> str:
    if code is None:
        return "our own signal"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
