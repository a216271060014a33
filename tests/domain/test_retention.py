"""What is pruned, and what stays: by age, by number, and for the sake of a key."""

from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.backlog import Backlog
from symbiont.domain.moment import rfc3339
from symbiont.domain.retention import Retention
from symbiont.domain.task import Status, Task
from symbiont.domain.wall import SteadyWall

NOW = 1_800_000_000.0
RULES = Retention(keep_s=100.0, keep_count=5, key_window_s=50.0)


def ended(number: int, at: float, **fields) -> Task:
    moments = {"created_at": rfc3339(at), "finished_at": rfc3339(at)}
    return Task(**({"id": f"queued-{number}", "task": "t", "status": Status.DONE} | moments | fields))


def pruned(*tasks: Task, rules: Retention = RULES, now: float = NOW) -> list[str]:
    backlog = Backlog()
    for task in tasks:
        backlog.put(task)
    return [task.id for task in backlog.too_old(rules, now, 100)]


def test_what_ended_too_long_ago_is_pruned_and_what_has_not_ended_never_is():
    tasks = [ended(1, NOW - 101.0), ended(2, NOW - 99.0), ended(3, NOW - 999.0, status=Status.PENDING)]
    assert pruned(*tasks) == ["queued-1"]


def test_of_too_many_the_longest_ended_go():
    assert pruned(*(ended(number, NOW - number) for number in range(1, 8))) == ["queued-7", "queued-6"]


def test_a_task_under_a_key_stays_until_the_window_is_over():
    rules = Retention(keep_s=10.0, keep_count=0, key_window_s=50.0)
    assert pruned(ended(1, NOW - 49.0, key="k"), rules=rules) == []
    assert pruned(ended(1, NOW - 51.0, key="k"), rules=rules) == ["queued-1"]


def test_a_task_of_an_earlier_version_that_does_not_say_when_it_ended_goes_for_the_number_alone():
    old = ended(1, NOW - 9_999.0, finished_at=None)
    assert pruned(old) == []
    assert pruned(old, rules=Retention(keep_count=0)) == ["queued-1"]


def test_a_task_that_was_sent_round_again_is_not_pruned():
    assert pruned(ended(1, NOW - 101.0), ended(1, NOW - 101.0, status=Status.PENDING)) == []


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=30))
def test_what_is_pruned_is_what_a_plain_look_at_all_of_them_says(tasks):
    made = [ended(number, NOW - age, key="k" * keyed) for number, (age, keyed) in enumerate(tasks)]
    doomed = set(pruned(*made))
    for task, (age, keyed) in zip(made, tasks, strict=True):
        if keyed and age < RULES.key_window_s:
            assert task.id not in doomed
        elif age > RULES.keep_s:
            assert task.id in doomed
    holders = sum(keyed and age < RULES.key_window_s for age, keyed in tasks)
    assert len(made) - len(doomed) <= max(RULES.keep_count, holders)


def test_looking_for_what_is_too_old_changes_nothing():
    backlog = Backlog()
    backlog.put(ended(1, NOW - 101.0))
    assert backlog.too_old(RULES, NOW, 9) == backlog.too_old(RULES, NOW, 9) != []


def test_a_key_finds_its_task_within_its_project_and_the_newest_under_it():
    backlog = Backlog()
    for number, project in ((1, "a"), (2, "b"), (3, "a")):
        backlog.put(ended(number, NOW, key="k", project=project))
    assert [backlog.keyed(project, "k").id for project in "ab"] == ["queued-3", "queued-2"]
    backlog.forget("queued-3")
    assert backlog.keyed("a", "k").id == "queued-1"


def test_an_id_is_not_given_again_after_its_task_is_forgotten_and_the_clock_set_back():
    backlog = Backlog()
    first = backlog.new_id("queued", NOW)
    backlog.put(ended(1, NOW, id=first))
    backlog.forget(first)
    assert backlog.new_id("queued", NOW - 500.0) == f"{first}-2"


def test_a_wall_clock_that_is_ahead_for_a_moment_makes_nothing_old():
    wall = SteadyWall(NOW, 10.0)
    assert wall.at(NOW + 1_000_000.0, 15.0) == NOW + 5.0
    assert wall.at(NOW - 3.0, 15.0) == NOW - 3.0
