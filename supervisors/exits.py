"""Why a process ends: exit reasons are types, never strings (Erlang reference manual, "Processes", exit signals).

Guarantees: a reason is an immutable value that holds no stack frames, so keeping one keeps nothing else alive; its text is
bounded and cannot raise, whatever an exception or a term makes of `__str__`.
What a reason means for a restart is one function, `is_abnormal`; nobody parses texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from traceback import FrameSummary, StackSummary
from types import TracebackType
from typing import Final, cast, final

from supervisors.texts import bounded_text, brief

__all__ = [
    "CALLING_SELF",
    "KILLED",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "TIMEOUT",
    "CallExit",
    "Custom",
    "Error",
    "ExitReason",
    "ExitWith",
    "Killed",
    "NoProc",
    "Normal",
    "Shutdown",
    "Timeout",
    "bounded_text",
    "error_of",
    "is_abnormal",
    "reason_of",
]


@final
@dataclass(frozen=True, slots=True)
class Normal:
    """The process finished its work."""


@final
@dataclass(frozen=True, slots=True)
class Shutdown:
    """An orderly stop; with a `term` it is OTP's `{shutdown, Term}`."""

    term: object = None

    def __str__(self) -> str:
        return brief(self)


@final
@dataclass(frozen=True, slots=True)
class Killed:
    """Ended by the untrappable signal; what the peers of a killed process see too."""


@final
@dataclass(frozen=True, slots=True)
class NoProc:
    """There is no such process: the name is free or the process was dead before."""


@final
@dataclass(frozen=True, slots=True)
class Timeout:
    """A call (or a start) was not answered in time."""


@final
@dataclass(frozen=True, slots=True)
class Error:
    """An exception left a callback. `where` is the innermost part of the stack as (file, line, function)."""

    exception: BaseException
    where: tuple[tuple[str, int, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{type(self.exception).__name__}: {bounded_text(self.exception.__str__)}"

    def stack(self) -> str:
        """The stack as text, rendered only when somebody looks."""
        frames = [FrameSummary(file, line, function) for file, line, function in self.where]
        return "".join(StackSummary.from_list(frames).format())


@final
@dataclass(frozen=True, slots=True)
class Custom:
    """Any other reason the program itself chose: OTP's `exit(Term)`."""

    term: object

    def __str__(self) -> str:
        return brief(self)


ExitReason = Normal | Shutdown | Killed | NoProc | Timeout | Error | Custom

NORMAL = Normal()
SHUTDOWN = Shutdown()
KILLED = Killed()
NOPROC = NoProc()
TIMEOUT = Timeout()
CALLING_SELF = Custom("calling_self")

_DEEPEST: Final = 32


def error_of(exception: BaseException) -> Error:
    """The reason for an exception. Takes the traceback off it, and off every exception behind it.

    future → exception → traceback → frame → future is a cycle: keeping it would turn every crash into garbage-collector work.
    """
    where = _positions(exception.__traceback__)
    exception.__traceback__ = None
    if not _is_alone(exception):
        for each in _family(exception):
            each.__traceback__ = None
    return Error(exception, where)


class ExitWith(Exception):
    """Raised by a callback or a task to end for a reason of its choice: OTP's `exit(Reason)`. `terminate` runs, or ends with it."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(reason)
        self.reason = reason


def reason_of(exception: BaseException) -> ExitReason:
    """Why a process ends that let `exception` out."""
    if isinstance(exception, ExitWith):
        exception.__traceback__ = None
        return exception.reason
    return error_of(exception)


def _is_alone(exception: BaseException) -> bool:
    return exception.__cause__ is None is exception.__context__ and not isinstance(exception, BaseExceptionGroup)


def _family(exception: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts, and the members of groups, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exception]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", each).exceptions


def _positions(traceback: TracebackType | None) -> tuple[tuple[str, int, str], ...]:
    found: list[tuple[str, int, str]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append((code.co_filename, traceback.tb_lineno, code.co_qualname))
        traceback = traceback.tb_next
    return tuple(found[-_DEEPEST:])


def is_abnormal(reason: ExitReason) -> bool:
    """Whether a transient child that ended so is restarted, and whether a report is written (OTP: restart types)."""
    return not isinstance(reason, (Normal, Shutdown))


class CallExit(Exception):
    """A call that got no answer, with the reason: the callee is not there, died, was too slow, or is the caller itself."""

    def __init__(self, reason: ExitReason, target: str, request: object) -> None:
        super().__init__(reason, target, type(request).__name__)
        self.reason = reason
        self.target = target
        self.request = request

    def __str__(self) -> str:
        return f"call of {self.target} with {type(self.request).__name__} ended: {self.reason}"
