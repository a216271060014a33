"""Actors that do what their messages say, and keep a diary."""

import asyncio
from dataclasses import dataclass

from supervisors import Actor, From, Request, Runtime, spawn


@dataclass(frozen=True)
class Ask(Request[object]):
    """Answered with what `script` makes of the actor."""

    script: object


class Scripted(Actor):
    def __init__(self, diary: list[object] | None = None) -> None:
        self.diary = diary if diary is not None else []

    def handle_call(self, request: Ask, from_: From) -> object:
        script = request.script
        return script(self, from_) if callable(script) else script

    def handle_cast(self, message: object) -> object:
        if callable(message):
            return message(self)
        self.diary.append(message)
        return None

    def handle_info(self, message: object) -> object:
        self.diary.append(("info", message))
        return None

    def handle_continue(self, term: object) -> object:
        self.diary.append(("continue", term))
        return None


class Tidy(Scripted):
    """Overrides `terminate`, and so traps exits."""

    def terminate(self, reason: object) -> object:
        self.diary.append(("terminate", reason))
        return None


async def started(runtime: Runtime, actor: Actor, name: str | None = None):
    process = await spawn(runtime, actor, name=name)
    assert process is not None
    return process


def boom(*_: object) -> object:
    raise ValueError("boom")


async def forever(*_: object) -> None:
    await asyncio.Event().wait()
