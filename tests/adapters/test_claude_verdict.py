"""The truth table of the CLI: what each combination of fields means. Pure values, no process."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.claude_cli.limits import scope_of
from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.adapters.claude_cli.verdict import Evidence, judge, tidy
from symbiont.domain.outcome import (
    BadOutput,
    BadRequest,
    BudgetExceeded,
    CliMissing,
    Done,
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
    UsageLimited,
)
from tests.doubles.claude import a_result

NOW = 1_795_219_200.0
SCHEMA = {"type": "object", "required": ["tier"], "properties": {"tier": {"type": "string"}}}


def transcript_of(*events):
    transcript = Transcript()
    for event in events:
        transcript.feed(json.dumps(event).encode())
    return transcript


def verdict(*events, exit_code=1, stderr="", schema=None):
    return judge(Evidence(transcript_of(*events), exit_code, stderr, schema, NOW))


def failure(text="", **fields):
    return a_result(is_error=True, result=text, modelUsage={}) | fields


@pytest.mark.parametrize(
    ("expected", "text", "fields"),
    [
        (Unauthorised, "Invalid API key · Fix external API key", {"api_error_status": 401}),
        (Unauthorised, "Failed to authenticate. API Error: 403 …", {"api_error_status": 403}),
        (Unauthorised, "Not logged in · Please run /login", {}),
        (Unauthorised, "", {"api_error": "org_disabled_credential"}),
        (NoCredit, "Credit balance is too low", {"api_error_status": 400}),
        (NoCredit, "API Error: 400 You have reached your specified API usage limits.", {"api_error_status": 400}),
        (NoCredit, "", {"api_error_status": 402}),
        (NoCredit, "", {"api_error_status": 429, "api_error": "model_requires_usage_credits"}),
        (BadRequest, "There's an issue with the selected model (X).", {"api_error_status": 404}),
        (BadRequest, "API Error: 400 messages: bad request", {"api_error_status": 400}),
        (BadRequest, "I'm a teapot", {"api_error_status": 418}),
        (TooLong, "Prompt is too long", {"api_error_status": 400, "terminal_reason": "prompt_too_long"}),
        (TooLong, "Prompt is too long", {"api_error_status": 400}),
        (TooLong, "Request too large", {"api_error_status": 413, "terminal_reason": "image_error"}),
        (TooLong, "", {"api_error": "message_over_context_limit"}),
        (RateLimited, "API Error: Request rejected (429) · would exceed", {"api_error_status": 429}),
        (RateLimited, "Server is temporarily limiting requests (not your usage limit)", {"api_error_status": 429}),
        (UsageLimited, "You've hit your Opus limit · resets 3am (UTC)", {"api_error_status": 429}),
        (UsageLimited, "", {"api_error_status": 429, "api_error": "usage_limit_reached"}),
        (UsageLimited, "Claude AI usage limit reached|1795225728", {}),
        (Overloaded, "API Error: 529 Overloaded.", {"api_error_status": 529}),
        (Overloaded, "API Error: 500", {"api_error_status": 500}),
        (Overloaded, "API Error: Overloaded", {}),
        (Unreachable, "API Error: Unable to connect to API (ConnectionRefused)", {}),
        (Unreachable, "API Error: Connection refused (ECONNREFUSED)", {"api_error": "connection_failed"}),
        (Unreachable, "Request timed out.", {}),
        (Unreachable, "getaddrinfo EAI_AGAIN", {}),
        (Refused, "…appears to violate our Usage Policy", {"stop_reason": "refusal"}),
        (Refused, "…appears to violate our Usage Policy", {}),
        (Truncated, "response exceeded the 32000 output token maximum", {"api_error": "max_output_tokens"}),
        (Truncated, "response exceeded the 32000 output token maximum", {}),
        (TurnsExceeded, None, {"subtype": "error_max_turns", "errors": ["Reached maximum number of turns (1)"]}),
        (BudgetExceeded, None, {"subtype": "error_max_budget_usd", "errors": ["Reached maximum budget ($1)"]}),
        (BadOutput, None, {"subtype": "error_max_structured_output_retries"}),
        (Interrupted, None, {"subtype": "error_during_execution", "terminal_reason": "aborted_streaming"}),
        (Overloaded, None, {"subtype": "error_during_execution", "api_error_status": 529}),
        (Interrupted, "something nobody has seen before", {}),
    ],
)
def test_a_failed_call_is_known_by_its_fields(expected, text, fields):
    assert type(verdict(failure(text, **fields))) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("authentication_failed", Unauthorised),
        ("billing_error", NoCredit),
        ("rate_limit", RateLimited),
        ("overloaded", Overloaded),
        ("server_error", Overloaded),
        ("model_not_found", BadRequest),
        ("unknown", Interrupted),
    ],
)
def test_an_error_without_a_status_is_known_by_the_assistant_event(error, expected):
    assert type(verdict({"type": "assistant", "error": error}, failure("?"))) is expected


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        (Done("OK"), {}),
        (Empty, {"result": ""}),
        (Empty, {"result": " \n"}),
        (Empty, {"result": "", "modelUsage": {}}),
        (BadRequest, {"result": "/compact isn't available in this environment.", "modelUsage": {}}),
        (BadRequest, {"result": "Unknown command: /nosuch", "modelUsage": {}}),
        (Refused, {"stop_reason": "refusal"}),
        (Truncated, {"stop_reason": "max_tokens"}),
        (TooLong, {"stop_reason": "model_context_window_exceeded"}),
    ],
)
def test_success_is_not_what_it_says_but_what_it_holds(expected, fields):
    found = verdict(a_result(**fields), exit_code=0)

    assert found == expected if isinstance(expected, Done) else type(found) is expected


def test_an_answer_about_slash_commands_is_an_answer_if_a_model_gave_it():
    text = "/compact isn't available in this environment."

    assert verdict(a_result(result=text), exit_code=0) == Done(text)


def test_an_answer_followed_by_a_bad_exit_is_no_answer():
    assert type(verdict(a_result(), exit_code=143)) is Interrupted


def test_an_answer_of_a_cli_we_had_to_end_stands():
    assert verdict(a_result(), exit_code=None) == Done("OK")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"structured_output": {"tier": "haiku"}, "result": "x"}, Done("x", {"tier": "haiku"})),
        ({"result": '{"tier":"opus"}'}, Done('{"tier":"opus"}', {"tier": "opus"})),
        ({"structured_output": {"tier": "haiku"}, "result": None}, Done('{"tier":"haiku"}', {"tier": "haiku"})),
    ],
)
def test_a_structured_answer_is_taken_from_its_field_or_from_the_text(fields, expected):
    assert verdict(a_result(**fields), exit_code=0, schema=SCHEMA) == expected


@pytest.mark.parametrize(
    "fields",
    [{"result": "I would say haiku"}, {"result": ""}, {"result": "[1]"}, {"structured_output": {"other": 1}}],
)
def test_an_answer_that_does_not_fit_its_schema_is_bad_output(fields):
    assert type(verdict(a_result(**fields), exit_code=0, schema=SCHEMA)) is BadOutput


# Usage limits


def limit_event(name, status="rejected", **fields):
    info = {"status": status, "resetsAt": 1_795_225_728, "rateLimitType": name} | fields
    return {"type": "rate_limit_event", "rate_limit_info": info}


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("five_hour", "account"),
        ("seven_day", "account"),
        ("overage", "account"),
        ("out_of_credits", "account"),
        ("seven_day_oauth_apps", "account"),
        ("seven_day_opus", "model"),
        ("seven_day_sonnet", "model"),
        ("seven_day_overage_included", "model"),
        ("unknown", "account"),
    ],
)
def test_a_limit_stops_the_account_or_one_model(name, scope):
    found = verdict(limit_event(name), failure("You've hit your limit", api_error_status=429))

    assert (found.limit, found.scope, found.resets_at) == (name, scope, 1_795_225_728)
    assert scope_of(name) == scope


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("You've hit your session limit · resets 2:11am (UTC)", "five_hour"),
        ("You've hit your 5-hour limit · resets 2:11am (UTC)", "five_hour"),
        ("5-hour limit reached ∙ resets 2am", "five_hour"),
        ("You've hit your weekly limit · resets Nov 23, 11:11pm (UTC)", "seven_day"),
        ("You've hit your Opus limit · resets Nov 22, 11:11pm (UTC)", "seven_day_opus"),
        ("You've hit your Sonnet limit", "seven_day_sonnet"),
        ("You're out of usage credits · resets 1:11am (UTC)", "overage"),
        ("You're out of extra usage · resets 11:30am (Asia/Colombo)", "overage"),
        ("You've hit your limit · resets 4pm (UTC)", "unknown"),
    ],
)
def test_without_an_event_the_text_names_the_limit(text, limit):
    assert verdict(failure(text, api_error_status=429)).limit == limit


def test_a_call_that_fails_of_something_else_is_not_a_limit_because_a_window_is_spent():
    assert type(verdict(limit_event("five_hour"), failure("API Error: 500", api_error_status=500))) is Overloaded


def test_a_warning_is_no_limit():
    event = limit_event("five_hour", status="allowed_warning")

    assert type(verdict(event, failure("Request rejected (429)", api_error_status=429))) is RateLimited


# Without a result


@pytest.mark.parametrize(
    ("code", "expected"), [(126, CliMissing), (127, CliMissing), (-9, Interrupted), (0, Interrupted)]
)
def test_an_end_without_a_result_is_known_by_the_exit_code(code, expected):
    assert type(verdict(exit_code=code)) is expected


@given(
    code=st.none() | st.integers(-64, 255),
    stderr=st.text(max_size=200),
    fields=st.dictionaries(
        st.sampled_from(["subtype", "is_error", "api_error_status", "result", "stop_reason", "errors", "modelUsage"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
    ),
)
def test_every_combination_gives_an_outcome(code, stderr, fields):
    outcome = verdict({"type": "result"} | fields, exit_code=code, stderr=stderr, schema=SCHEMA if code else None)

    assert isinstance(outcome, Outcome)
    if code:
        assert not isinstance(outcome, Done)


def test_a_detail_holds_no_key_and_little_text():
    assert tidy("bad\nkey sk-ant-api03-abc_DEF-123 given") == "bad key sk-ant-… given"
    assert len(tidy("x" * 5000)) == 500
