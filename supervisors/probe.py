"""An actor for tests that keeps what it is sent, and lets a test wait for it.

    probe = await Probe.start(runtime)
    game.cast(Subscribe(probe.me))
    await probe.expect(Started())
    goal = await probe.matching(Goal)            # whatever comes before it may be fetched later

It traps exits, and takes calls, which it answers by what `answer` makes of them, or later through `Received.from_`.
Guarantees: what arrives is kept in order and fetched once; a wait that fails says what there was instead.
On a virtual clock a wait lets time pass, up to its limit; on a real one it wakes by the message, not by looking.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, final

from supervisors.actor import NO_REPLY, Actor
from supervisors.ref import From
from supervisors.runtime import Runtime
from supervisors.spawning import spawn
from supervisors.texts import brief
from supervisors.virtual_time import VirtualClock, eventually, settle

__all__ = ["Probe", "Received"]

T = TypeVar("T")
PATIENCE_S: Final = 1.0
SHOWN: Final = 10


@final
@dataclass(frozen=True, slots=True)
class Received:
    """One message: the callback it came to, when, and for a call where its answer goes."""

    kind: str
    message: object
    at_s: float
    from_: From | None = None

    def __str__(self) -> str:
        return f"{self.kind} {brief(self.message)}"


class Probe(Actor):
    """`received` is all of it, in order."""

    trap_exit = True

    def __init__(self, answer: Callable[[Any], object] | None = None) -> None:
        self.received: list[Received] = []
        self._answer = answer
        self._unread: list[Received] = []
        self._news = asyncio.Event()

    @classmethod
    async def start(
        cls, runtime: Runtime, *, name: str | None = None, answer: Callable[[Any], object] | None = None
    ) -> Self:
        probe = cls(answer)
        await spawn(runtime, probe, name=name)
        return probe

    @property
    def messages(self) -> list[object]:
        return [each.message for each in self.received]

    # Waiting

    async def next(self, within_s: float = PATIENCE_S) -> Received:
        """The oldest that was not fetched yet."""
        return await self._fetch(lambda _: True, "a message", within_s)

    async def expect(self, message: object, within_s: float = PATIENCE_S) -> Received:
        """The same; it has to be equal to `message`."""
        received = await self._fetch(lambda _: True, repr(message), within_s)
        if received.message != message:
            raise AssertionError(f"expected {message!r}, got: {received}")
        return received

    async def matching(self, of: type[T], where: Callable[[T], bool] | None = None, within_s: float = PATIENCE_S) -> T:
        """The oldest message of a type, and for which `where` is true; all others remain to be fetched."""
        found: list[T] = []

        def matches(received: Received) -> bool:
            message = received.message
            if isinstance(message, of) and (where is None or where(message)):
                found.append(message)
                return True
            return False

        await self._fetch(matches, f"a matching {of.__name__}", within_s)
        return found[-1]

    async def expect_nothing(self, for_s: float = 0.0) -> None:
        """Raises if anything is there to be fetched, or comes while `for_s` passes."""
        clock = self._runtime.clock
        if isinstance(clock, VirtualClock):
            await clock.advance(for_s)
        else:
            await asyncio.sleep(for_s)
            await settle()
        if self._unread:
            raise AssertionError(f"expected nothing, got: {self._shown()}")

    async def _fetch(self, matches: Callable[[Received], bool], wanted: str, within_s: float) -> Received:
        def find() -> Received | None:
            return next((each for each in self._unread if matches(each)), None)

        found = await (self._on_virtual_time if self._is_virtual else self._on_real_time)(find, within_s)
        if found is None:
            raise AssertionError(f"expected {wanted} within {within_s} s, there is: {self._shown()}")
        self._unread = [each for each in self._unread if each is not found]
        return found

    async def _on_virtual_time(self, find: Callable[[], Received | None], within_s: float) -> Received | None:
        try:
            return await eventually(find, within_s, clock=self._runtime.clock)
        except AssertionError:
            return None

    async def _on_real_time(self, find: Callable[[], Received | None], within_s: float) -> Received | None:
        is_over = False

        def give_up() -> None:  # not read from a clock: a loop may be early by a fraction of a millisecond
            nonlocal is_over
            is_over = True
            self._news.set()

        timer = self._runtime.call_later(within_s, give_up)
        try:
            while (found := find()) is None and not is_over:
                self._news.clear()
                await self._news.wait()
            return found
        finally:
            timer.cancel()

    @property
    def _runtime(self) -> Runtime:
        return self._home

    @property
    def _is_virtual(self) -> bool:
        return isinstance(self._runtime.clock, VirtualClock)

    def _shown(self) -> str:
        shown = [str(each) for each in self._unread[:SHOWN]]
        more = len(self._unread) - len(shown)
        return ", ".join(shown + ([f"and {more} more"] if more > 0 else [])) or "nothing"

    # The actor

    def init(self) -> None:
        self._home = self.runtime

    def handle_call(self, request: object, from_: From) -> object:
        self._take("call", request, from_)
        return NO_REPLY if self._answer is None else self._answer(request)

    def handle_cast(self, message: object) -> None:
        self._take("cast", message)

    def handle_info(self, message: object) -> None:
        self._take("info", message)

    def _take(self, kind: str, message: object, from_: From | None = None) -> None:
        received = Received(kind, message, self.runtime.clock.monotonic(), from_)
        self.received.append(received)
        self._unread.append(received)
        self._news.set()
