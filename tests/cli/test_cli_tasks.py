"""`symbiont task show|list|wait|cancel|retry` and `symbiont queue list`."""

import pytest

from symbiont.domain.advice import advice


def test_a_task_is_shown_with_everything_known_about_it(ask, api, a_task, an_answer):
    verdict = {"tier": "haiku", "confidence": "high", "reason": "simple", "task_type": "chat", "source": "model"}
    task = a_task(status="done", attempt=1, classification=verdict, answer=an_answer(result="one\ntwo"))
    api.answers("GET", "/task/task-1711123456", task)

    lines = ask("task", "show", "task-1711123456").out.splitlines()

    assert lines[:4] == ["id\ttask-1711123456", "status\tdone", "tier\thaiku", "reason\tsimple"]
    assert lines[-1] == "result\tone\\ntwo"


def test_with_json_the_view_is_printed_as_it_came(ask, api, a_task):
    api.answers("GET", "/task/task-1711123456", a_task())

    assert ask("task", "show", "task-1711123456", "--json").json == a_task()


@pytest.mark.parametrize("whole", ["task-1711123456", "odd/id ?x"])
def test_an_id_stays_one_segment_of_the_path(ask, api, a_task, a_page, whole):
    api.answers("GET", "/queue", a_page())

    ask("task", "show", whole)

    assert "/" not in api.seen[0].path.removeprefix("/task/")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_task_changes_its_status_on_command(ask, api, verb):
    api.answers("POST", f"/queue/task-1/{verb}", {"id": "task-1", "status": "cancelled"})

    ran = ask("task", verb, "task-1")

    assert (ran.code, ran.out) == (0, "id\ttask-1\nstatus\tcancelled\n")


def test_a_change_that_the_state_forbids_is_a_conflict(ask, api):
    api.refuses("POST", "/queue/task-1/cancel", 409, "CONFLICT")

    assert ask("task", "cancel", "task-1").code == 6


def test_a_beginning_that_one_task_has_is_as_good_as_its_id(ask, api, a_task, a_page):
    api.answers("GET", "/queue", a_page(a_task(id="task-171"), a_task(id="queued-5")))
    api.answers("POST", "/queue/queued-5/cancel", {"id": "queued-5", "status": "cancelled"})

    ran = ask("task", "cancel", "queued")

    assert (ran.code, ran.err) == (0, "queued is queued-5\n")


def test_a_beginning_that_several_tasks_have_names_them(ask, api, a_task, a_page):
    api.answers("GET", "/queue", a_page(a_task(id="task-171"), a_task(id="task-172")))

    ran = ask("task", "cancel", "task-17", "--json")

    assert (ran.code, ran.error["code"]) == (2, "BAD_VALUE")
    assert ran.error["details"]["matches"] == ["task-171", "task-172"]
    assert api.asked_for("POST") == ["/queue/task-17/cancel"]


def test_an_id_that_nothing_begins_with_is_not_found(ask, api, a_task, a_page):
    api.answers("GET", "/queue", a_page(a_task(id="task-171")))

    ran = ask("task", "show", "task-9")

    assert ran.code == 3
    assert ran.err.splitlines()[1] == "hint: symbiont task list"


def test_an_empty_id_asks_nobody(ask, api):
    assert (ask("task", "show", "").code, api.seen) == (2, [])


def test_tasks_are_listed_one_a_line_and_tab_separated_into_a_pipe(ask, api, a_task, a_page):
    waiting = a_task(waiting_for="five_hour", not_before="2026-03-19T15:00:00Z", task="two\nlines")
    api.answers("GET", "/queue", a_page(waiting))

    ran = ask("task", "list")

    assert ran.out == ("task-1711123456\tpending\t\tnormal\tfive_hour until 2026-03-19T15:00:00Z\ttwo\\nlines\n")


def test_a_page_that_is_not_everything_says_so(ask, api, a_task, a_page):
    api.answers("GET", "/queue", a_page(a_task(), total=12))

    assert ask("task", "list", "--limit", "1").err == "the newest 1 of 12; more with --limit\n"


@pytest.mark.parametrize(
    ("argv", "query"),
    [
        (("task", "list"), {"limit": "50"}),
        (("task", "list", "--status", "failed", "--limit", "3"), {"status": "failed", "limit": "3"}),
        (("queue", "list"), {"status": "pending", "limit": "50"}),
        (("queue", "list", "--status", "processing"), {"status": "processing", "limit": "50"}),
    ],
)
def test_a_list_asks_the_server_for_just_that(ask, api, a_page, argv, query):
    api.answers("GET", "/queue", a_page())

    assert ask(*argv).code == 0
    assert api.seen[0].query == query


def test_a_state_that_is_none_is_told_before_anybody_is_asked(ask, api):
    ran = ask("task", "list", "--status", "finished")

    assert (ran.code, api.seen) == (2, [])
    assert "pending" in ran.err


def test_waiting_prints_the_answer_of_a_task_once_it_is_done(ask, api, a_task, an_answer):
    api.answers("GET", "/task/task-1", a_task(), a_task(status="processing"), a_task(status="done", answer=an_answer()))

    assert ask("task", "wait", "task-1").out == "Hello!\n"


def test_waiting_takes_a_beginning_of_an_id(ask, api, a_task, a_page, an_answer):
    api.answers("GET", "/queue", a_page(a_task(id="task-171")))
    api.answers("GET", "/task/task-171", a_task(status="done", answer=an_answer()))

    assert ask("task", "wait", "task-1").out == "Hello!\n"


@pytest.mark.parametrize(
    ("end", "code", "exit_code"),
    [
        ({"status": "failed", "failure": {"code": "REFUSED", "detail": "no"}}, "REFUSED", 1),
        ({"status": "failed", "failure": {"code": "UNAUTHORISED", "detail": "key"}}, "UNAUTHORISED", 4),
        ({"status": "failed"}, "INTERNAL", 1),
        ({"status": "cancelled"}, "CANCELLED", 6),
    ],
)
def test_a_task_that_ends_badly_ends_the_wait_with_its_reason(ask, api, a_task, end, code, exit_code):
    api.answers("GET", "/task/task-1", a_task(id="task-1", **end))

    ran = ask("task", "wait", "task-1", "--json")

    assert (ran.code, ran.error["code"]) == (exit_code, code)
    assert ran.error["details"]["hint"] == advice(code, "task-1")


BULK = {"verb": "prune", "ids": ["task-1"], "count": 1, "dry_run": False, "refused": [], "is_all": True}


def test_tasks_that_are_named_are_pruned(ask, api):
    api.answers("POST", "/tasks/prune", BULK)

    assert (ask("task", "prune", "task-1").code, api.seen[0].fields) == (
        0,
        {"ids": ["task-1"], "all": False, "dry_run": False},
    )


def test_a_task_that_is_named_and_unknown_is_not_found(ask, api):
    api.answers("POST", "/tasks/prune", BULK)
    api.refuses("GET", "/task/task-2", 404, "NOT_FOUND")

    assert ask("task", "prune", "task-1", "task-2").code == 3


@pytest.mark.parametrize("flags", [(), ("--json",), ("--dry-run",)])
def test_a_task_that_is_named_and_not_over_is_a_conflict(ask, api, a_task, flags):
    api.answers("POST", "/tasks/prune", {**BULK, "ids": [], "count": 0})
    api.answers("GET", "/task/task-1711123456", a_task(status="pending"))
    ran = ask("task", "prune", "task-1711123456", *flags)

    assert (ran.code, "got: pending" in ran.err) == (6, True)


def test_a_filter_may_leave_out_what_is_named(ask, api):
    api.answers("POST", "/tasks/prune", {**BULK, "ids": [], "count": 0})

    assert ask("task", "prune", "task-1", "--status", "failed").code == 0
