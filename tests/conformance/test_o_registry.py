"""Group O: Registry. Cases of Elixir's `registry_test.exs`; predicates stand where Elixir has match specifications."""

import asyncio

import pytest

from supervisors import KILLED, SHUTDOWN, Actor, CallExit, Custom, Down, Exit, NotStarted, Stop, Supervisor, spawn, sys
from supervisors.agent import Agent, AgentProcess
from supervisors.exits import NOPROC
from supervisors.flags import Flags
from supervisors.registry import (
    AlreadyRegistered,
    Keys,
    LockHeld,
    NoOwner,
    NotRegistered,
    NotUnique,
    Registered,
    Registry,
    UnknownRegistry,
    Unregistered,
)
from supervisors.signals import CURRENT
from supervisors.testing import settle
from tests.supervisors.scripted import Scripted, boom, started

BOTH = pytest.mark.parametrize("keys", list(Keys))
RESERVED = ["_", "$1", ("$1", "x"), None, Ellipsis, NotImplemented, frozenset({"a"}), frozenset({1, 2})]


class Watcher(Actor):
    trap_exit = True

    def __init__(self, diary: list[object]) -> None:
        self.diary = diary

    def handle_info(self, message):
        self.diary.append(message)


async def registry_of(runtime, keys=Keys.UNIQUE, **more) -> Registry:
    spec = Registry.spec("registry", keys, **more)
    await spawn(runtime, Supervisor(Flags(), [spec]), name="root")
    return Registry(runtime, "registry")


def table(runtime):
    return runtime.whereis("registry").instance.table


@pytest.fixture
async def unique(runtime):
    return await registry_of(runtime)


@pytest.fixture
async def duplicate(runtime):
    return await registry_of(runtime, Keys.DUPLICATE)


@pytest.fixture
async def me(runtime):
    return await started(runtime, Scripted(), name="me")


@pytest.fixture
async def other(runtime):
    return await started(runtime, Scripted(), name="other")


# Entries end with their owners


@BOTH
async def test_o01_entries_of_a_crashed_owner_disappear(runtime, keys, me):
    registry = await registry_of(runtime, keys)
    registry.register("hello", 1, owner=me)
    me.cast(boom)
    await settle()

    assert not me.alive
    assert (registry.lookup("hello"), registry.count(), table(runtime).size) == ([], 0, 0)


@BOTH
async def test_o01_who_hears_of_the_death_finds_the_entries_gone(runtime, keys, me):
    registry = await registry_of(runtime, keys)
    registry.register("hello", 1, owner=me)
    found: list[object] = []

    class Witness(Actor):
        trap_exit = True

        def handle_info(self, message):
            found.append((type(message), registry.lookup("hello"), table(runtime).size))

    witness = await started(runtime, Witness())
    witness.monitor(me)
    witness.link(me)
    me.exit(KILLED)
    await settle()

    assert sorted(found, key=str) == [(Down, [], 0), (Exit, [], 0)]


# Locks


class Holder(Actor):
    """Works under a lock, in a task of its own life."""

    trap_exit = False

    def __init__(self, registry, key, diary, work) -> None:
        self.registry, self.key, self.diary, self.work = registry, key, diary, work

    async def handle_cast(self, message):
        async with self.registry.locked(self.key):
            self.diary.append(f"+{message}")
            await self.work()
        self.diary.append(f"-{message}")


class Gate:
    """Work that lasts until the gate is opened; then it may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.open, self.error = asyncio.Event(), error

    async def __call__(self) -> None:
        await self.open.wait()
        if self.error is not None:
            raise self.error


async def holder(runtime, registry, key, diary, name, work):
    process = await started(runtime, Holder(registry, key, diary, work))
    process.cast(name)
    await settle()
    return process


def locks(runtime):
    return len(runtime.whereis("registry").instance.locks)


async def test_o02_locks_of_different_keys_are_held_at_the_same_time(runtime, unique):
    diary, gate = [], Gate()
    await holder(runtime, unique, "x", diary, "a", gate)
    await holder(runtime, unique, "y", diary, "b", gate)
    assert diary == ["+a", "+b"]
    gate.open.set()
    await settle()

    assert (diary, locks(runtime)) == (["+a", "+b", "-a", "-b"], 0)


async def test_o03_a_lock_is_held_by_one_at_a_time_in_order_of_arrival(runtime, unique):
    diary, gate = [], Gate()
    for name in "abc":
        await holder(runtime, unique, "x", diary, name, gate)
    assert diary == ["+a"]
    gate.open.set()
    await settle()

    assert [entry for entry in diary if entry[0] == "+"] == ["+a", "+b", "+c"]
    assert locks(runtime) == 0


async def test_o04_a_holder_that_raises_lets_the_next_one_in(runtime, unique):
    diary, failing, gate = [], Gate(ValueError("x")), Gate()
    first = await holder(runtime, unique, "x", diary, "a", failing)
    await holder(runtime, unique, "x", diary, "b", gate)
    failing.open.set()
    await settle()

    assert (diary, first.alive) == (["+a", "+b"], False)


async def test_o05_a_holder_that_is_killed_lets_the_next_one_in(runtime, unique):
    diary, gate = [], Gate()
    first = await holder(runtime, unique, "x", diary, "a", gate)
    await holder(runtime, unique, "x", diary, "b", gate)
    first.exit(KILLED)
    await settle()

    assert diary == ["+a", "+b"]


async def test_o05_a_holder_that_swallows_its_end_lets_the_next_one_in_when_it_is_declared_dead(runtime, unique):
    async def stubborn() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    diary, gate, over = [], Gate(), asyncio.Event()
    first = await holder(runtime, unique, "x", diary, "a", stubborn)
    await holder(runtime, unique, "x", diary, "b", gate)
    first.exit(KILLED)
    await settle()
    await settle()
    assert (first.alive, diary) == (False, ["+a", "+b"])
    over.set()
    gate.open.set()
    await settle()

    assert locks(runtime) == 0


async def test_o06_a_waiter_that_is_killed_is_passed_over(runtime, unique):
    diary, gate = [], Gate()
    await holder(runtime, unique, "x", diary, "a", gate)
    second = await holder(runtime, unique, "x", diary, "b", gate)
    await holder(runtime, unique, "x", diary, "c", gate)
    second.exit(KILLED)
    gate.open.set()
    await settle()

    assert (diary, locks(runtime)) == (["+a", "-a", "+c", "-c"], 0)


async def test_o06_a_waiter_killed_in_the_moment_it_is_let_in_hands_the_lock_on(runtime, unique):
    diary, gate = [], Gate()
    first = await holder(runtime, unique, "x", diary, "a", gate)
    second = await holder(runtime, unique, "x", diary, "b", gate)
    await holder(runtime, unique, "x", diary, "c", gate)
    unique._holder().locks.reap(first)
    second.exit(KILLED)
    await settle()

    assert diary == ["+a", "+c"]


# Unique keys


async def test_o07_count_counts_the_entries(unique, me, other):
    assert unique.count() == 0
    unique.register("hello", 1, owner=me)
    unique.register("world", 2, owner=me)
    unique.register("there", 3, owner=other)

    assert unique.count() == 3


async def test_o08_a_key_is_registered_once_even_by_its_owner(unique, me):
    assert unique.register("hello", 1, owner=me) is None
    assert unique.register("hello", 2, owner=me) == AlreadyRegistered(me)
    assert unique.register("world", 3, owner=me) is None

    assert (unique.keys(me), unique.values("hello", me)) == (["hello", "world"], [1])


async def test_o09_a_key_is_registered_once_across_processes(unique, me, other):
    unique.register("hello", 1, owner=other)

    assert unique.register("hello", 2, owner=me) == AlreadyRegistered(other)
    assert (unique.keys(me), unique.lookup("hello")) == ([], [(other, 1)])


async def test_o10_a_key_of_the_dead_is_free_though_the_registry_is_suspended(runtime, unique, me, other):
    unique.register("hello", 1, owner=other)
    await sys.suspend(runtime.named("registry"))
    other.exit(KILLED)

    assert unique.register("hello", 2, owner=me) is None
    assert unique.lookup("hello") == [(me, 2)]
    await sys.resume(runtime.named("registry"))


async def test_o11_match_restricts_a_lookup_to_values(unique, me):
    unique.register("hello", (1, "atom", 1), owner=me)

    assert unique.match("hello", lambda value: value[0] == 1) == [(me, (1, "atom", 1))]
    assert unique.match("hello", lambda value: value[0] == 2) == []
    assert unique.match("nobody", lambda _: True) == []


async def test_o12_a_predicate_may_look_at_anything_in_the_value(unique, me):
    unique.register("hello", (1, "atom", 2), owner=me)

    assert unique.match("hello", lambda value: value[2] > 1) == [(me, (1, "atom", 2))]
    assert unique.match("hello", lambda value: value[2] > 2) == []
    assert unique.match("hello", lambda value: isinstance(value[1], str)) != []


async def test_o13_update_value_changes_the_callers_own_entry_alone(unique, me, other):
    assert unique.update_value("hello", boom, owner=me) == NotRegistered()
    unique.register("hello", 1, owner=other)
    assert unique.update_value("hello", boom, owner=me) == NotRegistered()
    unique.register("world", 1, owner=me)

    assert unique.update_value("world", lambda value: value + 1, owner=me) == (2, 1)
    assert unique.lookup("world") == [(me, 2)]


async def test_o14_dispatch_hands_over_the_entry_and_is_silent_without_one(unique, me):
    unique.dispatch("hello", boom)
    unique.register("hello", 1, owner=me)
    seen: list[object] = []
    unique.dispatch("hello", seen.append)

    assert seen == [[(me, 1)]]


async def test_o15_unregister_takes_one_key_out_and_leaves_the_others(unique, me):
    unique.register("hello", 1, owner=me)
    unique.register("world", 2, owner=me)
    unique.unregister("hello", owner=me)
    assert (unique.keys(me), unique.lookup("hello")) == (["world"], [])
    unique.unregister("world", owner=me)

    assert (unique.keys(me), unique.count()) == ([], 0)


async def test_o16_unregister_without_an_entry_is_fine_and_touches_nobody_elses(unique, me, other):
    unique.register("hello", 1, owner=other)
    unique.unregister("hello", owner=me)
    unique.unregister("nothing", owner=me)

    assert unique.lookup("hello") == [(other, 1)]


async def test_o17_unregister_match_takes_out_what_satisfies_the_predicate(unique, me):
    unique.register("hello", (1, "atom"), owner=me)
    unique.unregister_match("hello", lambda value: value[0] == 2, owner=me)
    assert unique.lookup("hello") == [(me, (1, "atom"))]
    unique.unregister_match("hello", lambda value: value[1] == "atom", owner=me)

    assert unique.lookup("hello") == []


async def check_listeners_hear_of_entries_that_come_and_go(runtime, keys, me, other):
    heard: list[object] = []
    await spawn(runtime, Watcher(heard), name="listener")
    registry = await registry_of(runtime, keys, listeners=["listener", "nobody"])
    registry.register("hello", 1, owner=other)
    registry.register("world", 2, owner=me)
    registry.unregister("world", owner=me)
    other.exit(KILLED)
    await settle()

    assert heard == [
        Registered("registry", "hello", other, 1),
        Registered("registry", "world", me, 2),
        Unregistered("registry", "world", me),
        Unregistered("registry", "hello", other),
    ]


async def test_o18_listeners_hear_of_entries_that_come_and_go(runtime, me, other):
    await check_listeners_hear_of_entries_that_come_and_go(runtime, Keys.UNIQUE, me, other)


async def test_o31_listeners_hear_of_entries_that_come_and_go(runtime, me, other):
    await check_listeners_hear_of_entries_that_come_and_go(runtime, Keys.DUPLICATE, me, other)


async def check_owners_are_linked_while_they_have_entries(runtime, keys, me):
    registry = await registry_of(runtime, keys)
    process = runtime.whereis("registry")
    registry.register("hello", 1, owner=me)
    registry.register("world", 2, owner=me)
    registry.unregister("hello", owner=me)
    assert process in me._links
    registry.unregister("world", owner=me)

    assert process not in me._links


async def test_o19_owners_are_linked_while_they_have_entries(runtime, me):
    await check_owners_are_linked_while_they_have_entries(runtime, Keys.UNIQUE, me)


async def test_o32_owners_are_linked_while_they_have_entries(runtime, me):
    await check_owners_are_linked_while_they_have_entries(runtime, Keys.DUPLICATE, me)


async def test_o19_owners_end_with_the_registry(runtime, unique, me, other):
    unique.register("hello", 1, owner=me)
    runtime.whereis("registry").exit(KILLED)
    await settle()

    assert (me.exit_reason, other.alive) == (KILLED, True)
    assert (unique.lookup("hello"), unique.count()) == ([], 0)


async def test_o20_an_unknown_registry_is_named(runtime, me):
    with pytest.raises(UnknownRegistry, match="unknown registry nowhere"):
        Registry(runtime, "nowhere").register("hello", 1, owner=me)


class Named(AgentProcess):
    """An agent that registers itself, as any actor may, in its `init`."""

    def __init__(self, registry, key, value=None) -> None:
        super().__init__(lambda: 0)
        self.entry = registry, key, value

    def init(self):
        super().init()
        registry, key, value = self.entry
        taken = registry.register(key, value)
        return None if taken is None else Stop(Custom(taken))


async def test_o21_a_key_is_an_address_that_follows_its_owner(runtime, unique):
    agent = Agent[int](unique.via("hello"))
    with pytest.raises(CallExit) as nobody:
        await agent.get(lambda n: n)
    first = await started(runtime, Named(unique, "hello"))
    await agent.update(lambda n: n + 1)
    assert (nobody.value.reason, unique.whereis("hello"), await agent.get(lambda n: n)) == (NOPROC, first, 1)
    first.exit(KILLED)
    await started(runtime, Named(unique, "hello"))

    assert await agent.get(lambda n: n) == 0


async def test_o21_who_finds_its_key_taken_does_not_start(runtime, unique):
    first = await started(runtime, Named(unique, "hello"))
    with pytest.raises(NotStarted) as refused:
        await spawn(runtime, Named(unique, "hello"))

    assert refused.value.reason == Custom(AlreadyRegistered(first))
    assert unique.lookup("hello") == [(first, None)]


async def test_o22_a_value_is_registered_with_the_key(runtime, unique):
    process = await started(runtime, Named(unique, "hello", "value"))

    assert unique.lookup("hello") == [(process, "value")]


# Duplicate keys


async def test_o23_a_process_registers_a_key_as_often_as_it_likes(duplicate, me):
    for key, value in [("hello", 1), ("hello", 1), ("world", 2)]:
        assert duplicate.register(key, value, owner=me) is None

    assert duplicate.keys(me) == ["hello", "hello", "world"]
    assert duplicate.lookup("hello") == [(me, 1), (me, 1)]


async def test_o24_many_processes_share_a_key(duplicate, me, other):
    duplicate.register("hello", 1, owner=me)
    duplicate.register("hello", 2, owner=other)

    assert duplicate.lookup("hello") == [(me, 1), (other, 2)]
    assert duplicate.values("hello", other) == [2]


async def test_o25_dispatch_hands_all_entries_over_once_in_the_caller(runtime, duplicate, me, other):
    duplicate.dispatch("hello", boom)
    duplicate.register("hello", 1, owner=me)
    duplicate.register("hello", 2, owner=other)
    duplicate.register("world", 3, owner=me)
    seen: list[object] = []
    duplicate.dispatch("hello", lambda entries: seen.append((CURRENT.get(), entries)))

    assert seen == [(None, [(me, 1), (other, 2)])]


async def test_o26_unregister_takes_all_entries_of_the_caller_under_the_key(duplicate, me, other):
    for value in (1, 2):
        duplicate.register("hello", value, owner=me)
    duplicate.register("hello", 3, owner=other)
    duplicate.unregister("hello", owner=me)

    assert duplicate.lookup("hello") == [(other, 3)]


async def test_o27_unregister_without_an_entry_is_fine(duplicate, me):
    duplicate.unregister("hello", owner=me)

    assert duplicate.count() == 0


async def test_o28_match_finds_all_entries_that_satisfy_the_predicate(duplicate, me):
    for value in (1, 2):
        duplicate.register("hello", value, owner=me)

    assert duplicate.match("hello", lambda value: value < 2) == [(me, 1)]
    assert duplicate.match("hello", lambda value: value < 3) == [(me, 1), (me, 2)]
    assert duplicate.match("hello", lambda value: value > 3) == []


async def test_o29_count_match_counts_them(duplicate, me):
    for value in (1, 2):
        duplicate.register("hello", value, owner=me)

    assert [duplicate.count_match("hello", lambda value, n=n: value < n) for n in (1, 2, 3)] == [0, 1, 2]
    assert duplicate.count_match("nobody", lambda _: True) == 0


async def test_o30_unregister_match_leaves_entries_of_others_alone(duplicate, me, other):
    for value in (1, 2):
        duplicate.register("hello", value, owner=me)
    duplicate.register("hello", 2, owner=other)
    duplicate.unregister_match("hello", lambda value: value == 2, owner=me)

    assert duplicate.lookup("hello") == [(me, 1), (other, 2)]


async def test_o30_a_predicate_that_raises_changes_nothing(duplicate, me):
    for value in (1, 2):
        duplicate.register("hello", value, owner=me)
    with pytest.raises(ValueError, match="boom"):
        duplicate.unregister_match("hello", lambda value: value == 1 or boom(), owner=me)

    assert duplicate.lookup("hello") == [(me, 1), (me, 2)]


async def test_o33_a_shared_key_is_no_address(duplicate, me):
    duplicate.register("hello", 1, owner=me)
    with pytest.raises(NotUnique, match="unique keys for via"):
        duplicate.via("hello")
    with pytest.raises(NotUnique, match="unique keys for whereis"):
        duplicate.whereis("hello")


async def test_o34_values_under_a_shared_key_cannot_be_updated(duplicate, me):
    duplicate.register("hello", 1, owner=me)
    with pytest.raises(NotUnique, match="unique keys for update_value"):
        duplicate.update_value("hello", boom, owner=me)

    assert duplicate.lookup("hello") == [(me, 1)]


# Queries


@BOTH
async def test_o35_select_projects_the_entries_of_all_keys(runtime, keys, me, other):
    registry = await registry_of(runtime, keys)
    assert registry.select(lambda _: True, lambda entry: entry) == []
    registry.register("hello", 1, owner=me)
    registry.register("world", 2, owner=other)

    assert registry.select(lambda _: True, lambda e: (e.key, e.owner, e.value)) == [
        ("hello", me, 1),
        ("world", other, 2),
    ]
    assert registry.select(lambda e: e.owner is other, lambda e: e.key) == ["world"]


@BOTH
async def test_o36_count_select_counts_them(runtime, keys, me, other):
    registry = await registry_of(runtime, keys)
    registry.register("hello", 1, owner=me)
    registry.register("world", 2, owner=other)

    assert registry.count_select(lambda e: e.value > 0) == 2
    assert registry.count_select(lambda e: e.key == "hello") == 1
    assert registry.count_select(lambda e: e.value > 2) == 0


async def check_no_key_has_a_meaning_of_its_own(runtime, keys, key, me):
    registry = await registry_of(runtime, keys)
    for each in RESERVED:
        registry.register(each, repr(each), owner=me)

    assert registry.lookup(key) == [(me, repr(key))]
    registry.unregister_match(key, lambda _: True, owner=me)
    assert registry.count() == len(RESERVED) - 1


@pytest.mark.parametrize("key", RESERVED, ids=repr)
async def test_o37_no_key_has_a_meaning_of_its_own(runtime, key, me):
    await check_no_key_has_a_meaning_of_its_own(runtime, Keys.UNIQUE, key, me)


@pytest.mark.parametrize("key", RESERVED, ids=repr)
async def test_o38_no_key_has_a_meaning_of_its_own(runtime, key, me):
    await check_no_key_has_a_meaning_of_its_own(runtime, Keys.DUPLICATE, key, me)


# Takeover


async def test_o39_a_key_whose_owner_is_dead_but_not_reaped_can_be_taken(runtime, unique, me, other):
    taken: list[object] = []
    other.on_release(lambda: taken.append((table(runtime).size, unique.register("hello", 2, owner=me))))
    unique.register("hello", 1, owner=other)  # is reaped after the callback above
    other.exit(KILLED)

    assert taken == [(1, None)]
    assert (unique.lookup("hello"), table(runtime).size) == ([(me, 2)], 1)


# Beyond the cases


async def test_only_the_living_can_own_entries(unique, me):
    me.exit(KILLED)
    with pytest.raises(NoOwner):
        unique.register("hello", 1, owner=me)
    with pytest.raises(NoOwner):
        unique.register("hello", 1)


async def test_who_waits_for_its_own_lock_is_told_at_once(unique, me):
    token = CURRENT.set(me)
    try:
        async with unique.locked("x"):
            with pytest.raises(LockHeld):
                await unique.locked("x").__aenter__()
    finally:
        CURRENT.reset(token)


async def test_who_waits_for_a_lock_is_told_when_the_registry_ends(runtime, unique):
    diary, gate = [], Gate()
    await holder(runtime, unique, "x", diary, "a", gate)
    second = await holder(runtime, unique, "x", diary, "b", gate)
    runtime.whereis("registry").exit(KILLED)
    await settle()

    assert second.exit_reason.exception.reason == NOPROC


async def test_a_registry_keeps_nothing_of_those_who_came_and_went(runtime, duplicate, me):
    for _ in range(100):
        owner = await started(runtime, Scripted())
        duplicate.register("hello", 1, owner=owner)
        owner.exit(KILLED)
        duplicate.register("mine", 1, owner=me)
        duplicate.unregister("mine", owner=me)
    await settle()
    held = table(runtime)

    assert (held.size, held._by_key, held._by_owner) == (0, {}, {})
    assert not runtime.whereis("registry").queued


async def test_an_owner_that_traps_exits_survives_the_registry_and_registers_again(runtime, unique):
    watcher = await started(runtime, Watcher([]))
    unique.register("hello", 1, owner=watcher)
    runtime.whereis("registry").exit(SHUTDOWN)
    runtime.whereis("registry").exit(KILLED)
    await settle()

    assert unique.register("hello", 2, owner=watcher) is None
    assert unique.lookup("hello") == [(watcher, 2)]
