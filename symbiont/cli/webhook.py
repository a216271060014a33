"""`symbiont webhook …`: who is told of what, and how that goes."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from symbiont.cli import output
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, Options, Shared
from symbiont.domain.errors import FAILED, OK
from symbiont.domain.outbox import State
from symbiont.service import webhook_views

app = App(name="webhook", help="See who is told of what, and send again what did not arrive.", help_epilogue="")

WEBHOOK_COLUMNS = ("name", "status", "pending", "delivered", "failed", "last", "url", "why")
DELIVERY_COLUMNS = ("id", "status", "tries", "next", "last", "event", "error")

Name = Annotated[str, Parameter(name="NAME", help="Name of the webhook in the configuration.")]
Id = Annotated[str, Parameter(name="ID", help="Id of the delivery, as listed.")]


@app.command(name="list")
def list_webhooks(*, options: Shared = DEFAULTS) -> None:
    """List the webhooks of the configuration and how they are doing."""
    client = connect(options)
    body = client.get("/webhooks")
    page = client.decode(body, webhook_views.WebhookList)
    if options.json:
        output.show_json(body)
    else:
        output.show_table(WEBHOOK_COLUMNS, [_webhook_row(one) for one in page.webhooks])


@app.command
def deliveries(
    *,
    webhook: Annotated[str | None, Parameter(help="Only to this webhook.")] = None,
    status: Annotated[State | None, Parameter(help="Only in this state.")] = None,
    task: Annotated[str | None, Parameter(help="Only about the task with this id.")] = None,
    limit: Annotated[int, Parameter(help="How many of the newest.")] = 50,
    options: Shared = DEFAULTS,
) -> None:
    """List what waits to be told and the latest that was, newest last."""
    client = connect(options)
    query = {"webhook": webhook, "status": status, "task": task, "limit": limit}
    body = client.get("/webhooks/deliveries", query)
    page = client.decode(body, webhook_views.DeliveryList)
    if options.json:
        output.show_json(body)
        return
    output.show_table(DELIVERY_COLUMNS, [_delivery_row(one) for one in page.deliveries])
    if page.count < page.total:
        output.talk(f"the newest {page.count} of {page.total}; more with --limit")


@app.command
def enable(name: Name, /, *, options: Shared = DEFAULTS) -> None:
    """Send to a disabled webhook again, also what it has missed."""
    client = connect(options)
    body = client.post(f"/webhooks/{quote(name, safe='')}/enable")
    webhook = client.decode(body, webhook_views.WebhookView)
    _show(options, body, [("name", webhook.name), ("status", webhook.status), ("pending", str(webhook.pending))])


@app.command(name="test")
def send_test(name: Name, /, *, options: Shared = DEFAULTS) -> int:
    """Send a webhook something to verify, now and once; exit 1 if it does not take it."""
    client = connect(options)
    body = client.post(f"/webhooks/{quote(name, safe='')}/test", timeout_s=None)
    tested = client.decode(body, webhook_views.WebhookTested)
    answer = tested.error or f"HTTP {tested.http_status}"
    result = "ok" if tested.success else "failed"
    _show(
        options,
        body,
        [
            ("status", result),
            ("answer", answer),
            ("seconds", f"{tested.elapsed_seconds:.3f}"),
            ("id", tested.webhook_id),
        ],
    )
    return OK if tested.success else FAILED


@app.command
def retry(delivery_id: Id, /, *, options: Shared = DEFAULTS) -> None:
    """Send a delivery that waits or has failed now."""
    client = connect(options)
    body = client.post(f"/webhooks/deliveries/{quote(delivery_id, safe='')}/retry")
    delivery = client.decode(body, webhook_views.DeliveryView)
    _show(options, body, [("id", delivery.id), ("status", delivery.status)])


def _show(options: Options, body: bytes, pairs: output.Pairs) -> None:
    if options.json:
        output.show_json(body)
    else:
        output.show_record(pairs)


def _webhook_row(one: webhook_views.WebhookView) -> Sequence[str]:
    counts = (str(one.pending), str(one.delivered), str(one.failed))
    return (one.name, one.status, *counts, one.last_at or "", one.url, one.disabled_reason or one.last_error)


def _delivery_row(one: webhook_views.DeliveryView) -> Sequence[str]:
    error = one.last_error or (f"HTTP {one.last_status}" if one.last_status and one.status != "delivered" else "")
    return (one.id, one.status, str(one.attempts), one.next_at or "", one.last_at or "", one.event, error)
