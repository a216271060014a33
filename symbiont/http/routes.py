"""The route table: what the API offers, one row and one tiny handler each.

The application registers these rows and the OpenAPI document is made from them, so neither can know a route the other
does not.
"""

import msgspec

from symbiont.domain.task import Status
from symbiont.http import parse
from symbiont.http.encode import Text, View
from symbiont.http.ledger_routes import LEDGER_ROUTES
from symbiont.http.queue_routes import QUEUE_ROUTES
from symbiont.http.route import LIMIT, Asked, Desk, Param, Route
from symbiont.http.schedule_routes import SCHEDULE_ROUTES
from symbiont.http.webhook_routes import WEBHOOK_ROUTES
from symbiont.service import views
from symbiont.telemetry import metrics


async def submit_task(desk: Desk, asked: Asked) -> View:
    new = parse.new_task(desk.intake, asked.fields, "direct")
    if parse.flag(asked.params, "dry_run"):
        return await desk.service.dry_run(new)
    return await desk.service.run_task(new, wait_s=parse.wait_s(asked.params, desk.wait_s))


async def enqueue_task(desk: Desk, asked: Asked) -> View:
    return await desk.service.enqueue(parse.new_task(desk.intake, asked.fields, "queued"))


async def show_task(desk: Desk, asked: Asked) -> View:
    return await desk.service.task(parse.task_id(asked.path["id"]))


async def list_tasks(desk: Desk, asked: Asked) -> View:
    return await desk.service.tasks(parse.status(asked.params), parse.limit(asked.params))


async def cancel_task(desk: Desk, asked: Asked) -> View:
    return await desk.service.cancel(parse.task_id(asked.path["id"]))


async def retry_task(desk: Desk, asked: Asked) -> View:
    return await desk.service.retry(parse.task_id(asked.path["id"]))


async def show_status(desk: Desk, _asked: Asked) -> View:
    return await desk.service.status()


async def show_health(desk: Desk, _asked: Asked) -> View:
    return desk.service.health()


async def show_metrics(desk: Desk, _asked: Asked) -> Text:
    return Text(metrics.CONTENT_TYPE, metrics.exposition(await desk.service.metrics()))


async def beat(desk: Desk, _asked: Asked) -> View:
    return await desk.service.heartbeat()


async def wake(desk: Desk, _asked: Asked) -> View:
    return await desk.service.wake()


async def show_openapi(desk: Desk, _asked: Asked) -> View:
    return desk.document


STATUS = Param("status", "Only tasks in this state.", {"type": "string", "enum": [str(one) for one in Status]})
DRY_RUN = Param(
    "dry_run",
    "Tell what would be done and what it would cost; call no model, record nothing.",
    {"type": "string", "enum": ["true", "false"], "default": "false"},
)

WAIT_S = Param(
    "wait_s",
    "Seconds to wait for the answer before STILL_PENDING names the task, which goes on; at most, and by default, server.wait_s.",
    {"type": "number", "minimum": 0},
)

_TASK_CODES = (
    "MISSING_FIELD", "EMPTY_TASK", "UNKNOWN_TIER", "TASK_TOO_LONG", "CONFLICT", "STORAGE_REFUSED", "WEBHOOK_NOT_ALLOWED",
)  # fmt: skip

ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/task", submit_task, "Run a task and wait for its answer",
        (views.TaskAnswer, views.DryRun), parse.TaskBody, (DRY_RUN, WAIT_S),
        (*_TASK_CODES, "STILL_PENDING", "USAGE_LIMITED", "REFUSED", "TIMED_OUT", "BAD_OUTPUT", "CLI_MISSING"),
        waits=True,
    ),
    Route(
        "POST", "/queue", enqueue_task, "Put a task on the queue",
        (views.Queued,), parse.TaskBody, codes=_TASK_CODES,
    ),
    Route("GET", "/status", show_status, "How the orchestrator is doing, with totals", (views.Status,)),
    Route(
        "GET", "/health", show_health, "Whether it answers; computes nothing",
        (views.Health,), is_gated=False,
    ),
    Route(
        "GET", "/metrics", show_metrics, "Figures of this moment in the text format of Prometheus",
        (Text,),
    ),
    *LEDGER_ROUTES,
    Route("GET", "/task/{id}", show_task, "Everything known about a task", (views.TaskView,), codes=("NOT_FOUND",)),
    Route("GET", "/queue", list_tasks, "Tasks, newest last", (views.TaskList,), params=(STATUS, LIMIT)),
    Route(
        "POST", "/queue/{id}/cancel", cancel_task, "Stop a task or take it off the queue",
        (views.TaskChanged,), codes=("NOT_FOUND", "CONFLICT"),
    ),
    Route(
        "POST", "/queue/{id}/retry", retry_task, "Run a failed or cancelled task again",
        (views.TaskChanged,), codes=("NOT_FOUND", "CONFLICT"),
    ),
    *QUEUE_ROUTES,
    *SCHEDULE_ROUTES,
    *WEBHOOK_ROUTES,
    Route("POST", "/heartbeat", beat, "Beat now instead of at the next interval", (views.Beat,)),
    Route("POST", "/wake", wake, "Lift every limit by hand and try again", (views.Woken,)),
    Route("GET", "/openapi.json", show_openapi, "This document", (msgspec.Raw,)),
)  # fmt: skip
