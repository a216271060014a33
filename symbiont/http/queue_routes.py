"""Routes about the queue as a whole: commands for many tasks at once, pause, resume and drain."""

from symbiont.domain.bulk import Verb
from symbiont.http import parse, queue_parse
from symbiont.http.encode import View
from symbiont.http.route import Asked, Desk, Param, Route
from symbiont.service import queue_views as views

DRAIN_WAIT_S = Param(
    "wait_s",
    "Seconds to wait until what runs is through; by default not at all.",
    {"type": "number", "minimum": 0, "default": 0},
)


async def _bulk(desk: Desk, asked: Asked, verb: Verb) -> View:
    chosen = queue_parse.filter_of(asked.fields)
    limit, dry_run = queue_parse.limit_of(asked.fields), queue_parse.dry_run_of(asked.fields)
    return await desk.service.bulk(verb, chosen, limit, dry_run=dry_run)


async def retry_tasks(desk: Desk, asked: Asked) -> View:
    return await _bulk(desk, asked, "retry")


async def cancel_tasks(desk: Desk, asked: Asked) -> View:
    return await _bulk(desk, asked, "cancel")


async def prune_tasks(desk: Desk, asked: Asked) -> View:
    return await _bulk(desk, asked, "prune")


async def show_queue_status(desk: Desk, _asked: Asked) -> View:
    return await desk.service.queue_status()


async def pause_queue(desk: Desk, asked: Asked) -> View:
    return await desk.service.switch(queue_parse.project_of(asked.fields), "paused")


async def resume_queue(desk: Desk, asked: Asked) -> View:
    return await desk.service.switch(queue_parse.project_of(asked.fields), "running")


async def drain_queue(desk: Desk, asked: Asked) -> View:
    wait_s = parse.wait_s(asked.params, desk.wait_s) if "wait_s" in asked.params else 0.0
    return await desk.service.drain(queue_parse.project_of(asked.fields), wait_s)


_CODES = ("STORAGE_REFUSED",)

QUEUE_ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/tasks/retry", retry_tasks, "Run failed or cancelled tasks again, by filter",
        (views.BulkAnswer,), queue_parse.FilterBody, codes=_CODES,
    ),
    Route(
        "POST", "/tasks/cancel", cancel_tasks, "Stop tasks or take them off the queue, by filter",
        (views.BulkAnswer,), queue_parse.FilterBody, codes=_CODES,
    ),
    Route(
        "POST", "/tasks/prune", prune_tasks, "Forget ended tasks and their results, by filter",
        (views.BulkAnswer,), queue_parse.FilterBody, codes=_CODES,
    ),
    Route(
        "GET", "/queue/status", show_queue_status, "Whether the queue runs, with counts by project",
        (views.QueueStatus,),
    ),
    Route(
        "POST", "/queue/pause", pause_queue, "Take nothing new, of the whole queue or of a project",
        (views.QueueState,), queue_parse.ProjectBody, codes=_CODES,
    ),
    Route(
        "POST", "/queue/resume", resume_queue, "Go on after a pause or a drain",
        (views.QueueState,), queue_parse.ProjectBody, codes=_CODES,
    ),
    Route(
        "POST", "/queue/drain", drain_queue, "Take nothing new and wait for what runs",
        (views.QueueState,), queue_parse.ProjectBody, (DRAIN_WAIT_S,), _CODES, waits=True,
    ),
)  # fmt: skip
