"""The children of a static supervisor: their specifications in start order, and what runs of each. Knows no rules."""

from collections.abc import Iterator
from typing import final

from supervisors.admin import Answer, ChildInfo
from supervisors.clock import Timer
from supervisors.process import Process
from supervisors.spec import ChildSpec, ChildType, Restart

__all__ = ["Child", "Children", "TryAgain", "busy_with"]


@final
class TryAgain:
    """The supervisor's message to itself about a restart to come (OTP `try_again_restart`); void unless it is the child's own.

    `is_paid`: a delayed restart was paid for when it was decided; a failed one that is tried again pays when it is.
    """

    __slots__ = ("id", "is_paid", "timer")

    def __init__(self, child_id: str, *, is_paid: bool) -> None:
        self.id = child_id
        self.is_paid = is_paid
        self.timer: Timer | None = None


@final
class Child:
    """A specification and what runs of it. `failures`: attempts in a row, for its restart delay."""

    __slots__ = ("failures", "process", "retry", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: Process | None = None
        self.retry: TryAgain | None = None
        self.failures = 0

    @property
    def restarting(self) -> bool:
        return self.retry is not None

    @property
    def is_present(self) -> bool:
        """Running, or to be so soon."""
        return self.process is not None or self.retry is not None

    @property
    def is_temporary(self) -> bool:
        return self.spec.restart is Restart.TEMPORARY

    def forget_start(self) -> None:
        """Once a temporary child runs, it keeps nothing of what it was started with."""
        if self.is_temporary and self.process is not None:
            self.spec = self.spec.without_start()

    def call_off(self) -> None:
        """A restart to come is no more to come."""
        retry, self.retry = self.retry, None
        if retry is not None and retry.timer is not None:
            retry.timer.cancel()

    def info(self) -> ChildInfo:
        spec = self.spec
        return ChildInfo(spec.id, self.process, spec.type, spec.restart, self.restarting, spec.implementation)


@final
class Children:
    """In start order; found by id and by process."""

    __slots__ = ("_by_id", "_by_process")

    def __init__(self) -> None:
        self._by_id: dict[str, Child] = {}
        self._by_process: dict[Process, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._by_id.values()))

    def __reversed__(self) -> Iterator[Child]:
        return reversed(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, child: object) -> bool:
        return isinstance(child, Child) and self._by_id.get(child.spec.id) is child

    def get(self, child_id: object) -> Child | None:
        return self._by_id.get(child_id) if isinstance(child_id, str) else None

    def of(self, process: Process | None) -> Child | None:
        """An exit signal may come from anywhere, even from outside of any process; only those of children count."""
        return None if process is None else self._by_process.get(process)

    def add(self, child: Child) -> None:
        """At the end."""
        self._by_id[child.spec.id] = child

    def drop(self, child: Child) -> None:
        self.went_down(child)
        child.call_off()
        self._by_id.pop(child.spec.id, None)

    def came_up(self, child: Child, process: Process) -> None:
        child.process = process
        child.forget_start()
        self._by_process[process] = child

    def went_down(self, child: Child) -> Process | None:
        """What ran of it."""
        process, child.process = child.process, None
        if process is not None:
            self._by_process.pop(process, None)
        return process

    def merge(self, specs: "tuple[ChildSpec, ...]") -> None:
        """Take over other specifications: what runs under an id goes on; those that are no more wanted stay, at the end.

        OTP `supervisor:code_change/3`: nothing is started or stopped.
        """
        old, self._by_id = self._by_id, {}
        for spec in specs:
            child = old.pop(spec.id, None) or Child(spec)
            child.spec = spec
            child.forget_start()
            self._by_id[spec.id] = child
        self._by_id.update(old)

    def count(self) -> tuple[int, int, int]:
        """All, those alive, and the supervisors among all."""
        alive = sum(process.alive for process in self._by_process)
        supervisors = sum(child.spec.type is ChildType.SUPERVISOR for child in self._by_id.values())
        return len(self._by_id), alive, supervisors


def busy_with(child: Child) -> Answer | None:
    """Why it can be neither restarted nor deleted by hand."""
    return Answer.RUNNING if child.process is not None else Answer.RESTARTING if child.restarting else None
