"""The door of the API: every request is a supervised task, there are never too many, and none is lost track of."""

import asyncio

from symbiont.actors import names
from symbiont.actors.http_server import Admit, Busy, InFlight
from symbiont.config.schema import Config, Server


async def request_until(event, answer="answered"):
    await event.wait()
    return answer


async def admit(system, event):
    return await system.ask(names.HTTP_SERVER, Admit(lambda: request_until(event)))


async def in_flight(system):
    return await system.ask(names.HTTP_SERVER, InFlight())


async def test_a_request_runs_as_a_task_and_its_answer_can_be_read(system):
    event = asyncio.Event()
    process = await admit(system, event)
    assert await in_flight(system) == 1
    event.set()
    await process.ended()
    assert process.value == "answered"
    assert await in_flight(system) == 0


async def test_one_request_too_many_is_told_so_at_once(start):
    system = await start(config=Config(server=Server(max_in_flight=2)))
    event = asyncio.Event()
    admitted = [await admit(system, event) for _ in range(3)]
    assert admitted[2] == Busy(2)
    event.set()
    await system.quiet()
    assert not isinstance(await admit(system, event), Busy)


async def test_requests_that_outlive_a_restart_are_counted_and_go_on(start):
    system = await start(config=Config(server=Server(max_in_flight=2)))
    event = asyncio.Event()
    first, _ = await admit(system, event), await admit(system, event)
    await system.crash(names.HTTP_SERVER)
    assert (await in_flight(system), await admit(system, event)) == (2, Busy(2))
    event.set()
    await system.quiet()
    assert (first.value, await in_flight(system)) == ("answered", 0)


async def test_requests_that_wait_leave_room_for_the_quick_ones_also_after_a_restart(start):
    system = await start(config=Config(server=Server(max_in_flight=4)))
    event = asyncio.Event()
    waiting = [await system.ask(names.HTTP_SERVER, Admit(lambda: request_until(event), waits=True)) for _ in range(4)]
    assert waiting[3] == Busy(3)
    await system.crash(names.HTTP_SERVER)
    assert await system.ask(names.HTTP_SERVER, Admit(lambda: request_until(event), waits=True)) == Busy(3)
    assert not isinstance(await admit(system, event), Busy)
    assert await admit(system, event) == Busy(4)
    event.set()


async def test_a_request_that_crashes_frees_its_place_and_touches_nobody(system):
    async def broken():
        raise RuntimeError("a bug")

    door = system.process(names.HTTP_SERVER)
    process = await system.ask(names.HTTP_SERVER, Admit(broken))
    await process.ended()
    assert await in_flight(system) == 0
    assert system.process(names.HTTP_SERVER) is door


async def test_runs_are_not_taken_for_requests(system):
    system.worker.hold()
    await system.submit(force_tier="haiku")
    await system.crash(names.HTTP_SERVER)
    assert await in_flight(system) == 0


async def test_a_task_supervisor_without_room_is_busy_too(start):
    system = await start(config=Config(server=Server(max_in_flight=10_000)))
    event = asyncio.Event()
    answers = [
        await system.runtime.named(names.HTTP_SERVER).call(Admit(lambda: request_until(event))) for _ in range(201)
    ]
    assert answers[-1] == Busy(200)
    event.set()
