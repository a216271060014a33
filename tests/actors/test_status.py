"""The status and the lists of a tree some of whose actors are busy, away, or full of long texts."""

from symbiont.actors import names
from symbiont.domain.outcome import Done
from symbiont.service.queries import Queries


def queries(system):
    return Queries(system.runtime, tiers=system.world.tiers, clock=system.clock, workers=("claude",), version="1")


async def test_the_status_does_without_a_heartbeat_and_a_dispatcher_that_do_not_answer(system):
    asked = queries(system)
    asked._runtime = Without(system.runtime, {names.HEARTBEAT, names.DISPATCHER})
    seen = await asked.status()
    assert (seen.status, seen.limits, seen.last_heartbeat, seen.queue_size) == ("degraded", (), None, 0)


async def test_a_list_shows_the_beginning_of_long_texts_and_a_task_alone_all_of_it(system):
    system.worker.script(Done("b" * 1_000))
    task_id = await system.submit("a" * 1_000, force_tier="haiku")
    (listed,) = (await queries(system).tasks(None, 10)).tasks
    assert (listed.task, listed.answer.task, listed.answer.result) == (
        "a" * 199 + "…",
        "a" * 199 + "…",
        "b" * 199 + "…",
    )
    alone = await queries(system).task(task_id)
    assert (alone.task, alone.answer.result) == ("a" * 1_000, "b" * 1_000)


class Without:
    """A runtime in which nobody has these names."""

    def __init__(self, runtime, gone):
        self._runtime, self._gone = runtime, gone

    def named(self, name):
        return self._runtime.named(f"no {name}" if name in self._gone else name)

    def __getattr__(self, attribute):
        return getattr(self._runtime, attribute)
