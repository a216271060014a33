"""Views and refusals as JSON responses; the only place that knows how they look on the wire.

Guarantees the classic shapes: `Status` is flat with one `<tier>_usage` per tier, a real `TaskAnswer` has its nine
classic fields and nothing else (a rehearsed one says so in `billing`, one of unknown cost in `is_cost_unknown`). Any response carries the security headers.
"""

from typing import assert_never, cast

import msgspec
from aiohttp import web

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import encodable
from symbiont.service import ledger_views, queue_views, schedule_views, views, webhook_views

View = (
    views.TaskAnswer
    | views.DryRun
    | views.Queued
    | views.TaskView
    | views.TaskList
    | views.TaskChanged
    | views.Status
    | views.Health
    | views.LedgerPage
    | views.LedgerStats
    | views.Beat
    | views.Woken
    | queue_views.BulkAnswer
    | queue_views.QueueState
    | queue_views.QueueStatus
    | ledger_views.LedgerTable
    | ledger_views.LedgerImported
    | ledger_views.BudgetList
    | webhook_views.WebhookList
    | schedule_views.ScheduleView
    | schedule_views.ScheduleList
    | webhook_views.WebhookView
    | webhook_views.WebhookTested
    | webhook_views.DeliveryList
    | webhook_views.DeliveryView
    | msgspec.Raw
)


class Text(msgspec.Struct, frozen=True):
    """An answer that is no JSON."""

    content_type: str
    body: bytes


HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "symbiont",
}
_RETRY_AFTER_S = {"RESTARTING": 1, "OVER_CAPACITY": 1, "STORAGE_REFUSED": 5}


def answer(view: View | Text) -> web.Response:
    """The 200 response with a view."""
    if isinstance(view, Text):
        return web.Response(body=view.body, headers=HEADERS | {"Content-Type": view.content_type})
    return web.Response(body=msgspec.json.encode(plain(view)), headers=HEADERS)


def refusal(error: SymbiontError, *, allow: tuple[str, ...] = ()) -> web.Response:
    """The response to a request that failed; `allow` names the methods the path does have."""
    headers = dict(HEADERS)
    if error.code in _RETRY_AFTER_S:
        headers["Retry-After"] = str(_RETRY_AFTER_S[error.code])
    if allow:
        headers["Allow"] = ", ".join(allow)
    return web.Response(body=msgspec.json.encode(error_body(error)), status=error.http_status, headers=headers)


def error_body(error: SymbiontError) -> views.ErrorBody:
    """The error as clients see it. `details` is always an object; the hint, if there is one, is `details.hint`."""
    return views.ErrorBody(encodable(error.message), error.code, msgspec.Raw(msgspec.json.encode(error.told_details)))


def plain(view: View) -> object:
    """What of a view is encoded: the view itself where its fields are the wire's, else a dict."""
    match view:
        case views.TaskAnswer():
            return _task_answer(view)
        case views.TaskView():
            return _task_view(view)
        case views.TaskList():
            tasks = [_task_view(task) for task in view.tasks]
            return {"tasks": tasks, "count": view.count, "total": view.total}
        case views.Status():
            return _status(view)
        case views.LedgerPage() | views.LedgerStats() | views.Health() | views.Queued() | views.TaskChanged():
            return view
        case views.DryRun() | views.Beat() | views.Woken() | msgspec.Raw():
            return view
        case (
            queue_views.BulkAnswer()
            | queue_views.QueueState()
            | queue_views.QueueStatus()
            | ledger_views.LedgerTable()
            | ledger_views.LedgerImported()
            | ledger_views.BudgetList()
            | schedule_views.ScheduleList()
            | schedule_views.ScheduleView()
            | webhook_views.WebhookList()
            | webhook_views.WebhookView()
            | webhook_views.WebhookTested()
            | webhook_views.DeliveryList()
            | webhook_views.DeliveryView()
        ):
            return view
        case _:
            assert_never(view)


def _task_answer(view: views.TaskAnswer) -> dict[str, object]:
    fields: dict[str, object] = msgspec.structs.asdict(view)
    if view.billing != "rehearsal":
        del fields["billing"]
    if not view.is_cost_unknown:
        del fields["is_cost_unknown"]
    return fields


def _task_view(view: views.TaskView) -> dict[str, object]:
    fields: dict[str, object] = msgspec.structs.asdict(view)
    if view.answer is not None:
        fields["answer"] = _task_answer(view.answer)
    return fields


def _status(view: views.Status) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in cast("dict[str, object]", msgspec.structs.asdict(view)).items():
        if name == "problems" and not view.problems:
            continue  # only a status that has some speaks of them
        if name == "tier_usage":
            flat |= {f"{tier}_usage": usage for tier, usage in view.tier_usage.items()}
        else:
            flat[name] = value
    return flat
