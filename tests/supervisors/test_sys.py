"""`sys` on real actors: held still, looked into, changed."""

import asyncio

import pytest

from supervisors import NORMAL, SHUTDOWN, Actor, CallExit, Custom, sys
from supervisors.errors import CallbackFailed
from supervisors.exits import NOPROC, TIMEOUT
from supervisors.testing import settle
from tests.supervisors.scripted import Ask, Scripted, boom, forever, started


async def test_a_suspended_actor_serves_sys_alone_and_afterwards_everything_in_order(runtime, clock):
    diary: list[object] = []
    process = await started(runtime, Scripted(diary))
    await sys.suspend(process)
    process.cast("first")
    call = asyncio.create_task(process.call(Ask("answer"), timeout_s=1))
    process.send("third")
    await clock.advance(1)

    assert diary == []
    assert call.exception().reason == TIMEOUT
    assert (await sys.get_status(process)).is_suspended
    await sys.resume(process)
    await settle()
    assert diary == ["first", ("info", "third")]


async def test_suspend_and_resume_are_idempotent(runtime):
    process = await started(runtime, Scripted())
    await sys.suspend(process)
    await sys.suspend(process)
    await sys.resume(process)
    await sys.resume(process)

    assert await process.call(Ask(42)) == 42


async def test_a_suspended_actor_can_be_stopped(runtime):
    process = await started(runtime, Scripted())
    await sys.suspend(process)
    await sys.terminate(process, SHUTDOWN)

    assert process.exit_reason == SHUTDOWN


async def test_the_state_is_the_instance_and_can_be_exchanged(runtime):
    process = await started(runtime, old := Scripted(["old"]))
    new = Scripted(["new"])

    assert await sys.get_state(process) is old
    assert await sys.replace_state(process, lambda _old: new) is new
    assert await process.call(Ask(lambda self, _from: self.diary)) == ["new"]
    assert new.me is process


@pytest.mark.parametrize("change", [boom, lambda _old: "no actor"])
async def test_a_change_of_state_that_fails_changes_nothing(runtime, change):
    process = await started(runtime, old := Scripted())
    with pytest.raises(CallbackFailed):
        await sys.replace_state(process, change)

    assert await sys.get_state(process) is old
    assert await process.call(Ask(42)) == 42


class Newer(Scripted):
    def code_change(self, old: type[Actor], extra: object) -> None:
        self.diary = [(old.__name__, extra)]
        if extra == "broken":
            boom()


async def test_the_class_of_a_suspended_actor_is_changed_and_its_state_migrated(runtime):
    process = await started(runtime, Scripted(["old"]))
    await sys.suspend(process)
    await sys.change_code(process, Newer, "v2")
    await sys.resume(process)

    assert await process.call(Ask(lambda self, _from: (type(self), self.diary))) == (Newer, [("Scripted", "v2")])


async def test_a_change_of_code_that_fails_is_undone(runtime):
    process = await started(runtime, Scripted(["old"]))
    with pytest.raises(CallbackFailed, match="suspended"):
        await sys.change_code(process, Newer)
    await sys.suspend(process)
    with pytest.raises(CallbackFailed):
        await sys.change_code(process, Newer, "broken")
    await sys.resume(process)

    assert await process.call(Ask(lambda self, _from: (type(self), self.diary))) == (Scripted, ["old"])


async def test_debug_functions_see_what_goes_in_and_out_until_they_are_done(runtime):
    process = await started(runtime, Scripted())

    def three(seen: object, event: object, label: str) -> object:
        events.append((type(event).__name__, label))
        return sys.DONE if len(events) == 3 else seen

    events: list[object] = []
    await sys.install(process, three)
    await process.call(Ask(1))
    process.cast("x")
    process.cast("unseen")
    await settle()

    assert events == [("In", "Scripted"), ("Out", "Scripted"), ("In", "Scripted")]
    assert (await sys.get_status(process)).debug == ()


async def test_a_debug_function_that_raises_is_removed_and_reported(runtime, reports):
    process = await started(runtime, Scripted())
    await sys.install(process, boom, id="broken")

    assert await process.call(Ask(1)) == 1
    assert reports.kinds() == ["Unexpected"]
    assert (await sys.get_status(process)).debug == ()


async def test_a_trace_names_types_only_and_ends_at_its_limit(runtime, reports):
    process = await started(runtime, Scripted())
    await sys.trace(process, limit=2)
    await process.call(Ask("secret"))
    await process.call(Ask("secret"))

    assert [(event.what, event.subject) for event in reports.events] == [
        ("in", "handle_call Ask"),
        ("out", "str to a caller outside"),
    ]


async def test_the_log_keeps_the_last_events_and_statistics_count_them(runtime, clock):
    process = await started(runtime, Scripted())
    await sys.log(process, 3)
    await sys.statistics(process)
    for number in range(5):
        await process.call(Ask(number))
    await clock.advance(2)
    counted = await sys.get_statistics(process)

    assert len(await sys.get_log(process)) == 3
    assert (counted.messages_in, counted.messages_out, counted.now_s - counted.started_s) == (5, 5, 2)
    await sys.no_debug(process)
    assert await sys.get_statistics(process) is None


async def test_sys_reaches_an_actor_whose_mailbox_is_full_and_none_that_is_dead(runtime):
    class Small(Scripted):
        mailbox_capacity = 1

    process = await started(runtime, Small())
    await sys.suspend(process)
    process.cast(1)
    assert (
        await sys.get_status(process)
    ).module == "test_sys_reaches_an_actor_whose_mailbox_is_full_and_none_that_is_dead.<locals>.Small"
    await process.stop(NORMAL)
    with pytest.raises(CallExit) as caught:
        await sys.get_state(process)
    assert caught.value.reason == NOPROC


async def test_a_call_of_sys_on_oneself_is_refused_at_once(runtime):
    async def look(self, _from):
        return await sys.get_state(self.me)

    process = await started(runtime, Scripted())
    with pytest.raises(CallExit) as caught:
        await process.call(Ask(look))

    assert "calling_self" in str(caught.value.reason)


async def test_an_actor_in_a_callback_answers_sys_when_it_is_through(runtime, clock):
    process = await started(runtime, Scripted())
    process.cast(forever)
    await settle()
    asked = asyncio.create_task(sys.get_state(process, timeout_s=3))
    await clock.advance(3)

    assert asked.exception().reason == TIMEOUT
    process.exit(Custom("enough"))
