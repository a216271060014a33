"""Running a tree as a program: start it, stop it in order, never hang at the end (OTP `application`, `init`).

    class Shop(Application):
        async def start(self, runtime: Runtime) -> Process: ...      # the root of the tree, up

    sys.exit(run(Shop(), loop_factory=uvloop.new_event_loop))

Order of an ordered end, as in OTP: `prep_stop` → the tree, in reverse → `stop`. It begins with the first of the application's
signals, or with `request_stop`; a second signal leaves at once. If the tree ends by itself, only `stop` runs. A hard deadline, kept
by a thread of its own (see `deadline`), covers all of it and the closing of the loop: Python waits there for ever for a task that
swallows its cancellation. A signal counts even while the loop is blocked. Whoever leaves without order says `last_words`.

Exit codes: 0 after an ordered end, or when the root ends `Normal`; `GAVE_UP` when it ends otherwise and the application is not
`temporary`; `KILLED_TREE` when the tree had to be killed; `TOO_LATE` at the hard deadline; 128 + signal at a second signal; that of
`SystemExit` if code of the program raises it.
Deviation: a permanent application whose root ends `Normal` has done its work; OTP would call that a failure of the node.
"""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, Final

import structlog

from supervisors.deadline import Deadline
from supervisors.exits import KILLED, SHUTDOWN, ExitReason, Killed, Normal, Shutdown, bounded_text, error_of
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.spec import Restart
from supervisors.stop_signals import stop_signals

__all__ = ["GAVE_UP", "KILLED_TREE", "TOO_LATE", "Application", "exit_code", "run", "running", "stop_tree"]

GAVE_UP: Final = 70
"""The tree ended by itself, and was not to (sysexits: EX_SOFTWARE): the service manager is to start the program again."""

KILLED_TREE: Final = 75
"""The tree did not end in its time and was killed."""

TOO_LATE: Final = 124
"""The hard deadline (as `timeout` says it)."""

_log = structlog.get_logger("supervisors")


async def stop_tree(root: Process, reason: ExitReason, *, within_s: float) -> bool:
    """Ask the top supervisor to end with `reason` and wait for it. False if it had to be killed."""
    root.request_stop(reason)
    if await root.ended(within_s) is not None:
        return True
    root.receive_exit(None, KILLED, linked=False)
    return False


class Application(ABC):
    """A tree and what belongs around it."""

    restart: ClassVar[Restart] = Restart.PERMANENT
    """What the end of the root by itself means for the program (OTP: application type)."""

    signals: ClassVar[Sequence[signal.Signals]] = (signal.SIGTERM, signal.SIGINT)
    """What asks the program to end. One that was ignored when the program was started (`nohup`) stays ignored."""

    shutdown_s: float = 30.0
    """How long the tree may take to end, after which it is killed. `prep_stop` may still change it."""

    hard_shutdown_s: float = 45.0
    """How long the whole end may take, the closing of the loop included."""

    stopping: asyncio.Event | None = None
    """Set when the end begins; for `run` alone."""

    @abstractmethod
    async def start(self, runtime: Runtime) -> Process:
        """Bring the tree up and return its root. What it raises ends the program, after `stop`."""

    async def prep_stop(self) -> None:  # noqa: B027 -- nothing to do by default
        """Before the tree is stopped in order: refuse new work, finish what is under way."""

    async def stop(self) -> None:  # noqa: B027 -- nothing to do by default
        """After the tree has ended, however it did: give back what was taken around it."""

    def last_words(self, code: int) -> None:  # noqa: B027 -- nothing to do by default
        """Before the process leaves without order, at a second signal or the hard deadline. In a thread of its own, whatever else
        goes on; it has `deadline.LAST_WORDS_S`.
        """

    def request_stop(self) -> None:
        """Begin the ordered end from within the program (OTP `init:stop/0`). Harmless before the start and after the end."""
        if self.stopping is not None:
            self.stopping.set()


def exit_code(restart: Restart, reason: ExitReason, *, was_asked: bool) -> int:
    """What the end of the root means to whoever started the program."""
    if isinstance(reason, Normal) or (was_asked and isinstance(reason, Shutdown)):
        return 0
    if was_asked:
        return KILLED_TREE if isinstance(reason, Killed) else GAVE_UP
    return 0 if restart is Restart.TEMPORARY else GAVE_UP


def run(
    application: Application,
    *,
    make_runtime: Callable[[], Runtime] = Runtime,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run to the end; returns the exit code. In the main thread it takes the signals. Raises what `start` raises."""
    deadline = Deadline(application.hard_shutdown_s, TOO_LATE, application.last_words)
    program = _Program(application, make_runtime, deadline.begin)
    with deadline, asyncio.Runner(loop_factory=loop_factory) as runner:
        signals = application.signals, runner.get_loop(), application.request_stop
        with stop_signals(*signals, seen=deadline.begin, again=lambda number: deadline.leave(128 + number)):
            try:
                return _lived(program, runner)
            finally:
                deadline.begin()  # the loop is closed next


def _lived(program: "_Program", runner: asyncio.Runner) -> int:
    try:
        return runner.run(program.live())
    except (KeyboardInterrupt, SystemExit) as interruption:
        runner.run(program.end())
        return _code_of(interruption)


@asynccontextmanager
async def running(application: Application, make_runtime: Callable[[], Runtime] = Runtime) -> AsyncGenerator[Process]:
    """The same within a loop that is there already, a test's perhaps: up within the block, ended in order after it.

    Brings the root. No signals and no hard deadline; `request_stop` does nothing.
    """
    program = _Program(application, make_runtime, lambda: None)
    try:
        yield await program.up()
    finally:
        await program.end()


class _Program:
    """One life of an application."""

    def __init__(
        self, application: Application, make_runtime: Callable[[], Runtime], ending: Callable[[], None]
    ) -> None:
        self._application: Final = application
        self._ending: Final = ending
        self._make_runtime = make_runtime
        self._stopping = application.stopping = asyncio.Event()
        self._root: Process | None = None
        self._is_over = False

    async def up(self) -> Process:
        try:
            self._root = await self._application.start(self._make_runtime())
        except BaseException as error:
            await self._after_tree(error)
            raise
        return self._root

    async def live(self) -> int:
        root = await self.up()
        root.on_death(lambda _reason: self._stopping.set())
        await self._stopping.wait()
        was_asked = root.alive
        reason = await self.end()
        return exit_code(self._application.restart, reason, was_asked=was_asked)

    async def end(self) -> ExitReason:
        """Whatever is still to be done of: `prep_stop`, the tree, `stop`."""
        self._ending()
        root = self._root
        if root is not None and root.alive:
            await _guarded("prep_stop", self._application.prep_stop)
            if not await stop_tree(root, SHUTDOWN, within_s=self._application.shutdown_s):
                _log.error("tree_killed", within_s=self._application.shutdown_s)
                await root.ended()
        reason = SHUTDOWN if root is None else root.exit_reason or SHUTDOWN
        await self._after_tree(reason)
        return reason

    async def _after_tree(self, reason: ExitReason | BaseException) -> None:
        """Once, though an interrupted life and its end both come here."""
        if not self._is_over:
            self._is_over = True
            await _guarded("stop", self._application.stop)
            _log.info("application_ended", reason=bounded_text(reason.__str__))


async def _guarded(what: str, callback: Callable[[], Awaitable[None]]) -> None:
    """A hook that fails must not keep the rest from being stopped (OTP: `application_master` catches it, too)."""
    try:
        await callback()
    except Exception as error:  # noqa: BLE001 -- reported, and the end goes on
        reason = error_of(error)
        _log.error("application_hook_failed", hook=what, reason=str(reason), stack=reason.stack())


def _code_of(interruption: KeyboardInterrupt | SystemExit) -> int:
    if isinstance(interruption, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if interruption.code is None or isinstance(interruption.code, int):
        return interruption.code or 0
    return 1
