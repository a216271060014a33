"""What type checkers know of a message: read by mypy and pyright in `make lint`, never run."""

import asyncio
from dataclasses import dataclass
from typing import assert_type

from supervisors import (
    Actor,
    Address,
    CallExit,
    From,
    MailboxFull,
    Pending,
    Process,
    Request,
    RequestIds,
    Runtime,
    TaskHandle,
    Tasks,
    multi_call,
    send_request,
    spawn,
)


@dataclass(frozen=True)
class Balance(Request[int]):
    account: str


@dataclass(frozen=True)
class Names(Request[tuple[str, ...]]):
    pass


@dataclass(frozen=True)
class Maybe(Request[float | None]):
    pass


class Bank(Actor):
    def handle_call(self, request: Balance | Names, from_: From) -> int | tuple[str, ...]:
        match request:
            case Balance():
                return 1
            case Names():
                return ("a",)


async def a_call_answers_what_its_message_says(bank: Address) -> None:
    assert_type(await bank.call(Balance("a")), int)
    assert_type(await bank.call(Names(), timeout_s=None), tuple[str, ...])
    assert_type(await bank.call(Maybe()), float | None)


async def so_does_one_that_is_answered_later(runtime: Runtime, bank: Address) -> None:
    assert_type(send_request(runtime, bank, Balance("a")), Pending[int])
    assert_type(await send_request(runtime, bank, Names()).wait(1.0), tuple[str, ...])
    ids: RequestIds[int, str] = RequestIds(runtime)
    ids.send(bank, Balance("a"), "label")
    answer = await ids.next()
    if answer is not None:
        assert_type(answer, tuple[str, int | CallExit | MailboxFull])
    replies, missing = await multi_call(runtime, [bank], Balance("a"))
    assert_type(replies, dict[Address, int])
    assert_type(missing, tuple[Address, ...])


async def a_spawned_actor_may_have_found_itself_unneeded(runtime: Runtime) -> None:
    process = await spawn(runtime, Bank())
    if process is not None:
        assert_type(await process.call(Balance("a")), int)
        assert isinstance(process, Process)


async def a_task_brings_what_its_coroutine_returns(tasks: Tasks) -> None:
    async def work() -> bytes:
        await asyncio.sleep(0)
        return b""

    handle = await tasks.async_nolink(work, label="work")
    assert_type(handle, TaskHandle[bytes])
    assert_type(await handle.result(), bytes)


async def a_message_that_is_no_request_is_refused(bank: Address) -> None:
    await bank.call("balance")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_failed_call_tells_its_reason(error: CallExit) -> None:
    assert_type(error.target, str)
