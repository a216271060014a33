"""From what has happened to what the outbox takes in: which endpoint gets which delivery. Pure.

Guarantees: the deliveries that come of some ends and the marks of who heard of them are one `Change`, so they are on disk together
or not at all; a change is no longer than a few hundred kilobytes, and then its marks say how far it got.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from symbiont.domain.outbox import Change, Delivery, Endpoint, Outbox, delivery_of
from symbiont.domain.task import Task
from symbiont.domain.webhook import (
    TASK_HOOK,
    Hook,
    LimitEvent,
    limit_message,
    task_message,
    wants_limit,
    wants_task,
)

MOST_BYTES_A_CHANGE: Final = 262_144


def fan_out(tasks: Sequence[Task], listening: Sequence[Endpoint], hooks: Mapping[str, Hook], at: str) -> Change:
    """The deliveries of these ends (in their order) for the endpoints that listen, and how far each has heard."""
    deliveries: list[Delivery] = []
    marked: list[Endpoint] = []
    for endpoint in listening:
        seen = endpoint.seen
        for task in tasks:
            if task.finish > seen and sum(len(one.body) for one in deliveries) < MOST_BYTES_A_CHANGE:
                deliveries += _for(task, hooks[endpoint.name], at)
                seen = task.finish
        marked.append(msgspec.structs.replace(endpoint, seen=seen))
    return Change(tuple(deliveries), tuple(marked))


def _for(task: Task, hook: Hook, at: str) -> list[Delivery]:
    if not wants_task(hook, task):
        return []
    message = task_message(task, include_result=hook.include_result)
    return [delivery_of(message, hook.name, at, task.webhook_url if hook.name == TASK_HOOK else "")]


def fan_out_limit(limit: LimitEvent, hooks: Mapping[str, Hook], box: Outbox, at: str) -> Change | None:
    """The same of a limit; None if it has been told. Who is disabled or full does not hear of it."""
    message = limit_message(limit)
    if box.knows_notice(message.id):
        return None
    deliveries = [
        delivery_of(message, name, at)
        for name, hook in hooks.items()
        if wants_limit(hook, limit) and box.endpoints[name].disabled_at is None and box.has_room(name)
    ]
    return Change(tuple(deliveries), notices=(message.id,))


def orphaned(box: Outbox, hooks: Mapping[str, Hook]) -> Change:
    """What the configuration no longer names is gone, and what waited for it has failed."""
    replace = msgspec.structs.replace
    gone = [replace(one, is_gone=True) for one in box.endpoints.values() if one.name not in hooks and not one.is_gone]
    left = [one for one in box if one.state == "pending" and one.endpoint not in hooks]
    why = "no webhook of the configuration has this name any more"
    failed = [replace(one, state="failed", last_error=why, body="") for one in left]
    return Change(tuple(failed), tuple(gone))


def registered(change: Change, names: Sequence[str], head: int) -> Change:
    """The change, and endpoints that hear of what ends after `head`."""
    new = tuple(Endpoint(name, seen=head) for name in names)
    return msgspec.structs.replace(change, endpoints=change.endpoints + new)
