"""Webhooks: which event goes to which endpoint, what it says, and how it is signed. Pure.

The form is that of the Standard Webhooks specification 1.0: a body of `type`, `timestamp` and `data`; the id of a message is the
same for every try and every receiver, so that a receiver can tell a repetition; `v1` signatures, one for each secret in force.
Guarantees: no prompt, answer or text of a failure leaves in a body unless the hook asks for them, and then never more than
`TEXT_CHARS` of each. Does not know where an endpoint is: that, and its secrets, are the adapter's alone.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from symbiont.domain.task import Status, Task

Event = Literal["task.done", "task.failed", "task.cancelled", "limit.warning", "limit.reached", "webhook.test"]
EVENTS: Final = tuple(event for event in get_args(Event) if event != "webhook.test")
"""What one can ask for; a test is always told."""

TEXT_CHARS: Final = 16_000
"""How much of a text a body holds: receivers refuse large ones, and the outbox keeps them all."""

TASK_HOOK: Final = "task"
"""The hook of tasks that bring an address of their own."""

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- how one begins
_LEAST_BYTES, _MOST_BYTES = 24, 64

_EVENT_OF: Final[dict[Status, Event]] = {
    Status.DONE: "task.done",
    Status.FAILED: "task.failed",
    Status.CANCELLED: "task.cancelled",
}
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9-]+")


class Hook(msgspec.Struct, frozen=True):
    """What an endpoint wants to hear, and how hard it is tried. No events or projects named = all.

    `max_attempts` bounds the tries of one message; `disable_after_s` is how long nothing but failures may last.
    """

    name: str
    events: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    include_result: bool = False
    max_attempts: int = 11
    disable_after_s: float = 432_000.0


class LimitReached(msgspec.Struct, frozen=True):
    """A limit that is nearly or quite used up. `period` says which one of it: `2026-11-25`, `2026-11`."""

    level: Literal["warning", "reached"]
    limit: str
    period: str
    used: float
    allowed: float
    unit: Literal["usd", "calls"]
    at: str
    project: str = ""
    tier: str = ""


class LaneClosed(msgspec.Struct, frozen=True):
    """A limit of a provider has closed a worker, or one tier of it, since `at` and until about `resets_at` (RFC 3339)."""

    limit: str
    worker: str
    resets_at: str
    at: str
    tier: str = ""
    level: Literal["reached"] = "reached"
    project: str = ""


LimitEvent = LimitReached | LaneClosed


class Message(msgspec.Struct, frozen=True):
    """An event as it is told: the same id and the same bytes to whoever hears of it, however often."""

    id: str
    event: Event
    body: str
    task_id: str = ""


def event_of(task: Task) -> Event | None:
    """What has happened to a task that is over; None while it is not."""
    return _EVENT_OF.get(task.status)


def wants_task(hook: Hook, task: Task) -> bool:
    """Whether the end of this task is for this hook."""
    event = event_of(task)
    if event is None or (hook.name == TASK_HOOK and not task.webhook_url):
        return False
    return _wants(hook, event, task.project)


def wants_limit(hook: Hook, limit: LimitEvent) -> bool:
    return hook.name != TASK_HOOK and _wants(hook, f"limit.{limit.level}", limit.project)


def _wants(hook: Hook, event: str, project: str) -> bool:
    """What belongs to no project is not for a hook that names some."""
    return (not hook.events or event in hook.events) and (not hook.projects or project in hook.projects)


# What is told


def task_message(task: Task, *, include_result: bool) -> Message:
    """The end of a task. Its id holds the number of that end: a task that is sent round again ends anew."""
    event = event_of(task)
    if event is None:
        raise ValueError(f"expected {task.id} to be over, got: {task.status.value}")
    data = _task_data(task) | (_texts(task) if include_result else {})
    body = _body(event, task.finished_at or task.created_at, data)
    return Message(_id("task", task.id, task.status.value, str(task.finish)), event, body, task.id)


def limit_message(limit: LimitEvent) -> Message:
    """Told once for every limit, period and level: who tells it again makes the same id. The period of a provider's begins with it."""
    period, of = (limit.at, limit.worker) if isinstance(limit, LaneClosed) else (limit.period, limit.project)
    key = msgspec.json.encode([limit.limit, period, limit.level, of, limit.tier])
    event: Event = "limit.warning" if limit.level == "warning" else "limit.reached"
    data = {name: value for name, value in msgspec.structs.asdict(limit).items() if name not in {"level", "at"}}
    mark = hashlib.sha256(key).hexdigest()[:16]
    return Message(_id("limit", limit.level, period, mark), event, _body(event, limit.at, data))


def probe_message(hook: str, at: str, number: int) -> Message:
    """Something to see whether an endpoint can be reached and verifies what it gets."""
    return Message(_id("test", str(number)), "webhook.test", _body("webhook.test", at, {"webhook": hook}))


def _task_data(task: Task) -> dict[str, Any]:
    answer, failure = task.answer, task.failure
    return {
        "id": task.id,
        "status": task.status.value,
        "project": task.project,
        "source": task.source,
        "created_at": task.created_at,
        "finished_at": task.finished_at,
        "attempt": task.attempt,
        "model": answer and answer.tier,
        "model_id": answer and answer.model_id,
        "elapsed_seconds": answer and answer.elapsed_seconds,
        "input_tokens": answer and answer.input_tokens,
        "output_tokens": answer and answer.output_tokens,
        "estimated_cost_usd": answer and answer.estimated_cost_usd,
        "billing": answer and answer.billing,
        "error_code": failure.code if failure and task.status is Status.FAILED else None,
    }


def _texts(task: Task) -> dict[str, Any]:
    texts = {
        "task": task.task,
        "result": task.answer and task.answer.text,
        "error": task.failure.detail if task.failure and task.status is Status.FAILED else None,
    }
    return {
        **{name: text and text[:TEXT_CHARS] for name, text in texts.items()},
        "is_cut": any(len(text or "") > TEXT_CHARS for text in texts.values()),
    }


def _body(event: str, at: str, data: dict[str, Any]) -> str:
    return msgspec.json.encode({"type": event, "timestamp": at, "data": data}).decode()


def _id(*parts: str) -> str:
    """The parts, with nothing in them that the signed text or an address gives a meaning to."""
    return "_".join(_NOT_IN_AN_ID.sub("-", part) for part in parts)


# Signatures


def key_of(secret: str) -> bytes:
    """The key behind `whsec_…`. Raises `ValueError`, which never shows the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"expected {SECRET_PREFIX} and the base64 of {_LEAST_BYTES}..{_MOST_BYTES} bytes")
    return key


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message: one for each key, so that a receiver may know either of two."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)
