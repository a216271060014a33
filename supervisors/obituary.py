"""The reports of an actor that ends abnormally: what it was working on, what of it may be shown, and where it stood."""

from typing import Final, cast

from supervisors.actor import Actor, Status
from supervisors.debug import Debugger
from supervisors.events import Crashed, Terminated
from supervisors.exits import ExitReason
from supervisors.inbox import Item
from supervisors.process import Process
from supervisors.ref import From
from supervisors.texts import bounded_text, brief

__all__ = ["crashed", "formatted", "terminated"]

MOST_ANCESTORS: Final = 32


def terminated(
    label: str, instance: Actor, reason: ExitReason, item: Item | None, debugger: Debugger | None
) -> Terminated:
    """OTP: the report of `gen_server` itself. Everything in it has passed `format_status`, and is bounded text."""
    from_ = item if isinstance(item, From) else None
    message = from_.request if from_ is not None else item[1] if isinstance(item, tuple) else None
    caller = from_.caller.label if from_ is not None and from_.caller is not None else ""
    if (
        debugger is None and type(instance).format_status is Actor.format_status
    ):  # by far the most: types alone are shown
        shown_type = "" if message is None else type(message).__name__
        return Terminated(label, reason, shown_type, type(instance).__name__, caller)
    shown = formatted(instance, Status(instance, message, reason, () if debugger is None else debugger.recent))
    log = tuple(_text(line) for line in shown.log)
    return Terminated(label, shown.reason or reason, _text(shown.message), _text(shown.state), caller, log)


def crashed(process: Process, reason: ExitReason, *, runs: str, reductions: int) -> Crashed:
    """OTP: the report of `proc_lib`."""
    links = process.links
    return Crashed(
        process=process.label,
        reason=reason,
        parent=process.parent.label if process.parent is not None else "",
        queued=process.queued,
        uptime_s=process.runtime.clock.monotonic() - process.started_s,
        pid=process.pid,
        runs=runs,
        state=process.state.value,
        trap_exit=process.trap_exit,
        reductions=reductions,
        ancestors=_ancestors(process.parent),
        links=tuple([other.label for other in links]),
        neighbours=tuple([other.label for other in links if not other.trap_exit]),
    )


def _ancestors(parent: Process | None) -> tuple[str, ...]:
    found: list[str] = []
    while parent is not None and len(found) < MOST_ANCESTORS:
        found.append(parent.label)
        parent = parent.parent
    return tuple(found)


def formatted(instance: Actor, status: Status) -> Status:
    """The status as `format_status` of the actor shows it; nothing of it if that fails (OTP withholds the data, too)."""
    try:
        shown = cast("object", instance.format_status(status))
        if isinstance(shown, Status):
            return shown
        text = f"format_status returned no Status, got: {type(shown).__name__}: the data is withheld"
    except Exception as broken:  # noqa: BLE001 -- a report must never become a second crash
        text = f"format_status raised {type(broken).__name__}: the data is withheld"
    return Status(text, None if status.message is None else text, status.reason)


def _text(value: object) -> str:
    if isinstance(value, str):
        return bounded_text(value.__str__)
    return "" if value is None else brief(value)
