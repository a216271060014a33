"""The signals that ask this process to end: a terminal that closes asks like everybody else.

Guarantees: the first one begins the end in order, which has so much time and no more; the second one is the end.
Does not know what an end in order is, nor what to do on leaving without one: callers bring both.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LATE: Final = 1
IMPATIENT: Final = 130


def on_stop_signals(stop: Callable[[], object], leave: Callable[[int], object], *, within_s: float) -> None:
    """`stop` at the first signal; `leave` with an exit code at the second, or `within_s` later, from whatever thread.

    A signal that was ignored before we came (`nohup`) stays ignored.
    """
    asked: list[threading.Timer] = []

    def ask() -> None:
        if asked:
            leave(IMPATIENT)
            return
        # A thread of its own: code that swallows its cancellation would keep the loop from closing for ever.
        timer = threading.Timer(within_s, leave, args=(LATE,))
        timer.daemon = True
        timer.start()
        asked.append(timer)
        stop()

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, ask)
