"""The routes about webhooks, and tasks that bring an address of their own."""

import pytest

URL = "https://example.com/back?key=secret"


async def test_webhooks_are_listed_with_their_state(api):
    (webhook,) = (await api.get("/webhooks")).json["webhooks"]
    assert (webhook["name"], webhook["status"], webhook["url"]) == ("ops", "enabled", "https://example.com/…")


async def test_deliveries_are_filtered(api):
    await api.get("/webhooks/deliveries?webhook=ops&status=failed&task=queued-1&limit=7")
    await api.get("/webhooks/deliveries")
    assert api.service.seen == [("deliveries", 7, "ops", "failed", "queued-1"), ("deliveries", 50, None, None, None)]


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "endpoint=ops", "status="])
async def test_filters_that_make_no_sense_are_refused(api, query):
    assert (await api.get(f"/webhooks/deliveries?{query}")).status == 400
    assert api.service.seen == []


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/webhooks/ops/enable", ("enable_webhook", "ops")),
        ("/webhooks/ops/test", ("test_webhook", "ops")),
        ("/webhooks/deliveries/task_q-1_done_7_ops/retry", ("retry_delivery", "task_q-1_done_7_ops")),
    ],
)
async def test_commands_reach_the_service(api, path, seen):
    assert (await api.post(path)).status == 200
    assert api.service.seen == [seen]


async def test_a_task_may_bring_an_address_only_where_that_is_allowed(api, start):
    refused = await api.post("/queue", {"task": "x", "webhook_url": URL})
    assert (refused.status, refused.code) == (403, "WEBHOOK_NOT_ALLOWED")
    assert refused.json["details"]["hint"] == "allow_task_urls = true in [webhooks]"
    assert b"secret" not in refused.body
    async with start(task_urls="https") as open_one:
        assert (await open_one.post("/queue", {"task": "x", "webhook_url": URL})).status == 200
        assert open_one.service.seen[0][1].webhook_url == URL


@pytest.mark.parametrize("url", ["http://example.com", "nowhere", "https://user:secret@example.com"])
async def test_an_address_that_is_none_is_refused_and_not_repeated(start, url):
    async with start(task_urls="https") as api:
        refused = await api.post("/task", {"task": "x", "webhook_url": url})
    assert (refused.status, refused.code) == (400, "BAD_VALUE")
    assert url.encode() not in refused.body
