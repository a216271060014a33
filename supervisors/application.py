"""Running a tree as a program: stop it in order, never hang at the end (OTP `application`).

Python's own loop shutdown waits for ever for a task that swallows its cancellation; `stop_tree` therefore has a deadline and
tells whether it was kept, so that the program can leave by `os._exit` if it was not.
"""

from supervisors.exits import KILLED, ExitReason
from supervisors.process import Process

__all__ = ["stop_tree"]


async def stop_tree(root: Process, reason: ExitReason, *, within_s: float) -> bool:
    """Ask the top supervisor to end with `reason` and wait for it. False if it had to be killed."""
    root.request_stop(reason)
    if await root.ended(within_s) is not None:
        return True
    root.receive_exit(None, KILLED, linked=False)
    return False
