"""How a dynamic supervisor keeps its children: deaths, restarts, the end of all at once (Elixir `DynamicSupervisor`).

A child that is being restarted is known by the process it was. What is done at once returns its result; what may have to wait
returns a coroutine.
"""

from typing import final

from supervisors.actor import Actor, Stop
from supervisors.child import bring_up, reason_of, shut_down_all
from supervisors.clock import Timer
from supervisors.events import ChildTerminated, Context
from supervisors.exits import SHUTDOWN, ExitReason, is_abnormal
from supervisors.flags import Flags
from supervisors.intensity import Window
from supervisors.process import Process
from supervisors.spec import ChildSpec, Restart, Started
from supervisors.strategy import should_restart

__all__ = ["DynamicKeeper", "Retry"]


@final
class Retry:
    """A restart to come of what was the process `old`. `is_paid`: see `children.TryAgain`."""

    __slots__ = ("is_paid", "old", "spec", "timer")

    def __init__(self, old: Process, spec: ChildSpec, *, is_paid: bool) -> None:
        self.old = old
        self.spec = spec
        self.is_paid = is_paid
        self.timer: Timer | None = None

    def call_off(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class DynamicKeeper(Actor):
    """What supervises. A subclass says what may be asked."""

    trap_exit = True

    awaits: Process | None = None
    """The child whose end is awaited at the moment: a call from it would never be answered."""

    def __init__(self, flags: Flags, extra_arguments: tuple[object, ...]) -> None:
        self._extra = extra_arguments
        self._children: dict[Process, ChildSpec] = {}
        self._retrying: dict[Process, Retry] = {}
        self._failures: dict[Process, int] = {}  # attempts in a row, of children with a restart delay
        self._flags = flags
        self._window = Window(flags.intensity, flags.period_s)

    def restarts(self) -> tuple[int, int]:
        """For introspection: how many restarts count now, and how many may."""
        return self._window.count(self.runtime.clock.monotonic()), self._flags.intensity

    async def terminate(self, reason: ExitReason) -> None:
        children, self._children = self._children, {}
        problems = await shut_down_all(children, self.me)
        groups: dict[tuple[str, str, str], list[ExitReason]] = {}
        for spec, problem in problems:
            groups.setdefault((spec.id, spec.restart.value, str(problem)), []).append(problem)
        for (child, restart, _), same in groups.items():
            report = ChildTerminated(
                self.me.label, Context.SHUTDOWN_ERROR, child, same[0], restart, nb_children=len(same)
            )
            self.runtime.report(report)

    # Deaths

    def _ended(self, old: Process, spec: ChildSpec, reason: ExitReason) -> object:
        is_restarted = should_restart(spec.restart, reason)
        if is_restarted or is_abnormal(reason):
            self._report(spec, Context.CHILD_TERMINATED, reason)
        return self._restart(old, spec) if is_restarted else None

    def _restart(self, old: Process, spec: ChildSpec) -> object:
        """A restart is paid for first; then it is done, at once or after a delay."""
        now_s = self.runtime.clock.monotonic()
        if not self._window.add(now_s):
            return self._give_up(spec)
        delay = spec.restart_delay
        if delay is None:
            return self._start_again(old, spec)
        if now_s - old.started_s >= delay.longest_s:
            self._failures.pop(old, None)
        self._later(Retry(old, spec, is_paid=True))
        return None

    def _try_again(self, retry: Retry) -> object:
        if self._retrying.get(retry.old) is not retry:
            return None
        del self._retrying[retry.old]
        if retry.is_paid or self._window.add(self.runtime.clock.monotonic()):
            return self._start_again(retry.old, retry.spec)
        return self._give_up(retry.spec)

    def _give_up(self, spec: ChildSpec) -> Stop:
        self._report(spec, Context.SHUTDOWN, "reached_max_restart_intensity")
        return Stop(SHUTDOWN)

    def _later(self, retry: Retry) -> None:
        self._retrying[retry.old] = retry
        delay = retry.spec.restart_delay
        if delay is None:
            self.me.post_signal(retry)
            return
        failures = self._failures.get(retry.old, 0)
        self._failures[retry.old] = failures + 1
        retry.timer = self.me.send_after(delay.after(failures), retry)

    async def _start_again(self, old: Process, spec: ChildSpec) -> None:
        outcome = await bring_up(spec, self.runtime, self.me, self._extra)
        if outcome is None or isinstance(outcome, Started):
            failures = self._failures.pop(old, 0)
            if outcome is not None:
                self._keep(outcome.process, spec, failures)
        else:
            self._report(spec, Context.START_ERROR, reason_of(outcome))
            self._later(Retry(old, spec, is_paid=False))

    def _keep(self, process: Process, spec: ChildSpec, failures: int = 0) -> None:
        self._children[process] = spec.without_start() if spec.restart is Restart.TEMPORARY else spec
        if failures:
            self._failures[process] = failures

    def _report(self, spec: ChildSpec, context: Context, reason: ExitReason | str) -> None:
        self.runtime.report(ChildTerminated(self.me.label, context, spec.id, reason, spec.restart.value))
