"""Start a child process and follow it on the event loop: lines out, bytes in, a tail of stderr, the exit code.

It guarantees that the parent is never forked (`subprocess.Popen` without hooks takes the vfork path, which stays fast
however much memory the parent holds; the event loops' own spawning may not), that the child leads a session of its own,
that every child is reaped, and that no pipe outlives `close`. Memory is bounded (`lines.Bounds`).

It does not decide when a child has to stop, and it knows nothing of what the child says.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from symbiont.adapters.lines import Bounds, Feed, Lines, Tail

ExitWatch = Callable[["subprocess.Popen[bytes]", asyncio.AbstractEventLoop], "asyncio.Future[int]"]

AFTER_EXIT_S = 0.5
"""How long output may still come after the exit: a descendant that inherited the pipe could hold it open for ever."""


class Child:
    """A running process. `exited` resolves with its exit code (negative: the signal) and is never cancelled by us."""

    def __init__(self, process: "subprocess.Popen[bytes]", exited: "asyncio.Future[int]", bounds: Bounds) -> None:
        self._process = process
        self._lines = Lines(bounds)
        self._tail = Tail(bounds.stderr)
        self._feed = Feed()
        self._transports: list[asyncio.BaseTransport] = []
        self._unattached = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None]
        self._late: asyncio.TimerHandle | None = None
        self.exited = exited
        exited.add_done_callback(self._after_exit)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self.exited.result() if self.exited.done() else None

    @property
    def too_long_lines(self) -> int:
        """Lines dropped for their length."""
        return self._lines.too_long

    @property
    def overflowed(self) -> bool:
        """Whether the output was cut off for its size."""
        return self._lines.overflowed

    async def line(self) -> bytes | None:
        """The next line of standard output, None when there will be no more."""
        return await self._lines.next()

    async def stderr(self) -> str:
        """The end of standard error, read to its end if that comes soon."""
        await asyncio.wait([self._tail.closed], timeout=AFTER_EXIT_S)
        return self._tail.text()

    async def ended(self, within_s: float) -> bool:
        """Whether the process ends within so many seconds; cancelling the wait leaves it alone."""
        await asyncio.wait([self.exited], timeout=within_s)
        return self.exited.done()

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself; nothing happens if it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill_group(self) -> None:
        """SIGKILL to the process and all that share its group; nothing happens if none is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give back the pipes, whoever else holds them. The process is not touched; its exit is still collected."""
        self._lines.end()
        if self._late is not None:
            self._late.cancel()
        self._feed.drop()
        for transport in self._transports[1:]:
            transport.close()
        for pipe in self._unattached:
            pipe.close()

    def give_up(self, attaching: "asyncio.Future[None]") -> None:
        """Close what an attaching nobody waits for any more has attached."""
        if not attaching.cancelled():
            attaching.exception()
        self.close()

    async def connect(self, stdin: bytes) -> None:
        """Attach the pipes to the loop and let `stdin` flow; a child that does not want to read it is no error."""
        loop = asyncio.get_running_loop()
        feed, _ = await loop.connect_write_pipe(lambda: self._feed, self._next_pipe(loop))
        self._transports.append(feed)
        out, _ = await loop.connect_read_pipe(lambda: self._lines, self._next_pipe(loop))
        self._transports.append(out)
        err, _ = await loop.connect_read_pipe(lambda: self._tail, self._next_pipe(loop))
        self._transports.append(err)
        self._feed.give(stdin)

    def _next_pipe(self, loop: asyncio.AbstractEventLoop) -> IO[bytes]:
        pipe = for_transport(self._unattached[0], loop)
        del self._unattached[0]
        return pipe

    def _after_exit(self, exited: "asyncio.Future[int]") -> None:
        if not self._lines.ended:
            self._late = exited.get_loop().call_later(AFTER_EXIT_S, self._lines.end)


async def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: bytes = b"",
    bounds: Bounds | None = None,
    watch: ExitWatch | None = None,
) -> Child:
    """Start `argv` with exactly `env`, in a session of its own, and feed it `stdin`.

    `OSError` if it cannot be started. If the attaching is cancelled, the child is killed.
    """
    limits = bounds or Bounds()
    process = subprocess.Popen(  # noqa: S603, ASYNC220 -- no shell; vfork returns at once, see the head of the file
        list(argv),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        close_fds=True,
        start_new_session=True,
    )
    loop = asyncio.get_running_loop()
    child = Child(process, (watch or exit_by_pidfd)(process, loop), limits)
    # Shielded: an attaching that is cut off half way leaves pipes that belong to nobody.
    attaching = asyncio.ensure_future(child.connect(stdin))
    try:
        await asyncio.shield(attaching)
    except BaseException:
        child.kill_group()
        attaching.add_done_callback(child.give_up)
        await child.ended(AFTER_EXIT_S)
        raise
    return child


def for_transport(pipe: IO[bytes], loop: asyncio.AbstractEventLoop) -> IO[bytes]:
    """An end of a pipe for a transport of `loop` to own: its descriptor is closed once, whichever loop that is.

    asyncio closes the object it was given. libuv closes the descriptor, and uvloop the object after that: by then the number may
    belong to a file that another thread has just opened, and it would be that one which is closed.
    """
    if isinstance(loop, asyncio.BaseEventLoop):
        return pipe
    descriptor = os.dup(pipe.fileno())
    pipe.close()
    return os.fdopen(descriptor, pipe.mode, 0, closefd=False)


def exit_by_pidfd(process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> "asyncio.Future[int]":
    """Collect the exit through a process descriptor; by a thread where the system has none (macOS, old kernels)."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return exit_by_thread(process, loop)
    exited: asyncio.Future[int] = loop.create_future()

    def collect() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        _resolve(exited, process.wait())

    loop.add_reader(descriptor, collect)
    return exited


def exit_by_thread(process: "subprocess.Popen[bytes]", loop: asyncio.AbstractEventLoop) -> "asyncio.Future[int]":
    """Collect the exit in a thread of its own."""
    exited: asyncio.Future[int] = loop.create_future()

    def collect() -> None:
        code = process.wait()
        # The loop may be closed by now; then nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, exited, code)

    threading.Thread(target=collect, name=f"exit of {process.pid}", daemon=True).start()
    return exited


def _resolve(exited: "asyncio.Future[int]", code: int) -> None:
    if not exited.done():
        exited.set_result(code)
