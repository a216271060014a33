"""What a call said, folded line by line: liberal towards whatever a release may add, drop or retype."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.domain.usage import ModelUsage, Usage
from symbiont.ports import QuotaWindow
from tests.doubles.claude import SAMPLES, a_result

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def transcript_of(*events):
    transcript = Transcript()
    for event in events:
        transcript.feed(event if isinstance(event, bytes) else json.dumps(event).encode())
    return transcript


def usage_of(**counters):
    return transcript_of(a_result(modelUsage={"m": counters})).usage()


def started(identity, model="haiku", **usage):
    message = {"id": identity, "model": model, "usage": usage}
    return {"type": "stream_event", "event": {"type": "message_start", "message": message}}


def test_the_first_event_tells_version_and_credential():
    init = transcript_of(
        {"type": "system", "subtype": "init", "apiKeySource": "none", "claude_code_version": "2.1.329"}
    ).init

    assert (init.source, init.version) == ("none", "2.1.329")


def test_the_last_result_counts():
    assert transcript_of(a_result(result="one"), a_result(result="two")).result.text == "two"


def test_retries_are_counted():
    retry = {"type": "system", "subtype": "api_retry", "error_status": 529}

    assert transcript_of(retry, retry).retries == 2


def test_a_field_of_a_wrong_type_costs_that_field_alone():
    result = transcript_of(a_result(api_error_status="many", stop_reason=["?"], num_turns="x")).result

    assert (result.text, result.api_error_status, result.stop_reason) == ("OK", None, None)


@pytest.mark.parametrize(
    "line", [b"", b"plain words", b"{", b'{"type":', b"[]", b'"type"', b"{}", b"\xff\xfe", b"[" * 100_000]
)
def test_a_line_that_is_no_event_is_skipped(line):
    assert transcript_of(line).skipped == 1


def test_the_first_words_that_are_no_event_are_kept_for_the_detail():
    assert transcript_of(b"Not logged in", b"more").noise == "Not logged in"


@given(st.dictionaries(st.sampled_from(["type", "subtype", "event", "message", "rate_limit_info", "error"]), JSON))
def test_no_event_can_break_it(event):
    transcript = transcript_of(event, {"type": "result"} | event, {"type": "stream_event"} | event)

    assert all(isinstance(used, ModelUsage) for used in transcript.usage())
    assert all(isinstance(window, QuotaWindow) for window in transcript.quota())
    assert transcript_of(event, a_result()).result.text == "OK"


@given(st.binary(max_size=200))
def test_no_bytes_can_break_it(line):
    assert transcript_of(line, b'{"type":"result"' + line, a_result()).result.text == "OK"


# Usage


def test_cache_writes_of_older_releases_are_all_short_lived():
    assert usage_of(cacheCreationInputTokens=100)[0].usage == Usage(cache_write_5m_tokens=100)


def test_cache_writes_of_newer_releases_are_split_by_lifetime():
    split = {"cacheCreationEphemeral5mInputTokens": 30, "cacheCreationEphemeral1hInputTokens": 70}

    assert usage_of(cacheCreationInputTokens=100, **split)[0].usage == Usage(
        cache_write_5m_tokens=30, cache_write_1h_tokens=70
    )


def test_the_four_counters_stay_apart():
    found = usage_of(inputTokens=1, outputTokens=2, cacheReadInputTokens=3, cacheCreationInputTokens=4)

    assert found == (ModelUsage("m", Usage(1, 2, 3, 4, 0)),)


def test_every_model_that_took_part_is_listed():
    both = {"haiku": {"inputTokens": 1}, "opus": {"inputTokens": 2}}

    assert [used.model_id for used in transcript_of(a_result(modelUsage=both)).usage()] == ["haiku", "opus"]


def test_the_account_of_the_cli_wins_over_the_messages_seen():
    assert transcript_of(started("m1", input_tokens=999), a_result()).usage()[0].usage.input_tokens == 10


def test_without_an_account_the_messages_seen_are_added_up():
    events = [started("m1", input_tokens=5), started("m2", input_tokens=7), started("m3", "opus", input_tokens=1)]

    found = transcript_of(*events, a_result(modelUsage={}))

    assert found.usage() == (ModelUsage("haiku", Usage(input_tokens=12)), ModelUsage("opus", Usage(input_tokens=1)))
    assert found.cost_usd() is None


def test_a_message_told_twice_counts_once_with_its_most():
    told = {"id": "m1", "model": "haiku", "usage": {"input_tokens": 5, "output_tokens": 1}}
    more = {"type": "stream_event", "event": {"type": "message_delta", "usage": {"output_tokens": 40}}}

    found = transcript_of(started("m1", input_tokens=5, output_tokens=1), more, {"type": "assistant", "message": told})

    assert found.usage() == (ModelUsage("haiku", Usage(input_tokens=5, output_tokens=40)),)


def test_what_the_cli_says_by_itself_is_no_model():
    synthetic = {"id": "m1", "model": "<synthetic>", "usage": {"input_tokens": 0}}

    assert not transcript_of({"type": "assistant", "message": synthetic}).saw_model


# Quota


def test_an_older_release_shows_one_window():
    info = {"status": "allowed", "resetsAt": 1000, "rateLimitType": "five_hour"}

    assert transcript_of({"type": "rate_limit_event", "rate_limit_info": info}).quota() == (
        QuotaWindow("five_hour", "allowed", None, 1000),
    )


def test_a_limit_of_one_model_stands_beside_the_windows_of_the_account():
    windows = {"five_hour": {"utilization": 0.5, "resetsAt": 1, "status": "allowed"}, "seven_day": None}
    info = {"status": "rejected", "resetsAt": 2, "rateLimitType": "seven_day_opus", "unifiedWindows": windows}

    assert transcript_of({"type": "rate_limit_event", "rate_limit_info": info}).quota() == (
        QuotaWindow("five_hour", "allowed", 0.5, 1),
        QuotaWindow("seven_day_opus", "rejected", None, 2),
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_recorded_line_is_an_event(sample):
    assert transcript_of(*SAMPLES[sample]["stdout"]).skipped == 0
