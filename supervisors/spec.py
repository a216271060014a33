"""The vocabulary of supervision: what a child is and how it is to be kept. Values only; OTP `supervisor`, "Child specification".

Wrong values raise `BadSpec` with OTP's own word for the mistake as its `code`, before anything is started, whatever their type.
Deviations: an id is a string, for it is what people read; tuples as specifications are not ported. Extension: `restart_delay`.
"""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from math import inf, isfinite
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

from supervisors.errors import BadSpec
from supervisors.flags import AutoShutdown, Flags, Strategy
from supervisors.validation import Check, check_fields, is_a, is_duration, is_number, known_fields

if TYPE_CHECKING:
    from supervisors.process import Process
    from supervisors.runtime import Runtime

__all__ = [
    "BRUTAL_KILL",
    "AutoShutdown",
    "BrutalKill",
    "ChildSpec",
    "ChildType",
    "Delay",
    "Flags",
    "Modules",
    "Restart",
    "Start",
    "Started",
    "Strategy",
    "check_child",
    "check_childspecs",
]


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # only after an abnormal end
    TEMPORARY = "temporary"  # never; its specification goes with it


class ChildType(StrEnum):
    """What a child is, for those who walk the tree and for its default of `shutdown_s` (OTP `child_spec`: `type`)."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class BrutalKill(Enum):
    BRUTAL_KILL = "brutal_kill"


BRUTAL_KILL: Final = BrutalKill.BRUTAL_KILL
"""Shutdown value: `kill` without notice, and to be killed is no fault. With 0 there is a notice nobody waits for, and it is."""

WORKER_SHUTDOWN_S: Final = 5.0
SUPERVISOR_SHUTDOWN_S: Final = inf

Modules = tuple[object, ...] | Literal["dynamic"]
"""The classes that implement a child, for introspection alone; `dynamic` if it has none of its own."""


@dataclass(frozen=True, slots=True)
class Started:
    """A child that is up. `info` is what its start function had to say besides (OTP `{ok, Pid, Info}`)."""

    process: "Process"
    info: object = None


class Start(Protocol):
    """How a child comes up: called in the supervisor; answers, at once or when awaited, the living and linked child.

    None stands for OTP's `ignore`. Raises `NotStarted`; then nothing of the child is left.
    """

    def __call__(
        self, runtime: "Runtime", parent: "Process", /
    ) -> "Awaitable[Process | Started | None] | Process | Started | None": ...


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a child waits before it is restarted: `first_s`, then `factor` times longer each time, up to `longest_s`.

    An extension, for children whose restart would fail again at once. A life of `longest_s` or more begins anew at `first_s`.
    """

    first_s: float
    factor: float = 2.0
    longest_s: float = 60.0

    def __post_init__(self) -> None:
        fine = is_duration(self.first_s) and is_duration(self.longest_s) and isfinite(self.longest_s)
        if not fine or not is_number(self.factor) or not self.factor >= 1:
            raise BadSpec("invalid_restart_delay", f"expected seconds >= 0 and a factor >= 1, got: {self!r}")

    def after(self, failures: int) -> float:
        """Seconds before the attempt that follows `failures` ones."""
        try:
            return min(self.longest_s, self.first_s * self.factor**failures)
        except OverflowError:
            return self.longest_s


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child. `shutdown_s` is how long it may take to end after being asked (`inf` = as long as it needs).

    The defaults are OTP's: permanent; 5 s for a worker, no limit for a supervisor (its tree needs its time).
    """

    id: str
    start: Start
    restart: Restart = Restart.PERMANENT
    shutdown_s: float | BrutalKill | None = None
    type: ChildType = ChildType.WORKER
    significant: bool = False
    modules: Modules | None = None
    restart_delay: Delay | None = None

    def __post_init__(self) -> None:
        check_fields(self, _CHILD_FIELDS, f" of child {self.id!r}")
        if isinstance(self.modules, tuple):
            _check_modules(self.id, self.modules)
        if self.significant and self.restart is Restart.PERMANENT:
            raise BadSpec("bad_combination", f"expected significant child {self.id!r} not to be permanent")

    @classmethod
    def of(cls, entries: Mapping[str, object]) -> "ChildSpec":
        """A specification from a map, as OTP takes them: unknown keys are ignored."""
        given = known_fields(cls, entries, "invalid_child_spec")
        for key in ("id", "start"):
            if key not in given:
                raise BadSpec(f"missing_{key}", f"expected a child specification to have {key}, got: {list(entries)}")
        return cls(**given)

    @property
    def patience_s(self) -> float | BrutalKill:
        """`shutdown_s`, or the default for the type."""
        if self.shutdown_s is not None:
            return self.shutdown_s
        return WORKER_SHUTDOWN_S if self.type is ChildType.WORKER else SUPERVISOR_SHUTDOWN_S

    @property
    def implementation(self) -> Modules:
        """`modules`, or what the start function makes or is (OTP's default is the module of the start function)."""
        return self.modules if self.modules is not None else (_made_by(self.start),)

    def complete(self) -> "ChildSpec":
        """With the defaults filled in, as `GetChildspec` answers it."""
        return replace(self, shutdown_s=self.patience_s, modules=self.implementation)

    def without_start(self) -> "ChildSpec":
        """What is kept of a temporary child, which is never started again: nothing of its arguments (OTP: `undefined`)."""
        modules = self.implementation
        if self.modules is None and not isinstance(modules[0], type):
            modules = "dynamic"  # a function may hold arguments, too
        return replace(self, start=start_is_forgotten, modules=modules)


def check_childspecs(children: Iterable[ChildSpec], auto_shutdown: AutoShutdown | None = None) -> None:
    """Raise `BadSpec` unless these could be the children of one supervisor (OTP `supervisor:check_childspecs/1,2`).

    Each has been checked when it was made; here: that they are such, each id once, significance only if it can mean something.
    """
    if not isinstance(cast("object", children), (list, tuple)):
        raise BadSpec("badarg", f"expected a list of child specifications, got: {children!r}")
    if auto_shutdown is not None and not isinstance(cast("object", auto_shutdown), AutoShutdown):
        raise BadSpec("badarg", f"expected auto_shutdown to be one of AutoShutdown, got: {auto_shutdown!r}")
    seen: set[str] = set()
    for child in children:
        check_child(child, auto_shutdown)
        if child.id in seen:
            raise BadSpec("duplicate_child_name", f"expected every child id to be unique, got twice: {child.id}")
        seen.add(child.id)


def check_child(child: ChildSpec, auto_shutdown: AutoShutdown | None) -> None:
    if not isinstance(cast("object", child), ChildSpec):
        raise BadSpec("invalid_child_spec", f"expected a ChildSpec, got: {child!r}")
    if child.significant and auto_shutdown is AutoShutdown.NEVER:
        raise BadSpec(
            "bad_combination", f"expected no significant child where auto_shutdown is never, got: {child.id!r}"
        )


def start_is_forgotten(*_: object) -> None:
    """In place of the start function of a temporary child."""
    raise LookupError("a temporary child is started once and never again")


def _made_by(start: object) -> object:
    """What is behind a start function: `actor(partial(Ledger, journal))` makes a `Ledger`."""
    inner: object = start
    while inner is not None:
        start, inner = inner, getattr(inner, "make", None) or getattr(inner, "func", None)
    return start


def _check_modules(child_id: str, modules: tuple[object, ...]) -> None:
    for module in modules:
        if not (callable(module) or isinstance(module, str)):
            raise BadSpec("invalid_module", f"expected modules of child {child_id!r} to be classes, got: {module!r}")


_CHILD_FIELDS: Final[tuple[Check, ...]] = (
    ("id", "invalid_child_spec", is_a(str), "a string"),
    ("start", "invalid_mfa", callable, "something to call"),
    ("restart", "invalid_restart_type", is_a(Restart), "one of Restart"),
    ("shutdown_s", "invalid_shutdown", lambda it: it is None or it is BRUTAL_KILL or is_duration(it), "seconds >= 0"),
    ("type", "invalid_child_type", is_a(ChildType), "one of ChildType"),
    ("significant", "invalid_significant", is_a(bool), "a bool"),
    (
        "modules",
        "invalid_modules",
        lambda it: it is None or it == "dynamic" or isinstance(it, tuple),
        "a tuple of classes",
    ),
    ("restart_delay", "invalid_restart_delay", is_a(Delay, type(None)), "a Delay"),
)
