"""The beginning and the end of one child, for every kind of supervisor."""

from supervisors.errors import NotStarted
from supervisors.exits import KILLED, SHUTDOWN, ExitReason, Killed, Normal, Shutdown, error_of
from supervisors.process import Process
from supervisors.runtime import Runtime
from supervisors.spec import ChildSpec

__all__ = ["bring_up", "shut_down"]


async def bring_up(spec: ChildSpec, runtime: Runtime, by: Process) -> Process | NotStarted | None:
    """Call a start function; an exception of any kind is a start that failed (OTP `supervisor`: `{error, What}`)."""
    try:
        return await spec.start(runtime, by)
    except NotStarted as error:
        return error
    except Exception as error:  # noqa: BLE001 -- a start function is not ours, and its bugs are not the supervisor's
        return NotStarted(spec.id, error_of(error))


async def shut_down(process: Process, by: Process, patience_s: float, *, permanent: bool) -> ExitReason | None:
    """End `process` and wait until it has ended (OTP `supervisor:shutdown/1`). Always completes.

    Asks with `Shutdown` and kills after `patience_s` (0 = kill at once). Returns the reason if it is not the one asked for.
    The exit that a link has brought meanwhile is the caller's to forget.
    """
    reason = process.exit_reason
    if reason is None and patience_s > 0:
        process.receive_exit(by, SHUTDOWN, linked=False)
        reason = await process.ended(patience_s)
    if reason is None:
        process.receive_exit(by, KILLED, linked=False)
        reason = await process.ended()
    if reason == SHUTDOWN or (isinstance(reason, Killed) and patience_s <= 0):
        return None
    if isinstance(reason, (Normal, Shutdown)) and not permanent:
        return None
    return reason
