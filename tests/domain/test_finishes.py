"""The ends of tasks are numbered, and whoever follows them misses none."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.finishes import Finishes
from symbiont.domain.task import Status, Task

AT = "2026-11-25T10:00:00Z"
NOW = 1_800_000_000.0


def a_task(name: str, status: Status = Status.DONE, **more) -> Task:
    return Task(name, "x", AT, status, **more)


def finished(finishes: Finishes, name: str, now: float = NOW) -> Task:
    task = finishes.numbered(a_task(name, Status.PROCESSING), a_task(name), now)
    finishes.durable(task)
    return task


def test_numbers_grow_even_if_the_wall_clock_goes_back():
    finishes = Finishes()
    numbers = [finished(finishes, f"t{n}", NOW - 1_000.0 * n).finish for n in range(5)]
    assert numbers == sorted(set(numbers))


def test_numbers_go_on_after_a_restart_and_after_the_last_task_was_forgotten():
    finishes = Finishes()
    finishes.load(a_task("t", finish=int(NOW * 2e6)))
    assert finished(finishes, "next").finish > int(NOW * 2e6)
    fresh = Finishes()
    assert finished(fresh, "later", NOW + 1).finish > finished(Finishes(), "earlier", NOW).finish


def test_whoever_follows_keeps_the_numbers_growing_whatever_was_forgotten():
    finishes = Finishes()
    seen = int(NOW * 2e6)
    finishes.after(seen, 10, [])
    assert finished(finishes, "next").finish > seen


def test_only_an_end_is_numbered_and_once():
    finishes = Finishes()
    pending = a_task("t", Status.PENDING)
    assert finishes.numbered(None, pending, NOW) is pending
    done = finishes.numbered(pending, a_task("t"), NOW)
    assert finishes.numbered(done, msgspec.structs.replace(done, project="x"), NOW).finish == done.finish


def test_nothing_is_kept_as_long_as_nobody_follows():
    finishes = Finishes()
    finished(finishes, "t")
    assert not finishes.is_followed
    assert finishes._kept == {}


def test_ends_of_an_earlier_version_have_no_number_and_are_not_told():
    assert Finishes().after(0, 10, [a_task("old")]).tasks == ()


def test_who_begins_now_hears_only_of_what_ends_from_now_on():
    finishes = Finishes()
    before = finished(finishes, "before")
    assert finishes.after(None, 0, [before]).head == before.finish
    after = finished(finishes, "after")
    assert finishes.after(before.finish, 10, [before, after]).tasks == (after,)


def test_an_end_that_was_taken_back_before_it_was_seen_is_still_told():
    finishes = Finishes()
    finishes.after(None, 0, [])
    failed = finishes.numbered(a_task("t", Status.PROCESSING), a_task("t", Status.FAILED), NOW)
    finishes.durable(failed)
    sent_round_again = msgspec.structs.replace(failed, status=Status.PENDING)
    assert finishes.after(0, 10, [sent_round_again]).tasks == (failed,)


class _Queue:
    """The ends, and two who have followed them to their marks."""

    def __init__(self):
        self.finishes, self.tasks = Finishes(), []
        self.marks, self.heard = {"quick": 0, "slow": 0}, {"quick": [], "slow": []}

    def read(self, name, limit):
        page = self.finishes.after(self.marks[name], limit, self.tasks)
        self.heard[name] += [task.id for task in page.tasks]
        self.marks[name] = page.tasks[-1].finish if page.tasks else self.marks[name]

    def restart(self):
        self.finishes = Finishes()
        for task in self.tasks:
            self.finishes.load(task)


@given(st.lists(st.sampled_from(["end", "quick", "slow", "restart"]), max_size=60))
def test_two_who_follow_at_their_own_pace_each_hear_of_every_end_once(steps):
    """As the webhooks do: one mark may lag far behind the other, and the queue may be started anew."""
    queue = _Queue()
    for number, step in enumerate(steps):
        match step:
            case "end":
                queue.tasks.append(finished(queue.finishes, f"t{number}"))
            case "restart":
                queue.restart()
            case _:
                queue.read(step, 3 if step == "quick" else 1)
    for name in queue.marks:
        for _ in steps:
            queue.read(name, 2)
        assert queue.heard[name] == [task.id for task in queue.tasks]
