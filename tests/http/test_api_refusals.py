"""Requests that cannot be served: each is refused in JSON, with a stable code and a text that teaches."""

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from symbiont.domain.errors import SymbiontError

DEEP = 200_000


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "BAD_JSON", "expected the body to be a JSON object, got: nothing"),
        (b" \n", "BAD_JSON", "expected the body to be a JSON object, got: nothing"),
        (b"hello", "BAD_JSON", "expected the body to be JSON, got: invalid character at line 1, column 1"),
        (b'{"task":\n  "x",}', "BAD_JSON", "got: trailing comma in object at line 2, column 7"),
        (b'{"task": "x"} {}', "BAD_JSON", "got: trailing characters at line 1"),
        (b'{"task": "\xff"}', "BAD_JSON", "got: byte 0xff, which is no UTF-8 at line 1, column 11"),
        (b'{"task": "\xed\xa0\x80"}', "BAD_JSON", "got: byte 0xed, which is no UTF-8"),
        (b'{"task": "\\ud800 x"}', "BAD_JSON", "expected the body to be JSON"),
        (b'{"task": NaN}', "BAD_JSON", "invalid character at line 1, column 10"),
        (b'{"task": 1e999}', "BAD_JSON", "got: number out of range"),
        (b"\xef\xbb\xbf{}", "BAD_JSON", "got: a byte order mark before it"),
        (b"[" * 50_000, "BAD_JSON", "got: nesting too deep to read"),
        (b'{"a":' * 15_000, "BAD_JSON", "got: nesting too deep to read"),
        (b"[1, 2]", "WRONG_TYPE", "expected the body to be a JSON object, got: an array"),
        (b"null", "WRONG_TYPE", "expected the body to be a JSON object, got: null"),
        (b'"task"', "WRONG_TYPE", 'expected the body to be a JSON object, got: "task"'),
        (b"{}", "MISSING_FIELD", "expected task to be present, got: no such field"),
        (b'{"task": 42}', "WRONG_TYPE", "expected task to be a string, got: 42"),
        (b'{"task": null}', "WRONG_TYPE", "expected task to be a string, got: null"),
        (b'{"task": {"a": 1}}', "WRONG_TYPE", "expected task to be a string, got: an object"),
        (b'{"task": ""}', "EMPTY_TASK", 'expected task to be some text, got: ""'),
        (b'{"task": " \\n\\t "}', "EMPTY_TASK", r'expected task to be some text, got: " \n\t "'),
        (b'{"task": "x"', "BAD_JSON", "expected the body to be JSON, got: an end too early at line 1, column 13"),
        (b'{"task": "\\u200b\\u00a0"}', "EMPTY_TASK", r'expected task to be some text, got: "\u200b\u00a0"'),
        (b'{"task": "a\\u0000b"}', "BAD_VALUE", "expected task to be text, got: a NUL as its character 2"),
        (b'{"task": "x", "force_tier": "gpt"}', "UNKNOWN_TIER", 'to be haiku, sonnet or opus, got: "gpt"'),
        (b'{"task": "x", "force_tier": 3}', "WRONG_TYPE", "expected force_tier to be a string, got: 3"),
        (b'{"task": "x", "force_tier": ""}', "UNKNOWN_TIER", 'got: ""'),
        (b'{"task": "x", "priority": "urgent"}', "BAD_VALUE", 'critical, high, normal or low, got: "urgent"'),
        (b'{"task": "x", "priority": true}', "WRONG_TYPE", "expected priority to be a string, got: true"),
        (b'{"task": "x", "project": "a\\nb"}', "BAD_VALUE", "expected project to be at most 128 printable characters"),
        (b'{"task": "x", "task": "y"}', "BAD_JSON", 'expected every key once, got: "task" twice'),
        (b'{"task": "x", "project": {"a": 1, "a": 1}}', "BAD_JSON", 'expected every key once, got: "a" twice'),
        (b'{"task": "x", "idempotency_key": "  "}', "BAD_VALUE", "to be some text of at most 255 printable characters"),
        (b'{"task": "x", "delay_s": 1e300}', "BAD_VALUE", "to be 0..31536000 seconds, got: 1e300"),
        (b'{"task": "x", "run_at": "9999-12-31T00:00:00Z"}', "BAD_VALUE", "to lie between 1970 and 9999"),
        (b'{"task": "x", "model": "haiku"}', "UNKNOWN_FIELD", "task, force_tier, priority, project, "),
    ],
)
@pytest.mark.parametrize("path", ["/task", "/queue"])
async def test_a_bad_body_is_explained(api, path, body, code, message):
    reply = await api.post_bytes(path, body)

    assert (reply.status, reply.code) == (400, code)
    assert message in reply.json["error"]
    assert api.service.seen == []


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"taks": "x"}, "did you mean task?"),
        ({"task": "x", "force-tier": "opus"}, "did you mean force_tier?"),
        ({"task": "x", "force_tier": "Haiku"}, "did you mean haiku?"),
        ({"task": "x", "priority": "hihg"}, "did you mean high?"),
    ],
)
async def test_a_slip_of_the_pen_gets_the_word_that_was_meant(api, fields, hint):
    assert (await api.post("/task", fields)).json["details"]["hint"] == hint


async def test_a_syntax_error_is_located_for_programs_too(api):
    reply = await api.post_bytes("/task", b'{\n "task": x}')

    assert reply.json["details"] == {"line": 2, "column": 10, "byte": 11}


async def test_an_over_long_task_is_told_both_lengths(api):
    reply = await api.post("/task", {"task": "x" * 1_001})

    assert (reply.status, reply.code) == (413, "TASK_TOO_LONG")
    assert reply.json["details"]["limit"] == 1_000
    assert reply.json["details"]["length"] == 1_001


async def test_a_task_of_exactly_the_limit_is_taken(api):
    assert (await api.post("/task", {"task": "é" * 1_000})).status == 200


async def test_an_unknown_tier_lists_the_tiers(api):
    assert (await api.post("/task", {"task": "x", "force_tier": "gpt"})).json["details"]["tiers"] == [
        "haiku", "sonnet", "opus",
    ]  # fmt: skip


async def test_a_long_value_is_quoted_in_part(api):
    reply = await api.post("/task", {"task": "x", "priority": "y" * 50_000})

    assert len(reply.body) < 500
    assert "(50000 characters)" in reply.json["error"]


async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(api):
    head = (
        b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n"
    )

    reply = await api.raw(head)

    assert (reply.status, reply.code) == (413, "BODY_TOO_LARGE")
    assert reply.json["details"]["limit"] == 100_000


async def test_a_body_without_a_length_is_cut_off_at_the_limit(api):
    async def endless():
        for _ in range(20):
            yield b" " * 10_000

    reply = await api.ask("POST", "/task", data=endless(), headers={"Content-Type": "application/json"})

    assert (reply.status, reply.code) == (413, "BODY_TOO_LARGE")


async def test_a_body_that_arrives_in_pieces_is_put_together(api):
    async def pieces():
        for piece in (b'{"ta', b'sk": "Say ', b'hello"}'):
            yield piece
            await asyncio.sleep(0)

    reply = await api.ask("POST", "/task", data=pieces(), headers={"Content-Type": "application/json"})

    assert reply.json["task"] == "Say hello"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/ledger?limit=0", 'expected limit to be an integer 1..10000, got: "0"'),
        ("/ledger?limit=-5", 'got: "-5"'),
        ("/ledger?limit=10001", 'got: "10001"'),
        ("/ledger?limit=ten", 'got: "ten"'),
        ("/ledger?limit=", 'got: ""'),
        ("/ledger?limit=1.5", 'got: "1.5"'),
        ("/ledger?limit=%D9%A5", 'got: "٥"'),
        ("/ledger?limit=" + "9" * 5_000, "(5000 characters)"),
        ("/ledger?limit=5&limit=6", 'expected limit to be given once, got: "6" again'),
        ("/queue?status=waiting", "pending, processing, done, failed or cancelled, got: "),
        ("/queue?status=", 'got: ""'),
        ("/task?dry_run=yes", 'expected dry_run to be true or false, got: "yes"'),
        ("/task?dry_run", 'expected dry_run to be true or false, got: ""'),
    ],
)
async def test_a_bad_query_value_is_explained(api, path, message):
    reply = await (api.post(path, {"task": "x"}) if path.startswith("/task") else api.get(path))

    assert (reply.status, reply.code) == (400, "BAD_VALUE")
    assert message in reply.json["error"]
    assert api.service.seen == []


async def test_an_unknown_query_parameter_is_refused_because_a_mistyped_dry_run_would_cost_money(api):
    reply = await api.post("/task?dryrun=true", {"task": "x"})

    assert (reply.status, reply.code) == (400, "UNKNOWN_FIELD")
    assert reply.json["details"]["hint"] == "did you mean dry_run?"
    assert api.service.seen == []


async def test_a_route_without_query_parameters_takes_none(api):
    reply = await api.get("/health?verbose=1")

    assert 'expected the query parameter to be absent, got: "verbose"' in reply.json["error"]


@pytest.mark.parametrize("path", ["/heartbeat", "/wake"])
async def test_a_command_without_fields_takes_none(api, path):
    reply = await api.post(path, {"force": True})

    assert (reply.status, reply.code) == (400, "UNKNOWN_FIELD")


@pytest.mark.parametrize("task_id", ["task-404", "..", "%00", "a%20b", "x" * 200, "é", "%ED%A0%80", "-"])
async def test_an_unknown_task_is_not_found(api, task_id):
    for reply in (await api.get(f"/task/{task_id}"), await api.post(f"/queue/{task_id}/cancel")):
        assert (reply.status, reply.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/stauts", "did you mean /status?"),
        ("/task/", "did you mean /task?"),
        ("/zzzzzz", "GET /openapi.json lists them"),
        ("/" + "a" * 5_000, "GET /openapi.json lists them"),
    ],
)
async def test_an_unknown_path_is_not_found(api, path, hint):
    reply = await api.get(path)

    assert (reply.status, reply.code) == (404, "NOT_FOUND")
    assert reply.json["details"]["hint"] == hint


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/wake", "POST"),
        ("POST", "/status", "GET, HEAD"),
        ("DELETE", "/queue", "GET, HEAD, POST"),
        ("OPTIONS", "/task", "POST"),
        ("PATCH", "/task/task-1", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api, method, path, allow):
    reply = await api.raw(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    if reply.status == 400:  # one of aiohttp's parsers knows a fixed list of methods
        assert reply.code == "BAD_HTTP"
    else:
        assert (reply.status, reply.code, reply.headers["Allow"]) == (405, "METHOD_NOT_ALLOWED", allow)


@pytest.mark.parametrize("code", ["RESTARTING", "OVER_CAPACITY"])
async def test_a_closed_gate_answers_503_and_when_to_come_back(start, gates, code):
    async with start(gate=gates.broken(SymbiontError(code, "not now"))) as api:
        reply = await api.get("/status")

    assert (reply.status, reply.code) == (503, code)
    assert reply.headers["Retry-After"] == "1"


async def test_an_actor_restarting_under_the_service_answers_503(api):
    api.service.fails_with = SymbiontError("RESTARTING", "ledger is being restarted")

    reply = await api.post("/task", {"task": "Say hello"})

    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


async def test_a_request_whose_task_is_killed_is_told_so_on_a_connection_that_lives_on(start, gates):
    async with start(gate=gates.cutting()) as api:
        replies = [await api.get("/status") for _ in range(2)]

    assert [(reply.status, reply.code) for reply in replies] == [(504, "OUTCOME_UNKNOWN")] * 2
    assert "Connection" not in replies[0].headers


async def test_an_unexpected_exception_is_logged_in_full_and_told_in_one_sentence(api):
    api.service.fails_with = ZeroDivisionError("the vault is at /secret")

    with capture_logs() as logs:
        reply = await api.get("/status")

    assert (reply.status, reply.code) == (500, "INTERNAL")
    assert b"vault" not in reply.body
    assert [(entry["event"], entry["path"], entry["exc_info"]) for entry in logs] == [
        ("request crashed", "/status", True)
    ]


async def test_an_error_about_text_no_encoder_takes_is_still_told(api):
    api.service.fails_with = SymbiontError("CONFLICT", "expected a, got: \ud800", hint="\udfff")

    reply = await api.get("/status")

    assert (reply.status, reply.json["error"]) == (409, "expected a, got: ?")


async def test_an_error_that_cannot_be_encoded_at_all_is_internal(api):
    api.service.fails_with = SymbiontError("CONFLICT", "no", details={"what": object()})

    with capture_logs() as logs:
        reply = await api.get("/status")

    assert (reply.status, reply.code) == (500, "INTERNAL")
    assert len(logs) == 1


async def test_a_failed_task_keeps_its_own_code(api):
    api.service.fails_with = SymbiontError("USAGE_LIMITED", "five_hour", details={"resets_at": "2026-03-19T15:00:00Z"})

    reply = await api.post("/task", {"task": "Say hello"})

    assert (reply.status, reply.code) == (429, "USAGE_LIMITED")


async def test_every_error_is_of_the_same_three_fields(api):
    for reply in (await api.get("/nowhere"), await api.post("/task"), await api.get("/ledger?limit=x")):
        assert list(msgspec.json.decode(reply.body)) == ["error", "code", "details"]


async def test_health_is_answered_whatever_the_tree_is_doing(start, gates):
    async with start(gate=gates.broken(SymbiontError("RESTARTING", "away"))) as api:
        assert ((await api.get("/health")).status, (await api.get("/status")).status) == (200, 503)


async def test_who_hangs_up_no_longer_occupies_the_gate(start):
    gate = CountingGate()
    async with start(gate=gate) as api:
        hanging = asyncio.create_task(api.post("/task", {"task": "x"}))
        await gate.entered.wait()
        hanging.cancel()
        await asyncio.wait_for(gate.left.wait(), 5)
    assert gate.seen == [True]


async def test_a_body_that_comes_slowly_takes_no_room_inside(start):
    gate = CountingGate()
    async with start(gate=gate) as api:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        head = f"POST /task HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        assert (await api.get("/health")).status == 200
        assert gate.seen == []
        writer.close()


class CountingGate:
    """Lets nobody through; notes who came (and whether to wait for a task), and when the first one left."""

    def __init__(self):
        self.entered, self.left, self.seen = asyncio.Event(), asyncio.Event(), []

    async def run(self, body, *, waits=False):
        self.seen.append(waits)
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


@pytest.mark.parametrize("verb", ["retry", "cancel", "prune"])
@pytest.mark.parametrize("fields", [{}, {"project": None}, {"dry_run": True}, {"all": False}, {"limit": 5}])
async def test_a_filter_that_was_forgotten_does_not_mean_every_task(api, verb, fields):
    reply = await api.post(f"/tasks/{verb}", fields)
    assert (reply.status, reply.code) == (400, "BAD_VALUE")
    assert "expected a filter, ids, or all: true" in reply.json["error"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/ledger?project=%ff", 'expected "project" to be UTF-8, got: "%ff"'),
        ("/ledger?limit=1&project=a%c3", 'expected "project" to be UTF-8, got: "a%c3"'),
        ("/ledger?%ff=1", "to be UTF-8, got"),
    ],
)
async def test_a_query_that_is_no_utf_8_is_refused_and_not_guessed_at(api, target, message):
    reply = await api.raw(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode())

    assert (reply.status, reply.code) == (400, "BAD_VALUE")
    assert message in reply.json["error"]
    assert api.service.seen == []


async def test_a_query_in_another_script_is_taken(api):
    reply = await api.raw(b"GET /ledger?project=%C3%A9 HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert reply.status == 200
