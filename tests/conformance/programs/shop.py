"""A program with a small tree, for tests of how programs end: `shop.py LOOP SCENARIO`."""

import asyncio
import signal
import sys
import threading
import time

import structlog
import uvloop

from supervisors import Actor, ChildSpec, Custom, Flags, Process, Runtime, Stop, Supervisor, actor, spawn
from supervisors.application import Application, run


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 -- what the test reads


class Part(Actor):
    def __init__(self, name: str) -> None:
        self.name = name

    def init(self) -> None:
        say(f"+{self.name}")

    def terminate(self, reason: object) -> None:
        say(f"-{self.name}")


class Breaks(Part):
    """Ends as soon as it is told; the tree has no budget to start it again."""

    trap_exit = False

    def handle_info(self, message: object) -> Stop:
        return Stop(Custom("broken"))

    def terminate(self, reason: object) -> None:
        return None


class Blocks(Part):
    def handle_info(self, message: float) -> None:
        say("blocking")
        end_s = time.monotonic() + message
        while time.monotonic() < end_s:
            pass


class Stuck(Actor):
    """Its end never comes by itself."""

    async def terminate(self, reason: object) -> None:
        await asyncio.Event().wait()


async def swallow() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def signal_myself() -> None:
    """In a thread: the kernel hands the signal to this one, and the wait of the main thread goes on."""
    # Nothing tells from outside that the loop waits; if it did not yet, the test would only prove less.
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)


class Shop(Application):
    shutdown_s = 20.0
    hard_shutdown_s = 25.0

    def __init__(self, scenario: str) -> None:
        self.scenario = scenario
        if scenario in {"zombie", "blocked"}:
            type(self).hard_shutdown_s = 1.0
        if scenario == "stuck_child":
            type(self).shutdown_s = 0.3

    async def start(self, runtime: Runtime) -> Process:
        root = await spawn(runtime, Supervisor(Flags(intensity=0), self.children()))
        assert root is not None
        say("up")
        if self.scenario == "signalled_in_a_thread":
            threading.Thread(target=signal_myself).start()
        if self.scenario == "zombie":
            self.task = asyncio.create_task(swallow())
            await asyncio.sleep(0)
        if self.scenario in {"gives_up", "blocked", "blocked_long"}:
            runtime.named("b").send(60.0)
        return root

    def children(self) -> list[ChildSpec]:
        if self.scenario == "stuck_child":
            return [ChildSpec("stuck", actor(Stuck), shutdown_s=float("inf"))]
        second = {"gives_up": Breaks, "blocked": Blocks, "blocked_long": Blocks}.get(self.scenario, Part)
        return [ChildSpec("a", actor(lambda: Part("a"))), ChildSpec("b", actor(lambda: second("b"), name="b"))]

    async def prep_stop(self) -> None:
        say("prep_stop")
        if self.scenario == "slow_end":
            await asyncio.Event().wait()

    async def stop(self) -> None:
        say("stop")

    def last_words(self, code: int) -> None:
        say(f"leaving:{code}")
        if self.scenario == "slow_end":
            raise RuntimeError("nobody hears this")


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(run(Shop(sys.argv[2]), loop_factory=LOOPS[sys.argv[1]]))
