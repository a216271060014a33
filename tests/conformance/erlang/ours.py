"""Plays scenarios on our supervisors, on virtual time, and writes the same trace that `driver.erl` prints."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import supervisors
from supervisors import (
    BRUTAL_KILL,
    IGNORE,
    KILLED,
    NO_REPLY,
    NORMAL,
    SHUTDOWN,
    Actor,
    CallExit,
    ChildSpec,
    ChildType,
    Custom,
    Down,
    Error,
    Exit,
    ExitWith,
    Flags,
    NotStarted,
    Process,
    Request,
    Restart,
    Runtime,
    Shutdown,
    Stop,
    Strategy,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import CountChildren, DeleteChild, FailedToStart, RestartChild, StartChild, TerminateChild
from supervisors.admin import WhichChildren as Which
from supervisors.events import ChildTerminated
from supervisors.exits import NOPROC
from supervisors.testing import VirtualClock, settle
from tests.conformance.erlang.script import Child, Reason, Scenario, Step, Sup

REASONS = {"normal": NORMAL, "shutdown": SHUTDOWN, "kill": KILLED}
ADMIN = {"terminate_child": TerminateChild, "restart_child": RestartChild, "delete_child": DeleteChild}


@dataclass(frozen=True)
class Ask(Request[object]):
    words: tuple[object, ...]


class Boom(Exception):
    """What a child raises; its text never matters."""


def reason_of(reason: Reason):
    return Shutdown(reason[1]) if isinstance(reason, tuple) else REASONS.get(reason) or Custom(reason)


def word(reason: object) -> str:
    match reason:
        case Shutdown(FailedToStart(child, inner)):
            return f"shutdown(failed_to_start {child} {word(inner)})"
        case Shutdown(term):
            return "shutdown" if term is None else f"shutdown({term})"
        case Error(CallExit() as call):
            return f"call_exit({word(call.reason)})"
        case Error():
            return "error"
        case Custom(term):
            return str(term)
        case str():
            return _word_of_text(reason)
        case _:
            return type(reason).__name__.lower()


def _word_of_text(text: str) -> str:
    """A report may hold a reason as text."""
    if text.startswith("CallExit: "):
        return f"call_exit({word(text.partition(' ended: ')[2])})"
    return TEXTS.get(text, "error" if ": " in text else text)


CUSTOM = [Custom(term) for term in ("boom", "cannot", "foo", "other", "calling_self")]
NESTED = Shutdown(FailedToStart("c", Custom("cannot")))
TEXTS = {str(reason): word(reason) for reason in (NORMAL, SHUTDOWN, KILLED, NOPROC, Shutdown("x"), NESTED, *CUSTOM)}


class Scripted(Actor):
    def __init__(self, play: "Play", child: Child) -> None:
        self.play, self.child = play, child

    def say(self, event: str, *more: str) -> None:
        self.play.event(event, self.child.name, *more)

    def init(self) -> object:
        outcome = self.play.outcome(self.child)
        return self._gate() if outcome == "gate" else self._come_up(outcome)

    async def _gate(self) -> object:
        self.play.gate.set_result(None)
        await self.play.opened
        return self._come_up("fail")

    def _come_up(self, outcome: str) -> object:
        match outcome:
            case "ok":
                self.say("start")
                return self.play.watch(self.child.name, self.me)
            case "ignore":
                self.say("ignore")
                return IGNORE
            case "raise":
                self.say("fail")
                raise Boom
            case _:
                self.say("fail")
                return Stop(Custom("cannot"))

    def handle_call(self, request: Ask, from_) -> object:
        match request.words:
            case ("ping",):
                return "pong"
            case ("later",):
                self.runtime.loop.call_soon(from_.reply, "pong")
                return NO_REPLY
            case ("stop", reason):
                return Stop(reason_of(reason))
            case ("stop_after_reply", reason):
                return Stop(reason_of(reason), "pong")
            case ("never",):
                return NO_REPLY
            case _:
                raise Boom

    def handle_cast(self, message: object) -> object:
        match message:
            case ("stop", reason):
                return Stop(reason_of(reason))
            case ("link", other):
                self.me.link(self.play.process(other))
            case ("unlink", other):
                self.me.unlink(self.play.process(other))
            case ("monitor", other):
                self.monitor(self.play.process(other))
            case ("exit_self", reason):
                self.me.exit(reason_of(reason))
            case ("monitor_dead",) | ("link_dead",) | ("call", _):
                return self._slowly(*message)
            case _:
                raise Boom
        return None

    async def _slowly(self, what: str, other: str = "") -> None:
        match what:
            case "call":
                self.say("heard", str(await self.named(other).call(Ask(("ping",)))))
            case "monitor_dead":
                self.monitor(await self.play.dead())
            case _:
                self.me.link(await self.play.dead())

    def handle_info(self, message: object) -> None:
        match message:
            case Exit(reason=reason):
                self.say("exit", word(reason))
            case Down(reason=reason):
                self.say("down", word(reason))

    def terminate(self, reason) -> object:
        self.say("terminate", word(reason))
        match self.child.on_stop:
            case ("sleep", ms):
                return self._sleep(ms / 1000)
            case "raise":
                raise Boom
            case ("exit", other):
                raise ExitWith(reason_of(other))
        return None

    async def _sleep(self, seconds: float) -> None:
        awake = self.runtime.loop.create_future()
        self.runtime.call_later(seconds, lambda: awake.done() or awake.set_result(None))
        await awake
        self.say("slept")


class Trapping(Scripted):
    trap_exit = True


class Frail(Scripted):
    trap_exit = False


class Play:
    """One scenario."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.clock = VirtualClock()
        self.runtime = Runtime(clock=self.clock, reporter=self._reported)
        self.gate = self.runtime.loop.create_future()
        self.opened = self.runtime.loop.create_future()
        self._starts: Counter[str] = Counter()
        self._watched: list[tuple[str, Process]] = []
        self._supervisors: set[str] = set()

    # The trace

    def event(self, *words: str) -> None:
        self.trace.append(" ".join(words))

    def _reported(self, event: object) -> None:
        if isinstance(event, ChildTerminated):
            self.event("report", event.supervisor, event.context.value, event.child, word(event.reason))

    def watch(self, name: str, process: Process) -> None:
        self._watched.append((name, process))

    def process(self, name: str) -> Process:
        process = self.runtime.whereis(name)
        assert process is not None
        return process

    async def dead(self) -> Process:
        process = await spawn(self.runtime, Actor())
        assert process is not None
        process.exit(KILLED)
        await process.ended()
        return process

    def outcome(self, child: Child) -> str:
        count = self._starts[child.name]
        self._starts[child.name] += 1
        return child.starts[count] if count < len(child.starts) else child.then

    # Playing

    async def play(self, scenario: Scenario) -> list[str]:
        self.event("result", await self._drive(self._start_root(scenario.tree)))
        await self._settle()
        for step in scenario.steps:
            self.event("step")
            await self._step(step, scenario.tree.name)
            await self._settle()
        return await self._end(scenario.tree.name)

    async def _end(self, root: str) -> list[str]:
        """Stop what is left; what happens then is no part of the trace."""
        played = list(self.trace)
        process = self.runtime.whereis(root)
        if process is not None:
            process.request_stop(SHUTDOWN)
            await self._drive(process.ended())
        return played

    async def _start_root(self, tree: Sup) -> str:
        try:
            process = await spawn(self.runtime, self._supervisor(tree), name=tree.name)
        except NotStarted as failed:
            return f"error {word(failed.reason)}"
        assert process is not None
        self.watch(tree.name, process)
        return "ok"

    async def _drive(self, work: Awaitable[object]) -> object:
        """Let time pass until `work` is done."""
        task = asyncio.ensure_future(work)
        await settle()
        while not task.done():
            await self.clock.advance(0.01)
        return task.result()

    async def _quiet(self) -> None:
        """Until nothing moves any more, though time may pass: a child may need its time to end."""
        calls = [self._drive(self._sync(name, process)) for name, process in self._alive()]
        before = len(self.trace), len(self._alive())
        for call in calls:
            await call
        if before != (len(self.trace), len(self._alive())):
            await self._quiet()

    async def _sync(self, name: str, process: Process) -> None:
        with suppress(CallExit):
            await process.call(Which() if name in self._supervisors else Ask(("ping",)), None)

    def _alive(self) -> list[tuple[str, Process]]:
        return [(name, process) for name, process in self._watched if process.alive]

    async def _settle(self) -> None:
        await self._quiet()
        for name, process in self._watched:
            if not process.alive:
                self.event("died", name, word(process.exit_reason))
        self._watched = self._alive()
        for name, process in self._watched:
            if name in self._supervisors:
                rows = await self._drive(process.call(Which()))
                self.event("children", name, *(f"{row.id}={_state(row)}" for row in rows))

    # Steps

    async def _step(self, step: Step, root: str) -> None:
        match step:
            case ("stop",):
                process = self.process(root)
                process.request_stop(SHUTDOWN)
                await self._drive(process.ended())
            case ("tell", name, message):
                self.process(name).cast(message)
            case ("signal", deaths):
                for name, reason in deaths:
                    self.runtime.named(name).exit(reason_of(reason))
            case ("call", name, words):
                self.event("result", await self._drive(self._call(name, words)))
            case ("gated", name, sup, requests):
                await self._gated(name, sup, requests)
            case (operation, sup, argument):
                self.event("result", await self._drive(self._administer(operation, sup, argument)))

    async def _call(self, name: str, words: tuple[object, ...]) -> str:
        try:
            return f"reply {await self.runtime.named(name).call(Ask(words), 0.05)}"
        except CallExit as failed:
            return f"exit {word(failed.reason)}"

    async def _gated(self, name: str, sup: str, requests: tuple[Step, ...]) -> None:
        self.process(name).cast(("stop", "boom"))
        await self.gate
        answers = [asyncio.ensure_future(self._administer(operation, sup, to)) for operation, _, to in requests]
        await settle()
        self.opened.set_result(None)
        await self._quiet()
        for answer in answers:
            self.event("result", await answer)

    async def _administer(self, operation: str, sup: str, argument: object) -> str:
        address = self.runtime.named(sup)
        match operation:
            case "count_children":
                counts = await address.call(CountChildren())
                return f"{counts.specs} {counts.active} {counts.supervisors} {counts.workers}"
            case "which_children":
                return " ".join(f"{row.id}={_state(row)}" for row in await address.call(Which()))
            case "start_child":
                return _answer(await address.call(StartChild(self._spec(argument)), None))
            case _:
                return _answer(await address.call(ADMIN[operation](argument), None))

    # Specifications

    def _supervisor(self, sup: Sup) -> Supervisor:
        self._supervisors.add(sup.name)
        more = {} if sup.auto_shutdown == "never" else {"auto_shutdown": supervisors.AutoShutdown(sup.auto_shutdown)}
        flags = Flags(Strategy(sup.strategy), sup.intensity, float(sup.period), **more)
        return Supervisor(flags, [self._spec(child) for child in sup.children])

    def _spec(self, child: Child | Sup) -> ChildSpec:
        if isinstance(child, Sup):
            start, kind = self._start_of(child), ChildType.SUPERVISOR
        else:
            kind = ChildType.WORKER
            start = actor(partial(Trapping if child.trap else Frail, self, child), name=child.name)
        more = {"significant": True} if child.significant else {}
        return ChildSpec(child.name, start, Restart(child.restart), _seconds(child.shutdown), kind, **more)

    def _start_of(self, sup: Sup):
        start = actor(partial(self._supervisor, sup), name=sup.name)

        async def watched(runtime: Runtime, parent: Process):
            started = await start(runtime, parent)
            self.watch(sup.name, self.process(sup.name))
            return started

        return watched


def _seconds(shutdown: object) -> float:
    match shutdown:
        case "brutal_kill":
            return BRUTAL_KILL
        case "infinity":
            return float("inf")
        case _:
            return shutdown / 1000


def _state(row) -> str:
    return "restarting" if row.restarting else "undefined" if row.process is None else "up"


PLAIN = {"ok", "already_started", "already_present", "not_found", "running", "restarting"}


def _answer(answer: object) -> str:
    """What a supervisor said, in OTP's words."""
    match answer:
        case None | "ignored":
            return "ok undefined"
        case str():
            return str(answer) if answer in PLAIN else "error"
        case _:
            kind = type(answer).__name__
            return {"AlreadyStarted": "already_started", "StartFailed": "error"}.get(kind, "ok pid")


async def play(scenario: Scenario) -> list[str]:
    return await Play().play(scenario)
