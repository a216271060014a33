"""Whatever a local caller sends, the answer is JSON, and never an internal error."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbiont.domain import wording
from symbiont.domain.errors import MEANINGS, SymbiontError
from symbiont.domain.intake import Intake
from symbiont.http import body, parse

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
names = st.sampled_from(["task", "force_tier", "priority", "project", "tasks"]) | st.text()
objects = st.dictionaries(names, values | st.sampled_from(["haiku", "opus", "high", "x"]))
jsonish = st.text(alphabet='{}[]":,\\u0dD8 \n\t-+.eE019taskruefalsn\0é').map(lambda text: text.encode())
bodies = st.binary() | jsonish | objects.map(msgspec.json.encode)
params = st.sampled_from(["limit", "status", "dry_run", "x"])


def answered_well(reply):
    assert reply.headers["Content-Type"] == "application/json"
    answer = msgspec.json.decode(reply.body)
    if reply.status != 200:
        assert set(answer) == {"error", "code", "details"}
        assert answer["code"] != "INTERNAL"
        assert reply.status == MEANINGS[answer["code"]].http_status


@pytest.mark.parametrize("path", ["/task", "/queue", "/wake", "/queue/queued-1/cancel"])
@relaxed
@given(sent=bodies)
async def test_any_body_is_answered_in_json(api, path, sent):
    answered_well(await api.post_bytes(path, sent))


@pytest.mark.parametrize("path", ["/ledger", "/queue", "/status", "/nowhere"])
@relaxed
@given(pairs=st.lists(st.tuples(params, st.text()), max_size=3))
async def test_any_query_is_answered_in_json(api, path, pairs):
    encodable = [(name, wording.encodable(value)) for name, value in pairs]
    answered_well(await api.ask("GET", path, params=encodable))


@relaxed
@given(tail=st.binary(max_size=60).map(lambda raw: raw.translate(None, b"\r\n \t")))
async def test_any_target_is_answered_in_json(api, tail):
    answered_well(await api.raw(b"GET /task/" + tail + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"))


@relaxed
@given(
    name=st.sampled_from(["Host", "Origin", "Sec-Fetch-Site", "Content-Type", "Content-Encoding", "Accept", "Expect"]),
    value=st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n")),
)
async def test_any_header_is_answered_in_json(api, name, value):
    wire = (
        b"POST /wake HTTP/1.1\r\nHost: localhost\r\n"
        + name.encode()
        + b": "
        + value
        + b"\r\nContent-Length: 2\r\n\r\n{}"
    )
    answered_well(await api.raw(wire))


def mistake_in(attempt):
    """The SymbiontError the attempt ends in, or None."""
    try:
        attempt()
    except SymbiontError as error:
        return error
    return None


@given(bodies)
def test_a_body_decodes_to_an_object_or_a_named_mistake(sent):
    mistake = mistake_in(lambda: body.decode_object(sent))

    assert mistake is None or mistake.code in {"BAD_JSON", "WRONG_TYPE"}


@given(objects)
def test_fields_make_a_task_within_the_rules_or_a_named_mistake(tiers, fields):
    made = []

    mistake = mistake_in(lambda: made.append(parse.new_task(Intake(tiers, 100), fields, "direct")))

    assert mistake is None or mistake.http_status in {400, 413}
    assert all(0 < len(new.task.strip()) <= len(new.task) <= 100 for new in made)
    assert all(new.force_tier in {None, *tiers.names} for new in made)


@given(values)
def test_a_quotation_is_short_and_encodable(value):
    shown = wording.quoted(value)

    assert len(shown.encode()) < 1_000
