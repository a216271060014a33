"""A program with a child that swallows every cancellation: `zombie.py LOOP`. It is stopped at once, and has to end nevertheless."""

import asyncio
import sys

import structlog
import uvloop

from supervisors import Actor, ChildSpec, Flags, Process, Runtime, Supervisor, actor, spawn
from supervisors.application import Application, run

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 -- what the test reads


class Stubborn(Actor):
    async def terminate(self, reason: object) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


class Program(Application):
    hard_shutdown_s = 1.0

    async def start(self, runtime: Runtime) -> Process:
        self.runtime = runtime
        root = await spawn(runtime, Supervisor(Flags(), [ChildSpec("stubborn", actor(Stubborn), shutdown_s=0.05)]))
        assert root is not None
        say("up")
        self.request_stop()
        return root

    async def stop(self) -> None:
        say(f"zombies:{len(self.runtime.zombies)}")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(run(Program(), loop_factory=LOOPS[sys.argv[1]]))
