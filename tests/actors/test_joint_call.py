"""The meeting place of runs that share a call: who is waited for, and for how long. In the tree: `test_batches.py`."""

import asyncio
from itertools import count

import pytest

from supervisors import Runtime
from supervisors.testing import VirtualClock, settle
from symbiont.actors.joint_call import PATIENCE_S, JointCall, is_to_go_alone
from symbiont.domain.outcome import Done
from symbiont.ports import ModelCall
from tests.actors.worker_twin import Held, ScriptedWorker, each_its_own


class Worker(ScriptedWorker):
    """Answers each request of a shared call with what it would have been answered alone."""

    async def run(self, call):
        if call.parts:
            self.script(each_its_own(call))
        return await super().run(call)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
async def meet(clock):
    """Begins the call of a member."""
    runtime = Runtime(clock=clock)

    def begin(joint, worker, task_id):
        call = ModelCall(task_id, 1, "task", "haiku", "model", f"prompt of {task_id}", "system", timeout_s=60.0)
        return asyncio.ensure_future(joint.run(worker, call, runtime))

    return begin


def joint_of(*members):
    ids = count()
    return JointCall("joint-1", members, lambda: f"id-{next(ids)}")


async def test_who_does_not_come_is_not_waited_for_for_ever(clock, meet):
    joint, worker = joint_of("a", "b", "c"), Worker()
    there = [meet(joint, worker, task_id) for task_id in "ab"]
    await clock.advance(PATIENCE_S - 1.0)
    assert worker.calls == []

    await clock.advance(1.0)

    assert [(await each).outcome for each in there] == [Done(f"answer to prompt of {task_id}") for task_id in "ab"]
    assert [share.shared.of for share in [await each for each in there]] == [2, 2]


async def test_who_comes_after_that_has_made_no_call_and_goes_alone(clock, meet):
    joint, worker = joint_of("a", "b"), Worker()
    first = meet(joint, worker, "a")
    await clock.advance(PATIENCE_S)
    reply = await meet(joint, worker, "b")

    assert (is_to_go_alone(reply), reply.was_made, len(worker.calls)) == (True, False, 1)
    assert (await first).outcome == Done("answer to prompt of a")


async def test_a_call_that_is_under_way_is_not_made_again_when_patience_would_have_ended(clock, meet):
    joint, worker = joint_of("a", "b"), ScriptedWorker()
    held = Held(Done("at last"))
    worker.script(held)
    both = [meet(joint, worker, task_id) for task_id in "ab"]
    await settle()
    await clock.advance(2 * PATIENCE_S)
    held.release.set()

    await asyncio.wait(both)
    assert len(worker.calls) == 1


async def test_when_all_have_left_nobody_makes_a_call_later(clock, meet):
    joint, worker = joint_of("a", "b"), Worker()
    only = meet(joint, worker, "a")
    await settle()
    only.cancel()
    await asyncio.wait([only])
    await clock.advance(PATIENCE_S)

    assert worker.calls == []
