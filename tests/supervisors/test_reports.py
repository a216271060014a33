"""Reports: bounded, unable to raise into the runtime, and silent about messages and state."""

import pytest
import structlog

from supervisors import ChildSpec, Custom, Error, Flags, NotStarted, Runtime, Shutdown, Stop, Supervisor, actor, spawn
from supervisors.events import ChildTerminated, Context, Crashed, log_event
from supervisors.exits import error_of
from supervisors.testing import Recorder, settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, started

LIMIT = 2_100


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    "reason",
    [Error(Unspeakable()), Custom(Unspeakable()), Shutdown(Unspeakable())],
    ids=["error", "custom", "shutdown"],
)
def test_the_text_of_a_reason_cannot_raise(reason):
    assert "Unspeakable" in str(reason) or "RuntimeError" in str(reason)


@pytest.mark.parametrize("reason", [Error(ValueError("x" * 100_000)), Custom("x" * 100_000), Shutdown("x" * 100_000)])
def test_the_text_of_a_reason_is_bounded(reason):
    assert len(str(reason)) < LIMIT


async def test_a_child_whose_error_has_no_text_is_restarted_like_any_other(runtime, reports):
    def unspeakable(_self):
        raise Unspeakable

    spec = ChildSpec("odd", actor(Scripted, name="odd"))
    root = await spawn(runtime, Supervisor(Flags(), [spec]))
    runtime.whereis("odd").cast(unspeakable)
    await settle()

    assert root.alive
    assert runtime.whereis("odd").incarnation == 2


async def test_an_init_whose_error_has_no_text_is_a_failed_start_like_any_other(runtime):
    class Odd(Scripted):
        def init(self):
            raise Unspeakable

    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Supervisor(Flags(), [ChildSpec("odd", actor(Odd))]))

    assert len(str(caught.value)) < LIMIT


def test_a_rendered_report_is_bounded():
    huge = "x" * 1_000_000
    with structlog.testing.capture_logs() as lines:
        log_event(ChildTerminated("root", Context.START_ERROR, "a", huge, "permanent"))
        log_event(Crashed("a", Error(ValueError(huge), (("file", 1, huge),) * 40), "root", 0, 1.0))

    assert lines
    assert all(len(str(value)) < LIMIT for line in lines for value in line.values())


async def test_a_broken_log_does_not_hurt_the_runtime(clock):
    def broken(_logger, _name, _event):
        raise OSError("stderr is gone")

    def reporter(_event):
        raise RuntimeError("reporter")

    runtime = Runtime(clock=clock, reporter=reporter)
    process = await started(runtime, Tidy())
    structlog.configure(processors=[broken])
    try:
        process.cast(boom)
        await settle()
    finally:
        structlog.reset_defaults()

    assert isinstance(process.exit_reason, Error)
    assert runtime.reports_lost == 2


async def test_what_a_message_holds_is_in_no_report(runtime, reports):
    class Base(Scripted):
        from supervisors import Actor

        handle_continue = Actor.handle_continue
        handle_info = Actor.handle_info

    from supervisors import Continue

    secret = "hunter2"
    for message in (lambda _self: secret, lambda _self: Continue(secret)):
        process = await started(runtime, Base())
        process.cast(message)
        await settle()
    process = await started(runtime, Base())
    process.send(secret)
    await settle()

    assert secret not in "".join(f"{event} {getattr(event, 'reason', '')!s}" for event in reports.events)


async def test_a_report_names_the_type_of_the_message_that_was_worked_on(runtime, reports: Recorder):
    process = await started(runtime, Scripted())
    process.post_call(Ask(boom), None)
    await settle()

    assert reports.events[0].last_message == "Ask"


async def test_an_end_that_no_message_caused_names_none(runtime, reports: Recorder):
    process = await started(runtime, Scripted())
    await process.call(Ask(1))
    process.request_stop(Custom("enough"))
    await settle()

    assert reports.events[0].last_message == ""


async def test_an_error_in_terminate_is_reported_besides_what_led_to_it(runtime, reports: Recorder):
    class Clumsy(Scripted):
        def terminate(self, reason):
            raise LookupError("dropped it")

    process = await started(runtime, Clumsy())
    process.cast(boom)
    await settle()

    assert reports.kinds() == ["Terminated", "Terminated", "Crashed"]


async def test_orderly_ends_are_not_reported(runtime, reports: Recorder):
    for reason in (Shutdown(), Shutdown("done")):
        process = await started(runtime, Tidy())
        process.cast(lambda _self, reason=reason: Stop(reason))
        await settle()

    assert reports.events == []


def test_the_stack_of_an_error_is_text_on_demand():
    try:
        boom()
    except ValueError as error:
        reason = error_of(error)

    assert "boom" in reason.stack()
