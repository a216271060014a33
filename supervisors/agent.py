"""A process around a value, for state that needs no protocol of its own (Elixir `Agent`).

    visits = await Agent.start(runtime, lambda: 0, name="visits")
    await visits.update(lambda n: n + 1)
    assert await visits.get(lambda n: n) == 1

Functions run inside the agent, one after another, in order of arrival; while one runs, the others wait. An exception in one ends the
agent, and the call with it: its supervisor decides. Give immutable values, or copy in `get`: what leaves the agent is not copied, as
Erlang would. Functions are plain ones: one that waits belongs into an actor, and is refused where it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, Generic, TypeVar, final

from supervisors.actor import NO_REPLY, Actor
from supervisors.errors import NotStarted
from supervisors.exits import NOPROC, NORMAL, ExitReason
from supervisors.process import Process
from supervisors.ref import CALL_TIMEOUT_S, Address, From, Request
from supervisors.runtime import Runtime
from supervisors.signals import current_process
from supervisors.spawning import actor, spawn
from supervisors.spec import ChildSpec, Restart

__all__ = ["Agent", "AgentProcess"]

S = TypeVar("S")
T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class _Apply(Request[T], Generic[S, T]):
    """Answered with the first part of what `function` makes of the value; the second is the new value."""

    function: Callable[[S], tuple[T, S]]


@final
@dataclass(frozen=True, slots=True)
class _Change(Generic[S]):
    function: Callable[[S], S]


class AgentProcess(Actor):
    """Keeps the value. `make` is called inside the agent, anew for every life."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Final = make
        self.value: Any = None

    def init(self) -> None:
        self.value = self._make()

    def handle_call(self, request: _Apply[Any, Any], from_: From) -> object:
        answer, self.value = request.function(self.value)
        from_.reply(answer)  # not returned: an answer may be of any type, also one that means something to the actor
        return NO_REPLY

    def handle_cast(self, message: _Change[Any]) -> None:
        self.value = message.function(self.value)


class Agent(Generic[S]):
    """The agent behind an address: a process, a name, or a key of a registry."""

    __slots__ = ("address",)

    def __init__(self, address: Address) -> None:
        self.address: Final = address

    @classmethod
    async def start(
        cls,
        runtime: Runtime,
        make: Callable[[], S],
        *,
        name: str | None = None,
        parent: Process | None = None,
        within_s: float | None = None,
    ) -> "Agent[S]":
        """Start an agent, unlinked. Raises `NameTaken` or `NotStarted`, with the reason."""
        process = await spawn(runtime, AgentProcess(_plain(make)), name=name, parent=parent, within_s=within_s)
        if process is None:  # an agent never ignores its start
            raise NotStarted(name or "agent", NOPROC)
        return cls(process)

    @classmethod
    async def start_link(
        cls, runtime: Runtime, make: Callable[[], S], *, name: str | None = None, within_s: float | None = None
    ) -> "Agent[S]":
        """Start an agent as the child of the process whose code is running: linked to it, and ended with it."""
        return await cls.start(runtime, make, name=name, parent=current_process(), within_s=within_s)

    @staticmethod
    def spec(
        id: str,  # noqa: A002 -- the field is called so
        make: Callable[[], Any],
        *,
        name: str | None = None,
        restart: Restart = Restart.PERMANENT,
        shutdown_s: float | None = None,
    ) -> ChildSpec:
        return ChildSpec(id, actor(partial(AgentProcess, _plain(make)), name=name), restart, shutdown_s)

    async def get(self, function: Callable[[S], T], timeout_s: float | None = CALL_TIMEOUT_S) -> T:
        """What `function` makes of the value."""
        plain = _plain(function)
        return await self.get_and_update(lambda value: (plain(value), value), timeout_s)

    async def update(self, function: Callable[[S], S], timeout_s: float | None = CALL_TIMEOUT_S) -> None:
        """Replace the value by what `function` makes of it."""
        plain = _plain(function)
        await self.get_and_update(lambda value: (None, plain(value)), timeout_s)

    async def get_and_update(self, function: Callable[[S], tuple[T, S]], timeout_s: float | None = CALL_TIMEOUT_S) -> T:
        """`function` returns the answer and the new value."""
        request: _Apply[S, T] = _Apply(_plain(function))
        return await self.address.call(request, timeout_s)

    def cast(self, function: Callable[[S], S]) -> bool:
        """`update` without waiting. False if nobody is there or the mailbox is full."""
        return self.address.cast(_Change(_plain(function)))

    async def stop(self, reason: ExitReason = NORMAL, timeout_s: float | None = None) -> None:
        """End the agent and wait for its end (OTP `gen_server:stop/3`).

        Raises `CallExit`: with `NoProc`, with `Timeout` (it goes on ending), or with another reason than the one asked for.
        """
        await self.address.stop(reason, timeout_s)


F = TypeVar("F", bound=Callable[..., object])


def _plain(function: F) -> F:
    if iscoroutinefunction(function):
        raise TypeError(f"expected a plain function for an agent, got: async def {function.__name__}; use an Actor")
    return function
