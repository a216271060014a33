"""`symbiont task submit` against a server: what is sent, what is printed, and what waiting does."""

import json
import os
import pty
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


def test_the_answer_alone_goes_to_stdout_and_the_figures_to_stderr(ask, api, an_answer):
    api.answers("POST", "/task", an_answer())

    ran = ask("task", "submit", "Say hello")

    assert (ran.code, ran.out) == (0, "Hello!\n")
    assert ran.err == "task-1711123456 · haiku · 45 tokens in, 87 out · 0.0082 USD · 2.3 s\n"


def test_only_what_was_asked_for_is_sent(ask, api, an_answer):
    api.answers("POST", "/task", an_answer())

    ask("task", "submit", "Say hello")

    assert api.seen[0].fields == {"task": "Say hello"}
    assert api.seen[0].headers["Content-Type"] == "application/json"


def test_tier_priority_and_project_travel_with_the_task(ask, api, an_answer):
    api.answers("POST", "/task", an_answer())

    ask("task", "submit", "x", "--tier", "opus", "--priority", "high", "--project", "p")

    assert api.seen[0].fields == {"task": "x", "force_tier": "opus", "priority": "high", "project": "p"}


def test_with_json_the_body_of_the_server_is_printed_byte_for_byte(ask, api, an_answer):
    body = json.dumps(an_answer(result="Grüße"), ensure_ascii=False).encode()
    api.answers("POST", "/task", body)

    ran = ask("task", "submit", "x", "--json")

    assert (ran.out.encode(), ran.err) == (body + b"\n", "")


def test_a_rehearsed_answer_says_so(ask, api, an_answer):
    api.answers("POST", "/task", an_answer(billing="rehearsal"))

    assert ask("task", "submit", "x").err.endswith("· rehearsal: no model was called\n")


@pytest.mark.parametrize("argv", [("-",), ("--file", "-"), ()], ids=["dash", "file-dash", "nothing"])
def test_the_task_is_read_from_a_pipe(ask, api, an_answer, argv):
    api.answers("POST", "/task", an_answer())

    ask("task", "submit", *argv, stdin="Grüße\nzwei Zeilen\n".encode())

    assert api.seen[0].fields["task"] == "Grüße\nzwei Zeilen"


def test_the_task_is_read_from_a_file_without_its_byte_order_mark(ask, api, an_answer, tmp_path):
    file = tmp_path / "task.md"
    file.write_bytes(b"\xef\xbb\xbfFrom a file\r\n")
    api.answers("POST", "/task", an_answer())

    ask("task", "submit", "-f", str(file))

    assert api.seen[0].fields["task"] == "From a file"


@pytest.mark.parametrize("text", ["- one point\n- two", "-5", "--really, do this"])
def test_a_task_may_begin_with_a_hyphen(ask, api, an_answer, text):
    api.answers("POST", "/task", an_answer())

    assert ask("task", "submit", "--", text).code == 0
    assert api.seen[0].fields["task"] == text


@pytest.mark.parametrize("typo", ["--dry", "--jsn", "-x", "--tierr=opus"])
def test_a_mistyped_option_never_becomes_a_task(ask, api, typo):
    ran = ask("task", "submit", typo)

    assert (ran.code, api.seen) == (2, [])
    assert typo in ran.err


def _latin1(directory: Path) -> str:
    (directory / "latin1.txt").write_bytes(b"Gr\xfc\xdfe")
    return str(directory / "latin1.txt")


@pytest.mark.parametrize(
    ("file", "code", "exit_code", "says"),
    [
        (_latin1, "BAD_VALUE", 2, "byte 0xfc at offset 2"),
        (lambda directory: str(directory / "missing"), "NOT_FOUND", 3, "there is none"),
        (str, "BAD_VALUE", 2, "a directory"),
        (lambda _: "/dev/zero", "TASK_TOO_LONG", 2, "at most 16777216 bytes"),
        (lambda _: "/dev/null", "EMPTY_TASK", 2, "nothing but white space"),
        (lambda _: "nul\0byte", "BAD_VALUE", 2, "null byte"),
    ],
    ids=["not-utf8", "missing", "directory", "endless", "empty", "impossible-name"],
)
def test_a_file_that_holds_no_task_is_refused_with_its_reason(ask, api, tmp_path, file, code, exit_code, says):
    ran = ask("task", "submit", "--json", "--file", file(tmp_path))

    assert (ran.code, ran.error["code"], api.seen) == (exit_code, code, [])
    assert says in ran.error["error"]


@pytest.mark.parametrize("stdin", [b"", b"\n \n"])
def test_an_empty_pipe_holds_no_task(ask, api, stdin):
    ran = ask("task", "submit", "-", "--json", stdin=stdin)

    assert (ran.code, ran.error["code"], api.seen) == (2, "EMPTY_TASK", [])


def test_text_and_file_exclude_each_other(ask, tmp_path):
    assert ask("task", "submit", "text", "--file", str(tmp_path / "x")).code == 2


@pytest.mark.parametrize("other", [("--local",), ("--dry-run",), ("--timeout", "3")])
def test_a_detached_task_is_not_waited_for_in_any_way(ask, api, other):
    assert (ask("task", "submit", "x", "--detach", *other).code, api.seen) == (2, [])


def test_a_task_in_this_process_has_the_timeout_of_the_configuration(run):
    ran = run("task", "submit", "x", "--local", "--timeout", "3")

    assert ran.code == 2
    assert "dispatch.timeout_s" in ran.err


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "1e300"])
def test_a_timeout_is_a_time_a_clock_can_count(ask, api, timeout):
    ran = ask("task", "submit", "x", "--json", f"--timeout={timeout}")

    assert (ran.code, api.seen) == (2, [])
    assert ran.error["error"].startswith("expected --timeout to be more than 0")


def test_a_detached_task_prints_its_id_alone(ask, api):
    api.answers("POST", "/queue", {"id": "queued-7", "status": "queued", "position": 3})

    ran = ask("task", "submit", "later", "--detach")

    assert (ran.code, ran.out) == (0, "queued-7\n")
    assert ran.err == "queued at position 3; wait for it with: symbiont task wait queued-7\n"


def test_a_dry_run_tells_tier_and_cost(ask, api):
    estimate = {
        "task": "x",
        "model": "haiku",
        "model_id": "claude-haiku-5-5",
        "confidence": "high",
        "reason": "simple",
        "classified_by": "heuristic",
        "input_tokens": 12,
        "output_tokens": 100,
        "estimated_cost_usd": 0.00051,
    }
    api.answers("POST", "/task", estimate)

    ran = ask("task", "submit", "x", "--dry-run")

    assert api.seen[0].query == {"dry_run": "true"}
    assert "tier\thaiku\n" in ran.out
    assert "cost\tabout 0.0005 USD\n" in ran.out


def test_a_dry_run_on_a_named_server_never_falls_back_to_this_machine(run, nobody):
    assert run("task", "submit", "x", "--dry-run", "--url", nobody).code == 5


def test_waiting_outlives_the_patience_of_the_server(ask, api, a_task, an_answer):
    api.refuses("POST", "/task", 504, "STILL_PENDING", {"id": "task-1711123456", "status": "processing"})
    done = a_task(status="done", answer=an_answer())
    api.answers("GET", "/task/task-1711123456", a_task(status="processing"), done)

    ran = ask("task", "submit", "Say hello")

    assert (ran.code, ran.out) == (0, "Hello!\n")
    assert len(api.asked_for("POST")) == 1


def test_an_answer_that_was_waited_for_has_the_shape_of_any_other(ask, api, a_task, an_answer):
    api.refuses("POST", "/task", 504, "STILL_PENDING", {"id": "task-1711123456", "status": "processing"})
    api.answers("GET", "/task/task-1711123456", a_task(status="done", answer=an_answer()))

    assert ask("task", "submit", "Say hello", "--json").json == an_answer()


def test_a_task_that_outlives_the_timeout_is_pending_and_named(ask, api, a_task):
    api.refuses("POST", "/task", 504, "STILL_PENDING", {"id": "task-1711123456", "status": "processing"})
    api.answers("GET", "/task/task-1711123456", a_task(status="processing"))

    ran = ask("task", "submit", "Say hello", "--json", "--timeout", "0.05")

    assert ran.code == 8
    assert ran.error["code"] == "STILL_PENDING"
    assert ran.error["details"] == {
        "id": "task-1711123456",
        "status": "processing",
        "hint": "symbiont task wait task-1711123456",
    }


def test_the_server_is_told_how_long_to_wait(ask, api, an_answer):
    api.answers("POST", "/task", an_answer())

    ask("task", "submit", "Say hello", "--timeout", "2.5")

    assert 2.4 < float(api.seen[-1].query["wait_s"]) <= 2.5


def _never_answers(api, an_answer):
    api.answers("POST", "/task", an_answer())
    reply = api._replies["POST", "/task"][0]
    reply.after = api.released


def test_a_task_is_never_sent_twice(ask, api):
    api.refuses("POST", "/task", 503, "RESTARTING", Retry_After="0")

    assert ask("task", "submit", "x").code == 5
    assert api.asked_for("POST") == ["/task"]


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "UNKNOWN_TIER", 2),
        (402, "BUDGET_EXCEEDED", 6),
        (413, "BODY_TOO_LARGE", 2),
        (422, "REFUSED", 1),
        (429, "USAGE_LIMITED", 1),
        (502, "UNAUTHORISED", 4),
        (503, "STORAGE_REFUSED", 1),
        (500, "SOMETHING_A_NEWER_SERVER_INVENTED", 1),
    ],
)
def test_a_refusal_becomes_the_exit_code_of_its_kind(ask, api, status, code, exit_code):
    api.refuses("POST", "/task", status, code, {"hint": "do this"})

    ran = ask("task", "submit", "x")

    assert (ran.code, ran.out) == (exit_code, "")
    assert ran.err == f"error {code}: the server says {code}\nhint: do this\n"


def test_with_json_a_refusal_is_the_body_of_the_server(ask, api):
    api.refuses("POST", "/task", 400, "UNKNOWN_TIER", {"tiers": ["haiku"], "hint": "haiku"})

    ran = ask("task", "submit", "x", "--json")

    assert ran.error == {
        "error": "the server says UNKNOWN_TIER",
        "code": "UNKNOWN_TIER",
        "details": {"tiers": ["haiku"], "hint": "haiku"},
    }


def test_ctrl_c_while_waiting_exits_130_and_tells_how_to_come_back(start, api, a_task):
    api.answers("GET", "/task/task-1", a_task(id="task-1", status="processing"))
    process = start("task", "wait", "task-1", "--url", api.url)
    assert api.asked.wait(30)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err.decode() == "task-1 goes on; come back with: symbiont task wait task-1\ninterrupted\n"


def test_ctrl_c_before_the_task_has_a_name_says_where_to_find_it(start, api, an_answer):
    _never_answers(api, an_answer)
    process = start("task", "submit", "x", "--url", api.url)
    assert api.asked.wait(30)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert (process.returncode, err.decode().splitlines()[-1]) == (130, "interrupted")
    assert "symbiont task list" in err.decode()


@pytest.fixture
def keyboard() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: what is typed into the first can be read from the second."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def test_nobody_is_kept_waiting_at_a_terminal_without_being_asked(start, api, keyboard):
    process = start("task", "submit", "--url", api.url, stdin=keyboard[1])

    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert err.startswith(b"error MISSING_FIELD: expected a task as TEXT, --file or standard input")


def test_a_task_can_be_typed_when_asked_for(start, api, an_answer, keyboard):
    api.answers("POST", "/task", an_answer())
    process = start("task", "submit", "-", "--url", api.url, stdin=keyboard[1])
    os.write(keyboard[0], b"typed by hand\n\x04")

    _, err = process.communicate(timeout=30)

    assert err.startswith(b"reading the task from the terminal")
    assert api.seen[0].fields == {"task": "typed by hand"}


def test_an_unknown_tier_is_told_by_the_flag_that_was_typed(ask, api):
    api.answers(
        "POST",
        "/task",
        {"error": "expected force_tier to be haiku, got: x", "code": "UNKNOWN_TIER", "details": {}},
        status=400,
    )
    assert "expected --tier to be haiku, got: x" in ask("task", "submit", "hi", "--tier", "x").err
