"""Programs run inside the test: what ends them, in which order, and with which exit code. Signals: `tests/conformance`, group Q."""

import asyncio
import signal
import threading

import pytest
import uvloop
from structlog.testing import capture_logs

from supervisors import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    ChildSpec,
    Custom,
    Flags,
    NotStarted,
    Restart,
    Runtime,
    Shutdown,
    Stop,
    Supervisor,
    actor,
    spawn,
)
from supervisors.application import GAVE_UP, KILLED_TREE, Application, exit_code, run, running, stop_tree
from tests.supervisors.scripted import Scripted, started

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class Told(Actor):
    """Does what it is told, as soon as it is told."""

    trap_exit = True

    def __init__(self, app: "Diary") -> None:
        self.app = app

    def handle_info(self, message):
        return message(self)

    def terminate(self, reason):
        self.app.diary.append("-child")


class Diary(Application):
    """One child, told `deed` once the tree is up."""

    def __init__(self, deed=None, *, fails_in="", restart=Restart.PERMANENT, intensity=0) -> None:
        self.deed, self.fails_in, self.restart, self.intensity = deed, fails_in, restart, intensity
        self.diary: list[str] = []

    def note(self, what: str) -> None:
        self.diary.append(what)
        if self.fails_in == what:
            raise ValueError(what)

    async def start(self, runtime):
        self.note("start")
        child = ChildSpec("child", actor(lambda: Told(self), name="child"))
        self.root = await spawn(runtime, Supervisor(Flags(intensity=self.intensity), [child]))
        runtime.named("child").send(self.deed or (lambda _: self.request_stop()))
        return self.root

    async def prep_stop(self):
        self.note("prep_stop")

    async def stop(self):
        self.note("stop")


IN_ORDER = ["start", "prep_stop", "-child", "stop"]


@LOOPS
def test_a_program_that_asks_for_its_end_ends_in_order(loop):
    app = Diary()

    assert (run(app, loop_factory=loop), app.diary) == (0, IN_ORDER)


async def test_within_a_loop_it_is_up_for_a_block_and_ends_in_order_after_it():
    app = Diary(lambda _: None)
    async with running(app) as root:
        assert (root, root.alive) == (app.root, True)

    assert (app.diary, root.exit_reason) == (IN_ORDER, SHUTDOWN)


async def test_within_a_loop_what_the_block_raises_comes_out_after_the_end():
    app = Diary(lambda _: None)
    with pytest.raises(ValueError, match="mine"):
        async with running(app):
            raise ValueError("mine")

    assert app.diary == IN_ORDER


async def test_within_a_loop_a_start_that_fails_is_followed_by_stop_alone():
    app = Diary(fails_in="start")
    with pytest.raises(ValueError, match="start"):
        async with running(app):
            raise AssertionError("never up")

    assert app.diary == ["start", "stop"]


@LOOPS
@pytest.mark.parametrize("hook", ["prep_stop", "stop"])
def test_a_hook_that_fails_is_reported_and_keeps_nothing_from_ending(loop, hook):
    app = Diary(fails_in=hook)
    with capture_logs() as logs:
        code = run(app, loop_factory=loop)

    assert (code, app.diary) == (0, IN_ORDER)
    assert [(log["hook"], log["reason"]) for log in logs if "hook" in log] == [(hook, f"ValueError: {hook}")]


@LOOPS
@pytest.mark.parametrize(
    ("restart", "code"), [(Restart.PERMANENT, GAVE_UP), (Restart.TRANSIENT, GAVE_UP), (Restart.TEMPORARY, 0)]
)
def test_a_tree_that_gives_up_needs_no_preparation_and_shows_in_the_code(loop, restart, code):
    app = Diary(lambda _: Stop(Custom("broken")), restart=restart)

    assert run(app, loop_factory=loop) == code
    assert app.diary == ["start", "-child", "stop"]


@LOOPS
def test_a_root_that_ends_normally_has_done_its_work(loop):
    class Job(Diary):
        async def start(self, runtime):
            return await spawn(runtime, Worker())

    class Worker(Actor):
        def init(self):
            self.send_after(0.0, "done")

        def handle_info(self, message):
            return Stop(NORMAL)

    app = Job()
    assert (run(app, loop_factory=loop), app.diary) == (0, ["stop"])


@LOOPS
def test_a_start_that_fails_is_the_callers_to_handle_after_stop(loop):
    class Broken(Diary):
        async def start(self, runtime):
            return await spawn(runtime, Refusing())

    class Refusing(Actor):
        def init(self):
            return Stop(Custom("no"))

    app = Broken()
    with pytest.raises(NotStarted):
        run(app, loop_factory=loop)

    assert app.diary == ["stop"]


def interrupt(error: BaseException):
    def deed(_self) -> None:
        raise error

    return deed


@LOOPS
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (SystemExit(3), 3), (SystemExit(), 0)])
def test_an_interrupt_raised_by_code_of_the_program_ends_it_in_order(loop, error, code):
    app = Diary(interrupt(error), intensity=1)

    assert run(app, loop_factory=loop) == code
    assert app.diary == ["start", "-child", "prep_stop", "-child", "stop"]  # its crash, and its next life


@LOOPS
def test_a_signal_during_the_start_is_not_lost(loop):
    class Slow(Diary):
        async def start(self, runtime):
            signal.raise_signal(signal.SIGTERM)
            return await super().start(runtime)

    app = Slow(lambda _: None)

    assert (run(app, loop_factory=loop), app.diary) == (0, IN_ORDER)


@LOOPS
def test_handlers_and_threads_are_as_before_afterwards(loop):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run(Diary(), loop_factory=loop)

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    for thread in threading.enumerate():
        if thread.name == "shutdown-deadline":
            thread.join(10)
            assert not thread.is_alive()


def test_outside_the_main_thread_signals_are_left_alone():
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(Diary())))
    thread.start()
    thread.join(10)

    assert codes == [0]


def test_asking_for_the_end_before_the_start_is_harmless():
    app = Diary(lambda _: app.request_stop())
    app.request_stop()

    assert run(app) == 0


@pytest.mark.parametrize(
    ("restart", "reason", "was_asked", "code"),
    [
        (Restart.PERMANENT, NORMAL, False, 0),
        (Restart.PERMANENT, SHUTDOWN, False, GAVE_UP),
        (Restart.PERMANENT, Custom("x"), False, GAVE_UP),
        (Restart.TRANSIENT, NORMAL, False, 0),
        (Restart.TRANSIENT, SHUTDOWN, False, GAVE_UP),
        (Restart.TEMPORARY, KILLED, False, 0),
        (Restart.PERMANENT, SHUTDOWN, True, 0),
        (Restart.PERMANENT, Shutdown("term"), True, 0),
        (Restart.TEMPORARY, KILLED, True, KILLED_TREE),
        (Restart.PERMANENT, Custom("x"), True, GAVE_UP),
    ],
)
def test_the_exit_code_reflects_the_reason(restart, reason, was_asked, code):
    assert exit_code(restart, reason, was_asked=was_asked) == code


async def test_stop_tree_kills_what_does_not_end_in_time(runtime: Runtime, clock):
    class Stuck(Scripted):
        async def terminate(self, reason):
            await asyncio.Event().wait()

    process = await started(runtime, Stuck())
    stopping = asyncio.create_task(stop_tree(process, SHUTDOWN, within_s=3))
    await clock.advance(3)

    assert not await stopping
    assert process.exit_reason == KILLED
