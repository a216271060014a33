"""From the bytes of an answer to a view.

The wire is not always shaped as the views are declared: `Status` comes flat, and `billing` is left out unless a task was
rehearsed. This is the one place that knows. Does no I/O.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from symbiont.service import views

View = TypeVar("View")
Fields = dict[str, Any]


def decode(body: bytes, view: type[View]) -> View:
    """The view a body holds. Raises `msgspec.DecodeError` if it holds something else."""
    reshape = _RESHAPED.get(view)
    if reshape is None:
        return msgspec.json.decode(body, type=view)
    return msgspec.convert(reshape(msgspec.json.decode(body)), view)


def _status(shape: object) -> object:
    if not isinstance(shape, dict):
        return shape
    fields = cast("Fields", shape)
    usage = {key.removesuffix("_usage"): value for key, value in fields.items() if key.endswith("_usage")}
    return {**fields, "tier_usage": usage}


def _answer(shape: object) -> object:
    return {"billing": "", **cast("Fields", shape)} if isinstance(shape, dict) else shape


def _task(shape: object) -> object:
    if not isinstance(shape, dict):
        return shape
    fields = cast("Fields", shape)
    return {**fields, "answer": _answer(fields.get("answer"))}


def _tasks(shape: object) -> object:
    if not isinstance(shape, dict):
        return shape
    fields = cast("Fields", shape)
    tasks: object = fields.get("tasks")
    if not isinstance(tasks, list):
        return fields
    return {**fields, "tasks": [_task(task) for task in cast("list[object]", tasks)]}


_RESHAPED: Mapping[type[object], Callable[[object], object]] = {
    views.Status: _status,
    views.TaskAnswer: _answer,
    views.TaskList: _tasks,
    views.TaskView: _task,
}
