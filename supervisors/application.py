"""Running a tree as a program: start it, stop it in order, never hang at the end (OTP `application`, `init`).

    class Shop(Application):
        async def start(self, runtime: Runtime) -> Process: ...      # the root of the tree, up

    sys.exit(run(Shop(), loop_factory=uvloop.new_event_loop))

Order of an ordered end, as in OTP: `prep_stop` → the tree, in reverse → `stop`. It begins with the first SIGTERM or SIGINT, or with
`request_stop`; a second signal leaves at once. If the tree ends by itself, only `stop` runs. A hard deadline, kept by a thread of
its own (see `deadline`), covers all of it and the closing of the loop: Python waits there for ever for a task that swallows its
cancellation. A signal counts even while the loop is blocked.

Exit codes: 0 after an ordered end, or when the root ends `Normal`; `GAVE_UP` when it ends otherwise and the application is not
`temporary`; `KILLED_TREE` when the tree had to be killed; `TOO_LATE` at the hard deadline; 128 + signal at a second signal; that of
`SystemExit` if code of the program raises it.
Deviation: a permanent application whose root ends `Normal` has done its work; OTP would call that a failure of the node.
"""

import asyncio
import signal
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar, Final

import structlog

from supervisors.deadline import Deadline, leave_now
from supervisors.exits import KILLED, SHUTDOWN, ExitReason, Killed, Normal, Shutdown, bounded_text, error_of
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.spec import Restart

__all__ = ["GAVE_UP", "KILLED_TREE", "TOO_LATE", "Application", "exit_code", "run", "stop_tree"]

GAVE_UP: Final = 70
"""The tree ended by itself, and was not to (sysexits: EX_SOFTWARE): the service manager is to start the program again."""

KILLED_TREE: Final = 75
"""The tree did not end in its time and was killed."""

TOO_LATE: Final = 124
"""The hard deadline (as `timeout` says it)."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
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

    shutdown_s: ClassVar[float] = 30.0
    """How long the tree may take to end, after which it is killed."""

    hard_shutdown_s: ClassVar[float] = 45.0
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
    """Run to the end; returns the exit code. In the main thread it takes SIGTERM and SIGINT. Raises what `start` raises."""
    deadline = Deadline(application.hard_shutdown_s, TOO_LATE)
    program = _Program(application, make_runtime, deadline)
    with deadline, asyncio.Runner(loop_factory=loop_factory) as runner, _signals(program, runner.get_loop()):
        try:
            try:
                return runner.run(program.live())
            except (KeyboardInterrupt, SystemExit) as interruption:
                runner.run(program.end())
                return _code_of(interruption)
        finally:
            deadline.begin()  # the loop is closed next


class _Program:
    """One life of an application."""

    def __init__(self, application: Application, make_runtime: Callable[[], Runtime], deadline: Deadline) -> None:
        self.application: Final = application
        self.deadline: Final = deadline
        self._make_runtime = make_runtime
        self._stopping = application.stopping = asyncio.Event()
        self._root: Process | None = None
        self._is_over = False

    async def live(self) -> int:
        try:
            self._root = await self.application.start(self._make_runtime())
        except BaseException as error:
            await self._after_tree(error)
            raise
        self._root.on_death(lambda _reason: self._stopping.set())
        await self._stopping.wait()
        was_asked = self._root.alive
        reason = await self.end()
        return exit_code(self.application.restart, reason, was_asked=was_asked)

    async def end(self) -> ExitReason:
        """Whatever is still to be done of: `prep_stop`, the tree, `stop`."""
        self.deadline.begin()
        root = self._root
        if root is not None and root.alive:
            await _guarded("prep_stop", self.application.prep_stop)
            if not await stop_tree(root, SHUTDOWN, within_s=self.application.shutdown_s):
                _log.error("tree_killed", within_s=self.application.shutdown_s)
                await root.ended()
        reason = SHUTDOWN if root is None else root.exit_reason or SHUTDOWN
        await self._after_tree(reason)
        return reason

    async def _after_tree(self, reason: ExitReason | BaseException) -> None:
        """Once, though an interrupted life and its end both come here."""
        if not self._is_over:
            self._is_over = True
            await _guarded("stop", self.application.stop)
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


@contextmanager
def _signals(program: _Program, loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Python's own handlers and not the loop's: they run even while a callback blocks the loop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def arrived(number: int, _frame: FrameType | None) -> None:
        if seen:
            leave_now(128 + number)
        seen.append(number)
        program.deadline.begin()
        loop.call_soon_threadsafe(program.application.request_stop)

    before = {number: signal.signal(number, arrived) for number in _SIGNALS}
    try:
        with _woken_by_signals(loop):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Without it a signal may wait for the next event of the loop: one that comes between Python's last look for signals and the
    wait of the selector, or that the kernel hands to another thread. (uvloop does the same by itself, while it runs.)
    """
    awake, waking = socket.socketpair()
    with awake, waking:
        awake.setblocking(False)
        waking.setblocking(False)
        loop.add_reader(awake, lambda: awake.recv(4_096))
        before = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(awake)
