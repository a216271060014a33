"""The report of an actor that ends abnormally: what it was working on, and what of it may be shown."""

from supervisors.actor import Actor, Status
from supervisors.debug import Debugger
from supervisors.events import Terminated
from supervisors.exits import ExitReason, bounded_text
from supervisors.inbox import Item
from supervisors.ref import From

__all__ = ["formatted", "terminated"]


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


def formatted(instance: Actor, status: Status) -> Status:
    """The status as `format_status` of the actor shows it; nothing of it if that fails (OTP withholds the data, too)."""
    try:
        return instance.format_status(status)
    except Exception as broken:  # noqa: BLE001 -- a report must never become a second crash
        text = f"format_status raised {type(broken).__name__}: the data is withheld"
        return Status(text, None if status.message is None else text, status.reason)


def _text(value: object) -> str:
    return "" if value is None else bounded_text(lambda: value if isinstance(value, str) else repr(value))
