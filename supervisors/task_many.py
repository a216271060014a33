"""Waiting for several tasks under one deadline (Elixir `Task.await_many/2`, `Task.yield_many/2`). Ownership as in `task_handle`."""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from supervisors.exits import TIMEOUT, CallExit
from supervisors.spec import BRUTAL_KILL
from supervisors.task_handle import Await, Exited, Ok, TaskHandle, wait_for_some

__all__ = ["await_many", "poll_many"]

T = TypeVar("T")


async def await_many(handles: Sequence[TaskHandle[T]], within_s: float | None = None) -> list[T]:
    """The results, in the order of `handles`.

    The first failure, or the end of the time, raises `CallExit` at once; the handles still open are given up, their tasks run on
    (unless they are linked to a caller that lets the exception end it).
    """
    for each in handles:
        each.check_owner()
    if not any(isinstance(each.outcome, Exited) for each in handles):
        await _until_all_or_failure(handles, within_s)
    failure = _failure(handles, within_s)
    if failure is None:
        return [each.outcome.value for each in handles if isinstance(each.outcome, Ok)]
    for each in handles:
        each.give_up()
    raise failure


async def _until_all_or_failure(handles: Sequence[TaskHandle[T]], within_s: float | None) -> None:
    open_ = {each for each in handles if each.outcome is None}
    left = len(open_)

    def is_enough(handle: TaskHandle[Any]) -> bool:
        nonlocal left
        left -= 1
        return left == 0 or isinstance(handle.outcome, Exited)

    if open_:
        await wait_for_some(open_, is_enough, within_s)


def _failure(handles: Sequence[TaskHandle[T]], within_s: float | None) -> CallExit | None:
    """The first that failed; if none did, the first that is too slow."""
    for each in handles:
        if isinstance(each.outcome, Exited):
            return CallExit(each.outcome.reason, each.label, Await(within_s))
    for each in handles:
        if each.outcome is None:
            return CallExit(TIMEOUT, each.label, Await(within_s))
    return None


async def poll_many(
    handles: Sequence[TaskHandle[T]],
    within_s: float | None = 5.0,
    *,
    limit: int | None = None,
    on_timeout: Literal["nothing", "ignore", "kill_task"] = "nothing",
) -> list[Ok[T] | Exited | None]:
    """How each has ended, in the order of `handles`; None: not yet.

    Returns when all have ended, when `limit` of them have (no more than those are answered, and `on_timeout` does not apply), or when
    the time is up. Then those still open may be asked again, are ignored, or are killed.
    """
    for each in handles:
        each.check_owner()
    wanted = len(handles) if limit is None else limit
    seen = await _first_ended(handles, wanted, within_s)
    if len(seen) < wanted:
        for each in handles:
            if each not in seen and on_timeout == "kill_task":
                seen[each] = await each.shutdown(BRUTAL_KILL)
            elif each not in seen and on_timeout == "ignore":
                each.ignore()
    return [seen.get(each) for each in handles]


async def _first_ended(
    handles: Sequence[TaskHandle[T]], wanted: int, within_s: float | None
) -> dict[TaskHandle[T], Ok[T] | Exited | None]:
    ended = [each for each in handles if each.outcome is not None][:wanted]
    open_ = {each for each in handles if each.outcome is None}

    def is_enough(handle: TaskHandle[Any]) -> bool:
        ended.append(handle)
        return len(ended) >= wanted

    if open_ and len(ended) < wanted:
        await wait_for_some(open_, is_enough, within_s)
    return {each: each.outcome for each in ended[:wanted]}
