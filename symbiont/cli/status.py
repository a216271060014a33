"""`symbiont status`, `heartbeat`, `wake`: the state of a running server, and two nudges."""

from typing import Annotated

from cyclopts import Parameter

from symbiont.cli import output, rendering
from symbiont.cli.client import connect
from symbiont.cli.options import DEFAULTS, FLAG, WATCH, Options, Shared
from symbiont.cli.output import Pairs
from symbiont.cli.watching import watched
from symbiont.domain.errors import FAILED, OK
from symbiont.service import views

HEALTHY = "healthy"


def status(
    *,
    exit_status: Annotated[bool, FLAG, Parameter(help="Exit 1 unless the server is healthy; for monitoring.")] = False,
    watch: Annotated[bool, FLAG, WATCH] = False,
    options: Shared = DEFAULTS,
) -> int:
    """Show how the server is: its health, queue, limits and spending."""
    if watch:
        watched(lambda: _show(options))
    seen = _show(options)
    return FAILED if exit_status and seen.status != HEALTHY else OK


def _show(options: Options) -> views.Status:
    client = connect(options)
    body = client.get("/status")
    seen = client.decode(body, views.Status)
    if options.json:
        output.show_json(body)
    else:
        output.show_record(_record(seen))
    return seen


def heartbeat(*, options: Shared = DEFAULTS) -> None:
    """Check health and sweep the queue now instead of at the next beat."""
    client = connect(options)
    body = client.post("/heartbeat")
    beat = client.decode(body, views.Beat)
    if options.json:
        output.show_json(body)
    else:
        output.show_record(_beat_record(beat))


def wake(*, options: Shared = DEFAULTS) -> None:
    """Lift every usage limit by hand and try again."""
    client = connect(options)
    body = client.post("/wake")
    woken = client.decode(body, views.Woken)
    if options.json:
        output.show_json(body)
    elif woken.lifted:
        output.show_table(rendering.LIMIT_COLUMNS, rendering.limit_rows(woken.lifted))
    else:
        output.talk("no limit was in force")


def _record(seen: views.Status) -> Pairs:
    return [
        ("status", seen.status),
        *(("problem", problem) for problem in seen.problems),
        ("version", f"{seen.version} ({seen.runtime})"),
        ("up", f"{seen.api_uptime_seconds} s"),
        ("queue", f"{seen.queue_size} waiting, {seen.processing} running"),
        ("workers", ", ".join(seen.workers) or "none"),
        ("last heartbeat", seen.last_heartbeat or "none yet"),
        *(("limit", " · ".join(row)) for row in rendering.limit_rows(seen.limits)),
        ("spent", _total(seen.total_calls, seen.total_cost_estimated_usd)),
        *((f"spent {model}", _total(total.calls, total.cost)) for model, total in seen.by_model.items()),
        *(
            (
                f"today {tier}",
                f"{rendering.counted(use.calls_today, 'call')}, {rendering.counted(use.tokens_used, 'token')}",
            )
            for tier, use in seen.tier_usage.items()
        ),
        *((("rehearsed", _total(seen.rehearsal.calls, seen.rehearsal.cost)),) if seen.rehearsal.calls else ()),
    ]


def _beat_record(beat: views.Beat) -> Pairs:
    return [
        ("status", beat.status),
        ("time", beat.timestamp),
        *((f"check {name}", "ok" if passed else "failed") for name, passed in beat.checks.items()),
        ("disk free", f"{beat.disk_free_bytes} bytes"),
        ("queue", f"{beat.queue_size} waiting, {beat.processing} running"),
        ("processed", str(beat.tasks_processed)),
        ("rescued", str(beat.rescued)),
    ]


def _total(calls: int, cost: float) -> str:
    return f"{rendering.counted(calls, 'call')}, {rendering.money(cost)} USD"
