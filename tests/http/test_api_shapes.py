"""What each route answers: the shapes existing callers depend on, and the ones beside them."""

import msgspec
import pytest

from symbiont.domain.errors import SymbiontError
from symbiont.domain.task import NewTask, Priority

CLASSIC_ANSWER = [
    "id", "task", "model", "result", "elapsed_seconds", "input_tokens", "output_tokens", "estimated_cost_usd", "timestamp",
]  # fmt: skip


async def test_a_real_answer_has_exactly_the_nine_classic_fields(api):
    reply = await api.post("/task", {"task": "Say hello"})

    assert reply.status == 200
    assert list(reply.json) == CLASSIC_ANSWER


async def test_a_rehearsed_answer_says_so(api):
    api.service.billing = "rehearsal"

    reply = await api.post("/task", {"task": "Say hello"})

    assert list(reply.json) == [*CLASSIC_ANSWER, "billing"]
    assert reply.json["billing"] == "rehearsal"


async def test_a_task_reaches_the_service_with_everything_the_caller_chose(api):
    fields = {"task": "Say hello", "force_tier": "opus", "priority": "high", "project": "greetings"}

    await api.post("/task", fields)

    expected = NewTask("Say hello", "direct", "opus", Priority.HIGH, "greetings")
    assert api.service.seen == [("run_task", expected, 900.0)]


async def test_null_in_an_optional_field_counts_as_absent(api):
    reply = await api.post("/task", {"task": "Say hello", "force_tier": None, "priority": None, "project": None})

    assert reply.status == 200
    assert api.service.seen[0][1] == NewTask("Say hello", "direct")


async def test_a_dry_run_calls_no_model(api):
    reply = await api.post("/task?dry_run=true", {"task": "Say hello"})

    assert reply.json["task"] == "Say hello"
    assert [call[0] for call in api.service.seen] == ["dry_run"]


@pytest.mark.parametrize(("asked", "waited"), [("2.5", 2.5), ("0", 0.0), ("999999", None)])
async def test_a_caller_may_wait_less_than_the_server_would(api, asked, waited):
    await api.post(f"/task?wait_s={asked}", {"task": "Say hello"})
    await api.post("/task", {"task": "Say hello"})

    (_, _, first), (_, _, longest) = api.service.seen
    assert first == (longest if waited is None else waited)


@pytest.mark.parametrize("asked", ["", "soon", "-1", "nan", "1e3", "1" * 400])
async def test_a_wait_that_is_no_time_is_refused(api, asked):
    reply = await api.post(f"/task?wait_s={asked}", {"task": "Say hello"})

    assert (reply.status, reply.json["code"]) == (400, "BAD_VALUE")


async def test_dry_run_false_runs_the_task(api):
    await api.post("/task?dry_run=false", {"task": "Say hello"})

    assert [call[0] for call in api.service.seen] == ["run_task"]


async def test_a_queued_task_gets_its_classic_receipt(api):
    reply = await api.post("/queue", {"task": "Say hello", "priority": "normal"})

    assert reply.json == {"id": "queued-1", "status": "queued", "position": 1}
    assert api.service.seen == [("enqueue", NewTask("Say hello", "queued"))]


async def test_the_status_is_flat_with_one_usage_per_tier(api):
    status = (await api.get("/status")).json

    assert "tier_usage" not in status
    assert status["haiku_usage"] == {"calls_today": 0, "tokens_used": 0}
    assert status["opus_usage"] == {"calls_today": 2, "tokens_used": 0}
    assert status["by_model"]["haiku"] == {"calls": 612, "cost": 4.89}


async def test_the_classic_fields_of_the_status_come_first(api):
    classic = [
        "status", "runtime", "api_uptime_seconds", "rate_limited", "queue_size", "last_heartbeat", "total_calls",
        "total_cost_estimated_usd", "by_model", "haiku_usage", "sonnet_usage", "opus_usage",
    ]  # fmt: skip

    assert list((await api.get("/status")).json)[: len(classic)] == classic


async def test_health_is_two_words(api):
    assert (await api.get("/health")).json == {"runtime": "python/asyncio", "status": "ok"}


async def test_ledger_lines_pass_through_untouched(api):
    reply = await api.get("/ledger?limit=7")

    assert b'{"timestamp":"2026-03-19T14:32:15.123456Z","model":"haiku","success":true' in reply.body
    assert reply.json["count"] == 1
    assert api.service.seen == [("ledger", 7)]


@pytest.mark.parametrize("path", ["/ledger", "/queue"])
async def test_a_list_is_of_fifty_unless_told(api, path):
    await api.get(path)

    assert api.service.seen[0][-1] == 50


async def test_the_queue_can_be_filtered_by_status(api):
    await api.get("/queue?status=pending&limit=3")

    assert api.service.seen == [("tasks", "pending", 3)]


async def test_ledger_stats_keep_their_classic_fields(api):
    stats = (await api.get("/ledger/stats")).json

    assert stats["by_date"] == {"2026-03-19": {"calls": 42, "cost": 0.56}}
    assert {"total_calls", "total_cost_estimated_usd", "by_model"} <= set(stats)


async def test_a_task_shown_carries_its_answer_in_the_classic_shape(api):
    api.service.known["task-1"] = "done"

    shown = (await api.get("/task/task-1")).json

    assert shown["id"] == "task-1"
    assert list(shown["answer"]) == CLASSIC_ANSWER


@pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelled"), ("retry", "pending")])
async def test_a_command_on_a_task_answers_its_new_state(api, verb, state):
    api.service.known["queued-9"] = "processing"

    assert (await api.post(f"/queue/queued-9/{verb}")).json == {"id": "queued-9", "status": state}


@pytest.mark.parametrize("path", ["/heartbeat", "/wake", "/queue/queued-9/cancel"])
async def test_a_command_takes_an_empty_object_for_a_body(api, path):
    api.service.known["queued-9"] = "pending"

    assert (await api.post(path, {})).status == 200


async def test_a_beat_and_a_wake_answer_what_they_did(api):
    assert (await api.post("/heartbeat")).json["checks"] == {"api": True, "disk": True, "ledger": True}
    assert (await api.post("/wake")).json["lifted"][0]["limit"] == "five_hour"


async def test_text_in_any_script_comes_back_as_it_went(api):
    text = "Übersetze: 你好, мир 😀\t\u2028"

    assert (await api.post("/task", {"task": text})).json["task"] == text


async def test_head_answers_wherever_get_does_without_a_body(api):
    reply = await api.ask("HEAD", "/health")

    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == str(len((await api.get("/health")).body))


@pytest.mark.parametrize("path", ["/health", "/nowhere"])
async def test_every_answer_carries_the_security_headers(api, path):
    headers = (await api.get(path)).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Server"] == "symbiont"


async def test_a_task_that_outlives_the_wait_is_named_in_the_answer(api):
    pending = {"id": "task-1", "status": "processing"}
    api.service.fails_with = SymbiontError("STILL_PENDING", "not yet", hint="GET /task/task-1", details=pending)

    reply = await api.post("/task", {"task": "Say hello"})

    assert reply.status == 504
    assert reply.json["details"] == pending | {"hint": "GET /task/task-1"}


async def test_details_that_are_no_object_are_wrapped_in_one(api):
    api.service.fails_with = SymbiontError("CONFLICT", "no", details=["done", "failed"])

    assert (await api.post("/wake")).json["details"] == {"value": ["done", "failed"]}


async def test_the_openapi_document_is_json(api):
    assert msgspec.json.decode((await api.get("/openapi.json")).body)["openapi"] == "3.1.0"


async def test_the_metrics_are_text_and_refusals_are_json_as_ever(api):
    reply = await api.get("/metrics")
    refused = await api.get("/metrics?x=1")

    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    assert (reply.headers["Cache-Control"], reply.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert b'symbiont_info{version="0.1.0"} 1.0' in reply.body
    assert (refused.status, refused.json["code"]) == (400, "UNKNOWN_FIELD")


async def test_an_answer_of_unknown_cost_says_so_beside_the_classic_number(memory_service, start):
    async def of_unknown_cost(new, *, wait_s):
        answer = await type(memory_service).run_task(memory_service, new, wait_s=wait_s)
        return msgspec.structs.replace(answer, estimated_cost_usd=0.0, is_cost_unknown=True)

    memory_service.run_task = of_unknown_cost
    async with start(service=memory_service) as api:
        reply = await api.post("/task", {"task": "hi"})
    assert (reply.json["estimated_cost_usd"], reply.json["is_cost_unknown"]) == (0.0, True)
