"""What happens when nobody said what should: defaults, and messages that meet no handler."""

import pytest
import structlog

from supervisors import (
    KILLED,
    NORMAL,
    Actor,
    BadSpec,
    ChildSpec,
    Continue,
    Custom,
    Error,
    Exit,
    Flags,
    NotStarted,
    Supervisor,
    actor,
    spawn,
)
from supervisors.events import ChildTerminated, Context, Crashed, Progress, Terminated, Unexpected, log_event
from supervisors.exits import NOPROC
from supervisors.supervisor import StartChild
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, boom, started


async def test_an_actor_without_handlers_crashes_on_a_call(runtime):
    process = await started(runtime, Actor())
    process.post_call(Ask(1), None)
    await settle()

    assert str(process.exit_reason) == "TypeError: Actor does not answer calls, got: Ask"


async def test_an_actor_without_handlers_crashes_on_a_cast(runtime):
    process = await started(runtime, Actor())
    process.cast("what")
    await settle()

    assert str(process.exit_reason) == "TypeError: Actor takes no casts, got: str"


async def test_a_bare_continue_as_the_answer_of_a_call_is_a_mistake_that_is_explained(runtime):
    process = await started(runtime, Scripted())
    process.post_call(Ask(lambda *_: Continue("x")), None)
    await settle()

    assert "expected handle_call to return Reply(value, Continue(…))" in str(process.exit_reason)


async def test_a_strange_result_of_init_fails_the_start(runtime):
    class Strange(Actor):
        def init(self):
            return "up"

    with pytest.raises(NotStarted) as caught:
        await spawn(runtime, Strange())

    assert caught.value.reason == Custom(("bad_return_value", "str"))


async def test_a_constructor_that_fails_is_a_failed_start(runtime):
    root = await spawn(runtime, Supervisor(Flags(), []))

    answer = await root.call(StartChild(ChildSpec("broken", actor(boom))))
    assert str(answer.reason) == "ValueError: boom"
    assert root.alive


async def test_a_static_supervisor_drops_what_it_does_not_know_and_says_so(runtime, reports):
    root = await spawn(runtime, Supervisor(Flags(), []))
    root.cast("what")
    root.send("is")

    assert await root.call("this") == "unknown_call"
    assert reports.kinds() == ["Unexpected"] * 3
    assert root.alive


async def test_linking_to_the_dead_brings_noproc_to_who_traps_and_ends_who_does_not(runtime):
    seen: list[object] = []

    class Trapping(Scripted):
        trap_exit = True

    dead = await started(runtime, Scripted())
    dead.exit(KILLED)
    trapping, plain = await started(runtime, Trapping(seen)), await started(runtime, Scripted())
    trapping.link(dead)
    plain.link(dead)
    await settle()

    assert seen == [("info", Exit(dead, NOPROC))]
    assert plain.exit_reason == NOPROC


async def test_a_dead_process_makes_no_new_relations(runtime):
    dead, alive = await started(runtime, Scripted()), await started(runtime, Scripted())
    dead.exit(KILLED)
    dead.link(alive)
    dead.monitor(alive)

    assert alive.alive
    assert not alive._links
    assert not alive._monitors


async def test_a_process_is_not_linked_to_itself(runtime):
    process = await started(runtime, Scripted())
    process.link(process)

    assert not process._links


async def test_a_normal_exit_signal_to_oneself_ends_one(runtime):
    process = await started(runtime, Scripted())
    process.cast(lambda self: self.me.exit(NORMAL))

    assert await process.ended() == NORMAL


async def test_a_callback_on_a_death_that_has_been_is_called_at_once(runtime):
    heard: list[object] = []
    process = await started(runtime, Scripted())
    process.exit(KILLED)
    process.on_death(heard.append)

    assert heard == [KILLED]


async def test_the_text_of_a_process_tells_what_runs_and_how_it_is(runtime):
    process = await started(runtime, Scripted(), name="clerk")

    assert repr(process) == f"<clerk #{process.pid} running>"
    assert repr(await started(runtime, Scripted())).startswith("<Scripted #")


@pytest.mark.parametrize("shutdown_s", [-1, float("nan")])
def test_a_patience_that_makes_no_sense_is_refused_by_name(shutdown_s):
    with pytest.raises(BadSpec) as caught:
        ChildSpec("a", actor(Actor), shutdown_s=shutdown_s)

    assert caught.value.code == "invalid_shutdown"


def test_every_kind_of_report_has_its_own_event():
    error = Error(ValueError("x"), (("file.py", 1, "function"),))
    with structlog.testing.capture_logs() as lines:
        log_event(Terminated("a", error, "Ask"))
        log_event(Crashed("a", Custom("x"), "root", 2, 1.23456))
        log_event(ChildTerminated("root", Context.START_ERROR, "a", Custom("x"), "permanent"))
        log_event(Progress("root", "a", 3))
        log_event(Unexpected("a", "Ask"))

    assert [line["event"] for line in lines] == [
        "actor_terminated",
        "process_crashed",
        "supervisor_report",
        "child_started",
        "unexpected_message",
    ]
    assert "file.py" in lines[0]["stack"]
