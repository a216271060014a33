"""Group M: what is reported of an end, what of a state may be shown, and how it reads."""

import asyncio
import time
from functools import partial

import pytest
import structlog

from supervisors import (
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    Custom,
    Error,
    Flags,
    Killed,
    Shutdown,
    Status,
    Stop,
    Supervisor,
    Tasks,
    TaskSupervisor,
    actor,
    spawn,
    sys,
)
from supervisors.events import ChildTerminated, Context, Crashed, Progress, Terminated, log_event, text_of
from supervisors.exits import ExitWith
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, Tidy, boom, forever, started

SECRET = "hunter2"


def everything(reports) -> str:
    """What a reader of the reports could see."""
    return " ".join(f"{event!r} {text_of(event)}" for event in reports.events)


# Which ends are reported


@pytest.mark.parametrize(
    "end",
    [
        lambda self: Stop(SHUTDOWN),
        lambda self: Stop(Shutdown("term")),
        lambda self: self.me.exit(SHUTDOWN),
        lambda self: self.me.exit(Shutdown("term")),
    ],
    ids=["stop", "stop with a term", "exit", "exit with a term"],
)
async def test_m01_an_end_by_shutdown_is_not_reported(runtime, reports, end):
    process = await started(runtime, Scripted())
    process.cast(end)
    await settle()

    assert isinstance(process.exit_reason, Shutdown)
    assert reports.events == []


@pytest.mark.parametrize("end", [boom, lambda self: Stop(Custom("crashed"))], ids=["error", "stop"])
async def test_m01_a_crash_is_reported_by_the_actor_and_by_the_process_once_each(runtime, reports, end):
    process = await started(runtime, Scripted(), name="crashing")
    process.cast(end)
    await settle()
    actors, processes = reports.events

    assert (type(actors), actors.process, actors.reason) == (Terminated, "crashing", process.exit_reason)
    assert (type(processes), processes.process, processes.reason) == (Crashed, "crashing", process.exit_reason)


# terminate


async def test_m02_an_actor_without_terminate_stops_in_order(runtime, reports):
    process = await started(runtime, Scripted())
    await process.stop()

    assert process.exit_reason == NORMAL
    assert reports.events == []


async def test_m03_an_actor_without_terminate_stops_for_any_reason(runtime, reports):
    process = await started(runtime, Scripted())
    await process.stop(Custom("test"))

    assert process.exit_reason == Custom("test")
    assert reports.kinds() == ["Terminated", "Crashed"]


async def test_m04_an_error_in_terminate_is_the_reason_of_the_end(runtime, reports):
    class Clumsy(Scripted):
        def terminate(self, reason):
            raise LookupError("dropped it")

    process = await started(runtime, Clumsy())
    with pytest.raises(CallExit) as caught:
        await process.stop()

    assert isinstance(process.exit_reason.exception, LookupError)
    assert caught.value.reason == process.exit_reason
    assert [event.reason for event in reports.events] == [process.exit_reason] * 2


# format_status


class Discreet(Scripted):
    """Shows a word of everything instead of what it holds."""

    def format_status(self, status: Status) -> Status:
        message = None if status.message is None else "a message"
        return Status("a state", message, status.reason, tuple("an event" for _ in status.log))


async def test_m05_get_status_shows_what_format_status_shows(runtime):
    process = await started(runtime, Discreet([SECRET]))
    status = await sys.get_status(process)

    assert status.state == "a state"
    assert SECRET not in repr(status)


async def test_m05_without_format_status_no_more_than_types_are_shown(runtime):
    process = await started(runtime, Scripted([SECRET]))

    assert (await sys.get_status(process)).state == "Scripted"


async def test_m06_the_report_of_a_crash_shows_what_format_status_shows(runtime, reports):
    process = await started(runtime, Discreet([SECRET]))
    process.cast(boom)
    await settle()

    assert (reports.events[0].state, reports.events[0].last_message) == ("a state", "a message")
    assert SECRET not in everything(reports)


async def test_m07_the_report_of_a_crash_in_terminate_does_so_too(runtime, reports):
    class Clumsy(Discreet):
        def terminate(self, reason):
            raise LookupError("dropped it")

    process = await started(runtime, Clumsy([SECRET]))
    with pytest.raises(CallExit):
        await process.stop()

    assert [event.state for event in reports.events if isinstance(event, Terminated)] == ["a state"]
    assert SECRET not in everything(reports)


class Broken(Scripted):
    """Cannot say what it is."""

    def format_status(self, status: Status) -> Status:
        raise ValueError(SECRET)


class Thrower(Scripted):
    """Ends in the middle of saying what it is, as `throw` does."""

    def format_status(self, status: Status) -> Status:
        raise ExitWith(Custom((SECRET, status)))


async def withholds(runtime, reports, made: Actor, text: str) -> None:
    process = await started(runtime, made)
    await sys.log(process)
    assert (await sys.get_status(process)).state == text
    process.cast(lambda _self: Stop(Custom("crashed")))
    await settle()

    assert process.exit_reason == Custom("crashed")
    assert (reports.events[0].state, reports.events[0].last_message, reports.events[0].log) == (text, text, ())
    assert SECRET not in everything(reports)


async def test_m08_a_format_status_that_fails_withholds_the_data(runtime, reports):
    await withholds(runtime, reports, Broken([SECRET]), "format_status raised ValueError: the data is withheld")


async def test_m09_a_format_status_that_throws_withholds_the_data(runtime, reports):
    await withholds(runtime, reports, Thrower([SECRET]), "format_status raised ExitWith: the data is withheld")


async def test_m08_a_format_status_that_answers_nonsense_withholds_the_data(runtime, reports):
    class Nonsense(Scripted):
        def format_status(self, status):
            return SECRET

    text = "format_status returned no Status, got: str: the data is withheld"
    await withholds(runtime, reports, Nonsense([SECRET]), text)


async def test_m10_state_message_reason_and_log_all_pass_through_format_status(runtime, reports):
    class Redacting(Scripted):
        def format_status(self, status):
            reason = Custom("a reason") if status.reason is not None else None
            return Status("a state", "a message", reason, tuple(f"event {n}" for n, _ in enumerate(status.log)))

    process = await started(runtime, Redacting([SECRET]))
    await sys.log(process)
    process.cast(SECRET)
    process.cast(lambda _self: Stop(Custom(SECRET)))
    await settle()
    told = reports.events[0]

    assert (told.state, told.last_message, told.reason) == ("a state", "a message", Custom("a reason"))
    assert told.log == ("event 0", "event 1", "event 2", "event 3")
    assert SECRET not in text_of(told)


# How reports read


async def crash_of(runtime, reports, made: Actor, message, name=None):
    process = await started(runtime, made, name=name)
    process.cast(message)
    await settle()
    return reports.events[0]


class Open(Scripted):
    """Shows everything."""

    def format_status(self, status: Status) -> Status:
        return status

    def __repr__(self) -> str:
        return f"Open(\n    {self.diary!r})"


async def test_m11_the_report_of_an_actor_is_one_line_when_asked(runtime, reports):
    told = await crash_of(runtime, reports, Open(["a\nb"]), lambda _self: Stop(Custom("x\ny")), name="open")
    line = text_of(told)

    assert "\n" not in line
    assert line.startswith("Terminated process=open last_message=")
    assert "reason=Custom(term='x\\ny')" in line


@pytest.mark.parametrize("longest", [20, 100, 1_000])
async def test_m11_the_report_of_an_actor_is_as_short_as_asked(runtime, reports, longest):
    told = await crash_of(runtime, reports, Open(["x" * 10_000]), lambda _self: Stop(Custom("y" * 10_000)))
    line = text_of(told, longest=longest)

    assert len(line) == longest + 1
    assert line.endswith("…")


async def test_m11_the_report_of_an_actor_is_not_as_deep_as_its_state(runtime, reports):
    class Deep(Scripted):
        def format_status(self, status):
            deep: object = SECRET
            for _ in range(50):
                deep = [deep]
            return Status(deep, status.message, Custom(deep))

    told = await crash_of(runtime, reports, Deep(), boom)

    assert told.state == "[[[[[[…]]]]]]"
    assert SECRET not in text_of(told)


async def test_m12_a_report_names_the_process_by_its_label(runtime, reports):
    assert (await crash_of(runtime, reports, Scripted(), boom)).process == "Scripted"
    reports.events.clear()
    assert "process=named " in text_of(await crash_of(runtime, reports, Scripted(), boom, name="named"))


async def test_m12_a_report_of_a_task_names_it_by_the_label_it_was_given(runtime, reports):
    await spawn(runtime, TaskSupervisor(), name="tasks")
    await Tasks(runtime.named("tasks")).start_child(partial(forever, 1), label="summary of page 7")
    (task,) = (each for each in runtime.processes.values() if each.label == "summary of page 7")
    task.exit(Custom("lost"))
    await settle()

    assert "child=summary of page 7" in text_of(reports.events[-1])


async def test_m13_the_report_of_a_supervisor_is_one_line_of_bounded_length():
    told = ChildTerminated("root", Context.CHILD_TERMINATED, "leaf", Custom("x\ny" * 5_000), "permanent")
    line = text_of(told, longest=200)

    assert line.startswith(
        "ChildTerminated supervisor=root context=child_terminated child=leaf restart=permanent reason="
    )
    assert (len(line), "\n" in line) == (201, False)


async def test_m13_a_report_of_several_children_says_how_many():
    """A kind of report that says more than the one it derives from, as that of a supervisor of many alike children does."""
    from dataclasses import dataclass

    @dataclass(frozen=True, slots=True)
    class Several(ChildTerminated):
        nb_children: int = 1

    told = Several("root", Context.SHUTDOWN_ERROR, "worker", Killed(), "temporary", nb_children=7)
    with structlog.testing.capture_logs() as lines:
        log_event(told)

    assert "nb_children=7" in text_of(told)
    assert (lines[0]["event"], lines[0]["nb_children"], lines[0]["supervisor"]) == ("supervisor_report", 7, "root")


# What a crash report tells


async def test_m14_a_crash_report_tells_where_the_process_stood(runtime, reports, clock):
    branch = partial(Supervisor, Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))])
    await spawn(runtime, Supervisor(Flags(), [ChildSpec("branch", actor(branch, name="branch"))]), name="root")
    leaf = runtime.whereis("leaf")
    neighbour, trapping = (
        await started(runtime, Scripted(), name="neighbour"),
        await started(runtime, Tidy(), name="tidy"),
    )
    leaf.link(neighbour)
    leaf.link(trapping)
    await leaf.call(Ask(1))
    await clock.advance(2)
    for message in (boom, "left over", "left over"):
        leaf.cast(message)
    await settle()
    (told,) = (event for event in reports.events if isinstance(event, Crashed))

    assert (told.process, told.runs, told.pid) == ("leaf", "Scripted", leaf.pid)
    assert (told.parent, told.ancestors) == ("branch", ("branch", "root"))
    assert (told.links, told.neighbours) == (("branch", "neighbour", "tidy"), ("neighbour",))
    assert (told.queued, told.state, told.trap_exit, told.uptime_s) == (2, "stopping", False, 2)
    assert told.reductions == 1


async def test_m14_neighbours_end_with_it_and_write_no_report_of_their_own(runtime, reports):
    process, neighbour = await started(runtime, Scripted(), name="a"), await started(runtime, Scripted(), name="b")
    process.link(neighbour)
    process.cast(lambda _self: Stop(Custom("abnormal")))
    await settle()

    assert neighbour.exit_reason == Custom("abnormal")
    assert [event.process for event in reports.events] == ["a", "a"]


async def test_m15_an_exception_is_the_reason_with_its_stack(runtime, reports):
    process = await started(runtime, Scripted())
    process.cast(boom)
    await settle()
    reason = reports.events[1].reason

    assert isinstance(reason.exception, ValueError)
    assert [function for _file, _line, function in reason.where][-2:] == ["Scripted.handle_cast", "boom"]
    assert 'raise ValueError("boom")' in text_of(reports.events[1])


@pytest.mark.parametrize("how", ["raise", "stop"])
async def test_m15_an_exit_is_the_reason_alone(runtime, reports, how):
    def leave(_self):
        if how == "raise":
            raise ExitWith(Custom("abnormal"))
        return Stop(Custom("abnormal"))

    process = await started(runtime, Scripted())
    process.cast(leave)
    await settle()

    assert [event.reason for event in reports.events] == [Custom("abnormal")] * 2
    assert "stack=" not in text_of(reports.events[1])


async def test_m16_the_text_of_a_crash_report_is_as_long_as_its_reader_wants(runtime, reports):
    process = await started(runtime, Scripted())
    process.cast(lambda _self: Stop(Custom(["x" * 50] * 1_000)))
    await settle()
    told = reports.events[1]

    assert [len(text_of(told, longest=longest)) for longest in (50, 500)] == [51, 501]


# Order


async def test_m17_one_crash_is_told_by_actor_process_and_supervisor_in_this_order(runtime, reports):
    await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]), name="root")
    reports.events.clear()
    runtime.whereis("leaf").cast(boom)
    await settle()
    terminated, crashed, child, progress = reports.events

    assert [type(event) for event in reports.events] == [Terminated, Crashed, ChildTerminated, Progress]
    assert terminated.process == crashed.process == child.child == progress.child == "leaf"
    assert (child.context, child.supervisor, progress.incarnation) == (Context.CHILD_TERMINATED, "root", 2)


async def test_m18_giving_up_is_told_and_then_who_did_not_go(runtime, reports, clock):
    class Stubborn(Tidy):
        async def terminate(self, reason):
            await forever()

    specs = [
        ChildSpec("stubborn", actor(Stubborn, name="stubborn"), shutdown_s=3),
        ChildSpec("leaf", actor(Scripted, name="leaf")),
        ChildSpec("quick", actor(Tidy, name="quick")),
    ]
    root = await spawn(runtime, Supervisor(Flags(intensity=0), specs), name="root")
    reports.events.clear()
    runtime.whereis("leaf").cast(lambda _self: Stop(Custom("crash")))
    await clock.advance(3)
    told = [
        (event.context, event.child, str(event.reason))
        for event in reports.events
        if isinstance(event, ChildTerminated)
    ]

    assert told == [
        (Context.CHILD_TERMINATED, "leaf", str(Custom("crash"))),
        (Context.SHUTDOWN, "leaf", "reached_max_restart_intensity"),
        (Context.SHUTDOWN_ERROR, "stubborn", str(Killed())),
    ]
    assert root.exit_reason == SHUTDOWN


# Off the hot path


class Hoarder(Scripted):
    def format_status(self, status: Status) -> Status:
        return Status(self.diary, self.diary, Custom(self.diary), tuple(self.diary for _ in status.log))


async def test_m19_a_report_of_a_huge_state_costs_no_more_than_what_it_shows(runtime, reports):
    process = await started(runtime, Hoarder(list(range(1_000_000))))
    await sys.log(process)
    began_s = time.perf_counter()
    process.cast(boom)
    await settle()
    line = text_of(reports.events[0])

    assert time.perf_counter() - began_s < 0.05
    assert line.startswith("Terminated")
    assert len(line) < 2_100


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


async def test_m19_what_cannot_be_rendered_is_reported_all_the_same(runtime, reports):
    class Mute(Open):
        __repr__ = Unspeakable.__str__

    def unspeakable(_self):
        raise Unspeakable

    told = await crash_of(runtime, reports, Mute(), unspeakable)

    assert told.state == "no text: rendering it raised RuntimeError"
    assert isinstance(told.reason, Error)
    assert "Unspeakable" in text_of(told)


async def test_m19_a_reporter_that_fails_costs_a_report_and_nothing_else(clock):
    from supervisors import Runtime

    def broken(_event):
        raise OSError("disk full")

    runtime = Runtime(clock=clock, reporter=broken)
    root = await spawn(runtime, Supervisor(Flags(), [ChildSpec("leaf", actor(Scripted, name="leaf"))]), name="root")
    with structlog.testing.capture_logs() as lines:
        runtime.whereis("leaf").cast(boom)
        await settle()

    assert [line["event"] for line in lines] == [
        "actor_terminated",
        "process_crashed",
        "supervisor_report",
        "child_started",
    ]
    assert runtime.whereis("leaf").incarnation == 2
    await asyncio.gather(root.stop(SHUTDOWN))
