"""The signals that ask a program to end.

Guarantees: one is heard even while a callback blocks the loop, and at once while the loop waits; what was ignored when the program
was started (`nohup`, `&` in a script) stays ignored; what stood before stands again afterwards. Works in the main thread alone, for
Python allows it there alone; elsewhere it does nothing. Does not know what an end is.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_signals"]


@contextmanager
def stop_signals(
    numbers: Sequence[int],
    loop: asyncio.AbstractEventLoop,
    first: Callable[[], object],
    *,
    seen: Callable[[], object],
    again: Callable[[int], object],
) -> Generator[None]:
    """Within the block: at the first of them `seen`, and `first` in the loop; at every further one `again(number)`.

    `seen` and `again` are called in the handler, in the middle of whatever the main thread does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def arrived(number: int, _frame: FrameType | None) -> None:
        """Python's own handler and not the loop's, which has to wait for the loop."""
        came.append(number)
        if len(came) > 1:
            again(number)
            return
        seen()
        loop.call_soon_threadsafe(first)

    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, arrived) for number in heard}
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
