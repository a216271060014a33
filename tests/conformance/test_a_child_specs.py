"""Group A: child specifications and supervisor flags."""

from functools import partial
from itertools import product
from math import inf, nan

import pytest

from supervisors import (
    BRUTAL_KILL,
    Actor,
    AutoShutdown,
    BadSpec,
    ChildSpec,
    ChildType,
    Flags,
    NotStarted,
    Restart,
    Started,
    Strategy,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import GetChildspec, SpecRefused, StartChild, StartDynamic
from supervisors.administration import child_spec
from supervisors.dynamic import DynamicSupervisor
from supervisors.simple import Apply, SimpleOneForOne, StartAlike
from supervisors.spec import check_childspecs
from supervisors.supervisor import Plan
from tests.conformance.household import NOT_FOUND, dynamic, moody, rows, simple, static, up
from tests.supervisors.scripted import Scripted, started

START = actor(Actor)


def code_of(make) -> str:
    with pytest.raises(BadSpec) as caught:
        make()
    return caught.value.code


WRONG_FIELDS = [
    ("invalid_child_spec", {"id": 1}),
    ("invalid_mfa", {"start": "start"}),
    ("invalid_restart_type", {"restart": "sometimes"}),
    ("invalid_shutdown", {"shutdown_s": "soon"}),
    ("invalid_shutdown", {"shutdown_s": -1}),
    ("invalid_shutdown", {"shutdown_s": nan}),
    ("invalid_shutdown", {"shutdown_s": True}),
    ("invalid_child_type", {"type": "boss"}),
    ("invalid_modules", {"modules": [Actor]}),
    ("invalid_module", {"modules": (1,)}),
    ("invalid_significant", {"significant": "very"}),
    ("invalid_restart_delay", {"restart_delay": 3}),
    ("bad_combination", {"significant": True}),
]


async def test_a01_defaults_are_filled_in(runtime):
    root = await static(runtime, Flags(), ChildSpec("a", START), ChildSpec("s", START, type=ChildType.SUPERVISOR))
    worker, supervisor = [await root.call(GetChildspec(child)) for child in "as"]

    assert worker == ChildSpec(
        "a", START, Restart.PERMANENT, 5.0, ChildType.WORKER, significant=False, modules=(Actor,)
    )
    assert supervisor.shutdown_s == inf
    assert await root.call(GetChildspec("z")) == NOT_FOUND


async def test_a02_the_specification_of_a_dynamic_child_is_found_by_its_process(runtime):
    root = await simple(runtime)
    child = await up(root, StartAlike())
    stranger = await started(runtime, Scripted())

    assert (await root.call(GetChildspec(child))).id == "moody"
    assert await root.call(GetChildspec(stranger)) == NOT_FOUND


def test_a03_a_map_needs_id_and_start_and_may_have_more():
    assert code_of(lambda: ChildSpec.of({"start": START})) == "missing_id"
    assert code_of(lambda: ChildSpec.of({"id": "a"})) == "missing_start"
    assert code_of(lambda: ChildSpec.of("a")) == "invalid_child_spec"
    assert ChildSpec.of({"id": "a", "start": START, "colour": "red"}) == ChildSpec("a", START)


@pytest.mark.parametrize(("code", "fields"), WRONG_FIELDS)
def test_a04_every_invalid_field_has_an_error_of_its_own(code, fields):
    assert code_of(lambda: ChildSpec.of({"id": "a", "start": START, **fields})) == code


def test_a04_all_combinations_of_valid_values_are_accepted():
    values = product(Restart, [0, 0.5, inf, BRUTAL_KILL, None], ChildType, [None, "dynamic", (Actor, "name")])
    specs = [ChildSpec(str(n), START, r, s, t, modules=m) for n, (r, s, t, m) in enumerate(values)]

    check_childspecs(specs)
    assert len(specs) == 90


def test_a04_what_children_may_be_together():
    significant = ChildSpec("a", START, Restart.TRANSIENT, significant=True)

    assert code_of(lambda: check_childspecs([ChildSpec("a", START)] * 2)) == "duplicate_child_name"
    assert code_of(lambda: check_childspecs(ChildSpec("a", START))) == "badarg"
    assert code_of(lambda: check_childspecs([], "often")) == "badarg"
    assert code_of(lambda: check_childspecs([{"id": "a"}])) == "invalid_child_spec"
    assert code_of(lambda: check_childspecs([significant], AutoShutdown.NEVER)) == "bad_combination"
    check_childspecs([significant], AutoShutdown.ANY_SIGNIFICANT)
    check_childspecs([significant])


async def test_a04_start_child_refuses_what_is_wrong_under_this_supervisor(runtime):
    root = await static(runtime, Flags())
    significant = await root.call(StartChild(ChildSpec("a", START, Restart.TRANSIENT, significant=True)))
    nothing = await root.call(StartChild("a"))

    assert (significant.code, nothing.code) == ("bad_combination", "invalid_child_spec")
    assert await rows(root) == []


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        ("invalid_strategy", {"strategy": "one_for_none"}),
        ("invalid_intensity", {"intensity": -1}),
        ("invalid_intensity", {"intensity": inf}),
        ("invalid_period", {"period_s": 0}),
        ("invalid_period", {"period_s": inf}),
        ("invalid_period", {"period_s": "long"}),
        ("invalid_auto_shutdown", {"auto_shutdown": "often"}),
    ],
)
def test_a05_every_invalid_flag_has_an_error_of_its_own(code, flags):
    assert code_of(lambda: Flags.of(flags)) == code


def test_a05_flags_that_are_none_are_refused_and_unknown_ones_ignored():
    assert code_of(lambda: Flags.of("strict")) == "invalid_type"
    assert code_of(lambda: Supervisor("strict", [])) == "invalid_type"
    assert Flags.of({"intensity": 2, "colour": "red"}) == Flags(intensity=2)


@pytest.mark.parametrize("auto_shutdown", [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT])
def test_a06_auto_shutdown_makes_no_sense_with_simple_one_for_one(auto_shutdown):
    template = ChildSpec("a", Apply(START))

    assert code_of(lambda: SimpleOneForOne(template, Flags(auto_shutdown=auto_shutdown))) == "bad_combination"


def test_a07_a_class_makes_its_own_specification():
    class Custom(Actor):
        child_defaults = {"restart": Restart.TEMPORARY, "shutdown_s": BRUTAL_KILL}  # noqa: RUF012

    plain, own = child_spec(Actor), child_spec(Custom)

    assert (plain.id, plain.restart, plain.type) == ("Actor", Restart.PERMANENT, ChildType.WORKER)
    assert child_spec(Supervisor).type is ChildType.SUPERVISOR
    assert (own.restart, own.shutdown_s) == (Restart.TEMPORARY, BRUTAL_KILL)


def test_a08_any_field_may_be_given_otherwise_and_is_checked():
    spec = child_spec(Actor, id="other", restart=Restart.TRANSIENT)

    assert (spec.id, spec.restart) == ("other", Restart.TRANSIENT)
    assert code_of(lambda: child_spec(Actor, shutdown_s="soon")) == "invalid_shutdown"


async def test_a09_a_supervisor_plans_with_the_short_forms(runtime):
    class Planned(Supervisor):
        def __init__(self) -> None:
            pass

        def plan(self) -> Plan:
            return Plan(Flags(Strategy.ONE_FOR_ALL), [child_spec(Scripted, [], name="clerk")])

    root = await spawn(runtime, Planned())

    assert await rows(root) == [("clerk", "running")]
    assert runtime.whereis("clerk").instance.diary == []


async def test_a11_an_invalid_specification_is_an_answer_and_not_a_crash(runtime):
    root = await static(runtime, Flags())

    assert isinstance(await root.call(StartChild({"id": "a"})), SpecRefused)
    assert root.alive


async def test_a12_a_dynamic_supervisor_allows_three_restarts_in_five_seconds_and_any_number_of_children(runtime):
    root = await dynamic(runtime)

    assert root.instance.restarts() == (0, 3)
    assert root.instance._flags.period_s == 5
    assert root.instance._full() is None


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("invalid_max_children", {"max_children": -1}),
        ("invalid_max_children", {"max_children": "many"}),
        ("invalid_extra_arguments", {"extra_arguments": "db"}),
        ("invalid_strategy", {"flags": Flags(Strategy.ONE_FOR_ALL)}),
        ("bad_combination", {"flags": Flags(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)}),
        ("invalid_type", {"flags": 3}),
    ],
)
async def test_a13_bad_options_of_a_dynamic_supervisor_fail_its_start(runtime, code, options):
    with pytest.raises(NotStarted) as caught:
        await actor(partial(DynamicSupervisor, **options))(runtime, None)

    assert caught.value.reason.exception.code == code


async def test_a14_a_dynamic_supervisor_refuses_a_specification_that_is_none(runtime):
    root = await dynamic(runtime)
    significant = moody(restart=Restart.TRANSIENT, significant=True)
    answers = [await root.call(StartDynamic(wrong)) for wrong in ("a", {"id": "a"}, significant)]

    assert [answer.code for answer in answers] == ["invalid_child_spec", "invalid_child_spec", "bad_combination"]


@pytest.mark.parametrize("shutdown_s", [0, 0.001, inf, BRUTAL_KILL])
async def test_a15_every_valid_shutdown_is_taken(runtime, shutdown_s):
    root = await dynamic(runtime)

    assert isinstance(await root.call(StartDynamic(moody(shutdown_s=shutdown_s))), Started)


def test_a16_a_dynamic_supervisor_has_a_specification_of_its_own():
    spec = child_spec(DynamicSupervisor, name="pool")

    assert (spec.id, spec.type, spec.patience_s) == ("pool", ChildType.SUPERVISOR, inf)


async def test_a17_a_dynamic_supervisor_can_be_supervised(runtime):
    root = await static(runtime, Flags(), child_spec(DynamicSupervisor, name="pool"))

    assert await rows(root) == [("pool", "running")]
    assert await rows(runtime.whereis("pool")) == []


async def test_a18_two_dynamic_supervisors_sit_under_one_parent_by_their_names(runtime):
    root = await static(runtime, Flags(), *(child_spec(DynamicSupervisor, name=name) for name in ("one", "two")))

    assert await rows(root) == [("two", "running"), ("one", "running")]
