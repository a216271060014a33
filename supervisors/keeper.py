"""How a static supervisor keeps its children: deaths, rounds of restarts, and the beginning and end of each.

The decisions are in `strategy` and `intensity`, the children in `children`; here they are carried out, in OTP's order
(`supervisor.erl`). What is done at once returns its result; what may have to wait returns a coroutine.
"""

from supervisors.actor import Actor, Stop
from supervisors.child import NotUp, Outcome, bring_up, reason_of, shut_down
from supervisors.children import Child, Children, TryAgain
from supervisors.events import ChildTerminated, Context, Progress
from supervisors.exits import SHUTDOWN, ExitReason, is_abnormal
from supervisors.flags import Flags
from supervisors.intensity import Window
from supervisors.process import Process
from supervisors.spec import Started
from supervisors.strategy import ends_with, round_of, should_restart

__all__ = ["Keeper"]

_GAVE_UP = "reached_max_restart_intensity"


class Keeper(Actor):
    """What supervises. A subclass says whom, and what may be asked."""

    trap_exit = True

    awaits: Process | None = None
    """The child whose end is awaited at the moment: a call from it would never be answered."""

    _flags: Flags
    _window: Window
    _children: Children

    async def terminate(self, reason: ExitReason) -> None:
        await self._stop_all()

    def restarts(self) -> tuple[int, int]:
        """For introspection: how many restarts count now, and how many may."""
        return self._window.count(self.runtime.clock.monotonic()), self._flags.intensity

    # Deaths

    def _ended(self, child: Child, reason: ExitReason) -> object:
        process = self._children.went_down(child)
        if should_restart(child.spec.restart, reason):
            self._report(child, Context.CHILD_TERMINATED, reason)
            return self._restart(child, process)
        if is_abnormal(reason):
            self._report(child, Context.CHILD_TERMINATED, reason)
        if child.is_temporary:
            self._children.drop(child)
        others = (each.is_present for each in self._children if each.spec.significant and each is not child)
        is_last = ends_with(self._flags.auto_shutdown, is_significant=child.spec.significant, others=others)
        return Stop(SHUTDOWN) if is_last else None

    def _restart(self, child: Child, died: Process | None) -> object:
        """A restart is paid for first; then it is done, at once or after a delay."""
        now_s = self.runtime.clock.monotonic()
        if not self._window.add(now_s):
            return self._give_up(child)
        delay = child.spec.restart_delay
        if delay is None:
            return self._round(child)
        if died is not None and now_s - died.started_s >= delay.longest_s:
            child.failures = 0
        self._later(child, TryAgain(child.spec.id, is_paid=True))
        return None

    def _try_again(self, child: Child, retry: TryAgain) -> object:
        if retry.is_paid or self._window.add(self.runtime.clock.monotonic()):
            return self._round(child)
        return self._give_up(child)

    def _give_up(self, child: Child) -> Stop:
        self._report(child, Context.SHUTDOWN, _GAVE_UP)
        self._children.drop(child)
        return Stop(SHUTDOWN)

    def _later(self, child: Child, retry: TryAgain) -> None:
        delay = child.spec.restart_delay
        child.retry = retry
        if delay is None:
            self.me.post_signal(retry)
        else:
            retry.timer = self.me.send_after(delay.after(child.failures), retry)
            child.failures += 1

    async def _round(self, child: Child) -> None:
        """One attempt: everybody concerned is stopped, then started."""
        child.call_off()
        members = round_of(self._flags.strategy, self._children, child)
        for each in reversed(members):
            await self._stop_for_round(each)
        for each in members:
            if each in self._children and not await self._start_in_round(each):
                break

    async def _stop_for_round(self, child: Child) -> None:
        if child.process is not None:
            await self._stop(child)
        child.call_off()
        if child.is_temporary:
            self._children.drop(child)

    async def _start_in_round(self, child: Child) -> bool:
        problem = await self._start(child)
        if problem is None:
            return True
        self._report(child, Context.START_ERROR, reason_of(problem))
        self._later(child, TryAgain(child.spec.id, is_paid=False))
        return False

    # Starting and stopping one

    async def _start(self, child: Child) -> NotUp | None:
        """None when the child is up or not needed, else why not."""
        outcome = await bring_up(child.spec, self.runtime, self.me)
        self._take_in(child, outcome, on_request=False)
        return None if outcome is None or isinstance(outcome, Started) else outcome

    def _take_in(self, child: Child, outcome: Outcome, *, on_request: bool) -> None:
        if isinstance(outcome, Started):
            self._children.came_up(child, outcome.process)
            self.runtime.report(Progress(self.me.label, child.spec.id, outcome.process.incarnation, on_request))
        elif outcome is None and child.is_temporary:
            self._children.drop(child)

    async def _stop(self, child: Child) -> None:
        process = self._children.went_down(child)
        if process is None:
            return
        self.awaits = process
        problem = await shut_down(process, self.me, child.spec)
        self.awaits = None
        self.me.unlink(process, flush=True)
        if problem is not None:
            self._report(child, Context.SHUTDOWN_ERROR, problem)

    async def _stop_all(self) -> None:
        for child in reversed(self._children):
            await self._stop(child)

    def _report(self, child: Child, context: Context, reason: ExitReason | str) -> None:
        self.runtime.report(ChildTerminated(self.me.label, context, child.spec.id, reason, child.spec.restart.value))
