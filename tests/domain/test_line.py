"""Whose turn it is: ranks, turns of projects, and that nothing starves."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.line import Line, Place, Ready

AGE_S = 60.0
CRITICAL, DIRECT, NORMAL, LOW = 1, 4, 5, 7
"""Classes: critical queued, normal direct, normal queued, low queued."""


class Counters:
    """A line whose entries are taken as they come up."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.places: dict[str, Place] = {}
        self.line = Line(AGE_S, lambda entry: entry.id in self.gone)
        self.arrivals = 0

    def push(self, class_: int, project: str = "", now: float = 0.0) -> str:
        self.arrivals += 1
        task_id = f"{project}-{class_}-{self.arrivals}"
        self.places[task_id] = Place(class_, project)
        self.line.push(self.places[task_id], Ready(self.arrivals, task_id, 1, now))
        return task_id

    def take(self, now: float = 0.0) -> str | None:
        first = self.line.first(now)
        if first is None:
            return None
        self.gone.add(first.id)
        self.line.served(self.places[first.id], first.id)
        return first.id

    def take_all(self, now: float = 0.0) -> list[str]:
        taken = []
        while (task_id := self.take(now)) is not None:
            taken.append(task_id)
        return taken


def test_looking_takes_nothing():
    counter = Counters()
    counter.push(NORMAL)
    assert counter.line.first(0.0) == counter.line.first(0.0)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from("abc")), max_size=60))
def test_everybody_is_served_once_and_better_classes_first(pushes):
    counter = Counters()
    ids = [counter.push(class_, project) for class_, project in pushes]
    taken = counter.take_all()
    assert sorted(taken) == sorted(ids)
    classes = [counter.places[task_id].class_ for task_id in taken]
    assert classes == sorted(classes)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6))
def test_projects_with_work_get_the_same_share(sizes):
    counter = Counters()
    for project, size in enumerate(sizes):
        for _ in range(size):
            counter.push(NORMAL, str(project))
    taken = [task_id.split("-")[0] for task_id in counter.take_all()]
    shared = min(sizes) * len(sizes)
    assert set(Counter(taken[:shared]).values()) == {min(sizes)}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=80))
def test_of_two_projects_that_wait_neither_is_served_twice_before_the_other(steps):
    """Whoever comes and goes in between."""
    counter = Counters()
    for _ in range(100):
        counter.push(NORMAL, "x")
        counter.push(NORMAL, "y")
    taken = []
    for project, is_push in steps:
        if is_push:
            counter.push(NORMAL, project)
        else:
            taken.append(counter.take())
    ours = [task_id[0] for task_id in taken if task_id is not None and task_id[0] in "xy"]
    assert all(one != other for one, other in pairwise(ours))


def test_a_project_with_very_many_tasks_delays_another_by_one_turn():
    counter = Counters()
    for _ in range(1_000):
        counter.push(NORMAL, "big")
    counter.take()
    small = counter.push(NORMAL, "small")
    assert small in (counter.take(), counter.take())


def test_a_project_with_very_many_tasks_that_have_aged_delays_another_by_one_turn():
    counter = Counters()
    for _ in range(1_000):
        counter.push(NORMAL, "big")
    counter.take(9_999.0)
    small = counter.push(NORMAL, "small", 9_999.0)
    assert small in (counter.take(9_999.0), counter.take(9_999.0))


def test_what_is_urgent_waits_for_one_task_at_most_however_much_has_aged():
    counter = Counters()
    for _ in range(50):
        counter.push(LOW)
    urgent = counter.push(CRITICAL, now=9_999.0)
    assert urgent in (counter.take(9_999.0), counter.take(9_999.0))


def test_a_task_gains_a_rank_for_every_span_that_it_waits():
    for class_, spans in ((CRITICAL + 2, 1), (NORMAL, 2), (LOW, 3)):
        for now, is_first in ((AGE_S * spans - 1.0, False), (AGE_S * spans, True)):
            counter = Counters()
            old = counter.push(class_)
            counter.push(CRITICAL, now=now)
            assert (counter.take(now) == old) is is_first


def test_a_queued_task_is_level_with_direct_ones_after_a_span():
    counter = Counters()
    old = counter.push(NORMAL)
    for now in (AGE_S - 1.0, AGE_S):
        counter.push(DIRECT, now=now)
    assert [counter.take(AGE_S - 1.0) == old, counter.take(AGE_S) == old] == [False, True]


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from("ab")), max_size=30), st.integers(0, 7))
def test_nothing_starves(backlog, flood):
    """A critical or other task arrives for every one that is taken; what waits is through in bounded time all the same."""
    counter = Counters()
    waiting = {counter.push(class_, project) for class_, project in backlog}
    now = 0.0
    for _ in range(2 * len(backlog) + 2 * 8 + 4):
        now += 3 * AGE_S
        counter.push(flood, "flood", now)
        waiting.discard(counter.take(now))
    assert not waiting


def test_a_paused_project_is_passed_over_and_comes_back():
    counter = Counters()
    held, other = counter.push(CRITICAL, "held"), counter.push(LOW, "other")
    counter.line.pause("held")
    later = counter.push(CRITICAL, "held")
    assert counter.take_all() == [other]
    counter.line.resume("held")
    assert counter.take_all() == [held, later]


def test_heaps_that_nobody_looks_into_do_not_grow():
    counter = Counters()
    for _ in range(2_000):
        counter.push(NORMAL)
        counter.take()
    class_ = counter.line._classes[NORMAL]
    assert len(class_._by_turn) + len(class_._by_age) + len(class_.lanes) < 10
