"""A supervisor whose plan changes while it runs (OTP `supervisor:code_change/3`): nothing is started or stopped by that."""

from supervisors import Flags, Restart, Strategy, Supervisor
from supervisors.admin import RestartChild
from supervisors.supervisor import Plan
from supervisors.sys import change_code, resume, suspend
from tests.conformance.household import NOT_FOUND, rows


async def upgraded(family, flags, *children):
    class Next(Supervisor):
        def plan(self) -> Plan:
            return Plan(flags, children)

    await suspend(family.root)
    await change_code(family.root, Next)
    await resume(family.root)


async def test_known_children_go_on_new_ones_wait_and_old_ones_stay_at_the_end(tree):
    family = await tree().start_named("abc")
    await upgraded(family, Flags(), family.child("d"), family.child("c"), family.child("a"))

    assert family.story == ""
    assert await rows(family.root) == [("b", "running"), ("a", "running"), ("c", "running"), ("d", "undefined")]
    await family.root.call(RestartChild("d"))
    assert family.story == "+d"


async def test_new_flags_hold_for_the_next_death_and_old_restarts_still_count(tree):
    family = await tree(intensity=5).start_named("ab")
    await family.crash("a")
    await upgraded(family, Flags(Strategy.ONE_FOR_ALL, 2, 60), family.child("a"), family.child("b"))
    family.forget()
    await family.crash("b")

    assert family.story == "-b -a +a +b"
    assert family.root.instance.restarts() == (2, 2)


async def test_a_changed_specification_holds_for_the_next_end(tree):
    family = await tree().start_named("a")
    await upgraded(family, Flags(), family.child("a", restart=Restart.TEMPORARY))
    await family.crash("a")

    assert await rows(family.root) == []


async def test_a_plan_that_is_no_plan_changes_nothing(tree):
    class Lost(Supervisor):
        def plan(self):
            return None

    family = await tree().start_named("a")
    await suspend(family.root)
    await change_code(family.root, Lost)
    await resume(family.root)

    assert await rows(family.root) == [("a", "running")]
    assert await family.root.call(RestartChild("b")) == NOT_FOUND
