"""`symbiont webhook list|deliveries|enable|test|retry`, and a task with an address of its own."""

import msgspec
import pytest

from symbiont.http.examples import EXAMPLES
from symbiont.service import webhook_views


def example(view, **changes):
    return msgspec.to_builtins(msgspec.structs.replace(EXAMPLES[view], **changes))


def test_webhooks_are_listed(ask, api):
    api.answers("GET", "/webhooks", example(webhook_views.WebhookList))
    fields = ask("webhook", "list").out.rstrip("\n").split("\t")
    assert fields[:5] == ["ops", "enabled", "1", "412", "2"]


def test_deliveries_are_listed_by_filter(ask, api):
    api.answers("GET", "/webhooks/deliveries", example(webhook_views.DeliveryList, total=9))
    ran = ask("webhook", "deliveries", "--status", "pending", "--webhook", "ops", "--limit", "1")
    assert ran.out.split("\t")[1:3] == ["pending", "1"]
    assert api.seen[0].query == {"status": "pending", "webhook": "ops", "limit": "1"}
    assert "1 of 9" in ran.err


def test_a_webhook_is_enabled(ask, api):
    api.answers("POST", "/webhooks/ops/enable", example(webhook_views.WebhookView))
    assert ask("webhook", "enable", "ops").out == "name\tops\nstatus\tenabled\npending\t1\n"


@pytest.mark.parametrize(("success", "status", "code"), [(True, 204, 0), (False, 500, 1)])
def test_a_test_exits_by_what_the_receiver_said(ask, api, success, status, code):
    answer = example(webhook_views.WebhookTested, success=success, http_status=status)
    api.answers("POST", "/webhooks/ops/test", answer)
    ran = ask("webhook", "test", "ops")
    assert (ran.code, f"answer\tHTTP {status}" in ran.out) == (code, True)
    assert ask("webhook", "test", "ops", "--json").json == answer


def test_a_delivery_is_sent_again(ask, api):
    delivery = example(webhook_views.DeliveryView)
    api.answers("POST", f"/webhooks/deliveries/{delivery['id']}/retry", delivery)
    assert ask("webhook", "retry", delivery["id"]).out == f"id\t{delivery['id']}\nstatus\tpending\n"


def test_an_unknown_webhook_is_not_found(ask, api):
    api.refuses("POST", "/webhooks/nope/enable", 404, "NOT_FOUND")
    assert ask("webhook", "enable", "nope").code == 3


def test_a_name_stays_one_segment_of_the_path(ask, api):
    ask("webhook", "enable", "a/b?c")
    assert api.seen[0].path == "/webhooks/a%2Fb%3Fc/enable"


def test_a_task_is_handed_in_with_an_address(ask, api):
    api.answers("POST", "/queue", {"id": "queued-1", "status": "queued", "position": 1})
    ask("task", "submit", "x", "--detach", "--webhook-url", "https://example.com/back")
    assert api.seen[0].fields == {"task": "x", "webhook_url": "https://example.com/back"}
