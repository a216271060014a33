"""One CLI process from its start until it is reaped.

Order matters here. Reading goes on while the process is being stopped, because after SIGINT it still tells what the call
had cost. The ladder SIGINT, SIGTERM, SIGKILL keeps its place when it is interrupted, so asking again never starts it
afresh. SIGINT and SIGTERM go to the process, which cleans up after itself; SIGKILL goes to its whole group, and then to
every descendant that still carries the marker, for tools live in sessions of their own.
"""

import asyncio
import signal
from collections import deque

from symbiont.adapters.claude_cli.orphans import kill_marked
from symbiont.adapters.claude_cli.stream import Transcript
from symbiont.adapters.spawn import Child
from symbiont.domain.outcome import TimedOut
from symbiont.ports import ModelCall

TERM_GRACE_S = 3.0
_KILL_GRACE_S = 5.0


class Session:
    """The process, what it said, and how far its stopping has come. `forced` tells whether it had to be killed."""

    def __init__(self, child: Child, call: ModelCall, marker: str, grace_s: float) -> None:
        self.child = child
        self.transcript = Transcript()
        self.forced = False
        self._call = call
        self._marker = marker
        self._grace_s = grace_s
        self._sent: set[signal.Signals] = set()
        self._rungs = deque([(signal.SIGINT, grace_s), (signal.SIGTERM, TERM_GRACE_S)])

    async def follow(self) -> TimedOut | None:
        """Read until the result, or the end of the output; or until one of the call's limits strikes."""
        call = self._call
        wall, idle = asyncio.timeout(call.timeout_s), asyncio.timeout(call.idle_timeout_s)
        try:
            async with wall, idle:
                await self._read_result(idle)
        except TimeoutError:
            if wall.expired():
                return TimedOut("wall", call.timeout_s, f"no answer within {call.timeout_s:g} s")
            return TimedOut("idle", call.idle_timeout_s, f"no sign of life for {call.idle_timeout_s:g} s")
        return None

    async def finish(self) -> int | None:
        """Let the process end by itself, or else end it; its exit code, None if it had to be ended."""
        if await self._ends_within(self._grace_s):
            await self._sweep()
            return self.child.exit_code
        await self.stop()
        return None

    async def stop(self) -> None:
        """Go down the ladder from where it stands until the process and all it started are gone."""
        while self._rungs and self.child.exit_code is None:
            number, patience_s = self._rungs[0]
            if number not in self._sent:
                self._sent.add(number)
                self.child.send(number)
            if await self._ends_within(patience_s):
                break
            self._rungs.popleft()
        if self.child.exit_code is None:
            self._kill()
            await self._ends_within(_KILL_GRACE_S)
        await self._sweep()

    async def slay(self) -> None:
        """No more patience: SIGKILL to all at once, and a last short wait to collect the exit."""
        self._kill()
        await asyncio.to_thread(kill_marked, self._marker)
        await self.child.ended(_KILL_GRACE_S)

    async def _read_result(self, idle: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        while self.transcript.result is None and (line := await self.child.line()) is not None:
            idle.reschedule(loop.time() + self._call.idle_timeout_s)
            self.transcript.feed(line)

    async def _ends_within(self, seconds: float) -> bool:
        """Read on until the process is gone."""
        try:
            async with asyncio.timeout(seconds):
                while (line := await self.child.line()) is not None:
                    self.transcript.feed(line)
                await self.child.ended(seconds)
        except TimeoutError:
            return False
        return self.child.exit_code is not None

    def _kill(self) -> None:
        self.forced = True
        self.child.kill_group()

    async def _sweep(self) -> None:
        """Nothing the call started outlives it, not even after a clean end."""
        self.child.kill_group()
        await asyncio.to_thread(kill_marked, self._marker)
