"""One example of each view, shown in the OpenAPI document. Made of the views themselves, so they cannot go stale."""

import msgspec

from symbiont.domain.task import Classification
from symbiont.http.encode import View
from symbiont.service import ledger_views, queue_views, schedule_views, views, webhook_views

_AT = "2026-03-19T14:33:12Z"
_TASK = "Classify this customer feedback: it arrived late, but it works."
_LINE = (
    b'{"timestamp":"2026-03-19T14:32:15.123456Z","model":"haiku","success":true,"elapsed_seconds":2.3,'
    b'"input_tokens":45,"output_tokens":87,"estimated_cost_usd":0.0082,"prompt_preview":"Classify this customer"}'
)
_LIMIT = views.Limit("claude", "five_hour", ("haiku", "sonnet", "opus"), _AT)
_HAIKU = {"haiku": views.ModelTotal(calls=612, cost=4.89)}
_NONE = views.ModelTotal(calls=0, cost=0.0)

_ANSWER = views.TaskAnswer(
    id="task-1711123456",
    task=_TASK,
    model="haiku",
    result="mixed: late delivery, working product",
    elapsed_seconds=2.3,
    input_tokens=45,
    output_tokens=87,
    estimated_cost_usd=0.0082,
    timestamp=_AT,
    billing="subscription",
)

_TASK_VIEW = views.TaskView(
    id="task-1711123456",
    task=_TASK,
    status="done",
    created_at=_AT,
    source="direct",
    priority="normal",
    attempt=1,
    force_tier=None,
    project="",
    classification=Classification("haiku", "high", "simple classification", "classification", "model"),
    waiting_for=None,
    not_before=None,
    answer=_ANSWER,
    failure=None,
    finished_at=_AT,
)

_STATUS = views.Status(
    status="healthy",
    runtime="python/asyncio",
    api_uptime_seconds=86_400,
    rate_limited=False,
    queue_size=2,
    last_heartbeat=_AT,
    total_calls=612,
    total_cost_estimated_usd=4.89,
    by_model=_HAIKU,
    tier_usage={"haiku": views.TierUsage(calls_today=42, tokens_used=8234)},
    version="0.1.0",
    processing=1,
    limits=(),
    workers=("claude",),
    rehearsal=_NONE,
)

_COUNTS = {"pending": 2, "processing": 0, "done": 40, "failed": 1, "cancelled": 0}
_RUNNING = queue_views.QueueState(None, "running", None, **_COUNTS)
_PAUSED = queue_views.QueueState("shop", "paused", _AT, **_COUNTS)
_SHOP = ledger_views.TallyRow("shop", calls=42, cost=0.56, tokens=18_700, unknown_cost_calls=1)
_ALL = ledger_views.TallyRow("", calls=42, cost=0.56, tokens=18_700, unknown_cost_calls=1)

_BUDGET = ledger_views.BudgetUse(
    name="daily",
    subject="",
    scope="global",
    period="2026-03-19",
    state="alerted",
    on_limit="wait",
    used_usd=8.2,
    reserved_usd=0.04,
    limit_usd=10.0,
    used_calls=412,
    reserved_calls=1,
    limit_calls=None,
    resets_at="2026-03-20T00:00:00Z",
)
_WEBHOOK = webhook_views.WebhookView(
    name="ops",
    url="https://example.com/…",
    status="enabled",
    events=("task.failed", "limit.reached"),
    projects=(),
    pending=1,
    delivered=412,
    failed=2,
    failing_since=_AT,
    disabled_at=None,
    disabled_reason="",
    last_at=_AT,
    last_status=503,
    last_error="",
)
_DELIVERY = webhook_views.DeliveryView(
    id="task_queued-1711123500_failed_1711123512000000_ops",
    webhook="ops",
    webhook_id="task_queued-1711123500_failed_1711123512000000",
    event="task.failed",
    task_id="queued-1711123500",
    status="pending",
    attempts=1,
    created_at=_AT,
    next_at=_AT,
    last_at=_AT,
    last_status=503,
    last_error="",
)

_SCHEDULE = schedule_views.ScheduleView(
    name="daily",
    cron="0 7 * * MON-FRI",
    time_zone="Europe/Berlin",
    next_at="2026-03-20T06:00:00Z",
    last_at="2026-03-19T06:00:00Z",
    task_preview=_TASK,
    paused=False,
    catch_up="skip",
    upcoming=("2026-03-20T06:00:00Z", "2026-03-23T06:00:00Z"),
)

EXAMPLES: dict[type, View] = {
    views.TaskAnswer: _ANSWER,
    views.DryRun: views.DryRun(
        task=_TASK,
        model="haiku",
        model_id="claude-haiku-4-5",
        confidence="high",
        reason="simple classification",
        classified_by="heuristic",
        input_tokens=45,
        output_tokens=90,
        estimated_cost_usd=0.0005,
    ),
    views.Queued: views.Queued("queued-1711123500", "queued", 3),
    views.TaskView: _TASK_VIEW,
    views.TaskList: views.TaskList((_TASK_VIEW,), count=1, total=1),
    views.TaskChanged: views.TaskChanged("queued-1711123500", "cancelled"),
    views.Status: _STATUS,
    views.Health: views.Health("python/asyncio", "ok"),
    views.LedgerPage: views.LedgerPage((msgspec.Raw(_LINE),), 1),
    views.LedgerStats: views.LedgerStats(612, 4.89, _HAIKU, {"2026-03-19": views.ModelTotal(42, 0.56)}, _NONE, 0),
    views.Beat: views.Beat(
        timestamp=_AT,
        status="healthy",
        checks={"api": True, "disk": True, "ledger": True},
        disk_free_bytes=52_000_000_000,
        queue_size=2,
        processing=1,
        tasks_processed=40,
        rescued=0,
    ),
    views.Woken: views.Woken((_LIMIT,)),
    queue_views.BulkAnswer: queue_views.BulkAnswer("retry", False, 1, ("queued-1711123500",), (), True),
    queue_views.QueueState: _PAUSED,
    queue_views.QueueStatus: queue_views.QueueStatus(_RUNNING, (_PAUSED,)),
    ledger_views.LedgerTable: ledger_views.LedgerTable(
        by="project", since="2026-03-01T00:00:00Z", until=None, rows=(_SHOP,), total=_ALL, rehearsal=_NONE
    ),
    ledger_views.LedgerImported: ledger_views.LedgerImported(imported=847, duplicates=3, dry_run=False),
    ledger_views.BudgetList: ledger_views.BudgetList((_BUDGET,)),
    schedule_views.ScheduleView: _SCHEDULE,
    schedule_views.ScheduleList: schedule_views.ScheduleList((_SCHEDULE,), count=1),
    webhook_views.WebhookView: _WEBHOOK,
    webhook_views.WebhookList: webhook_views.WebhookList((_WEBHOOK,), count=1),
    webhook_views.WebhookTested: webhook_views.WebhookTested("ops", "test_1711123512000000", True, 204, "", 0.08),
    webhook_views.DeliveryView: _DELIVERY,
    webhook_views.DeliveryList: webhook_views.DeliveryList((_DELIVERY,), count=1, total=1),
}
