"""What reaches a terminal, a pipe, a closed pipe and a full disk."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from symbiont.cli import output, table

ESC = "\x1b"
WORDS = st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="\u3000")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def on_terminal(start):
    """Everything a command writes to a terminal that is 60 columns wide."""

    def on_terminal(*argv: str, **env: str) -> str:
        master, slave = pty.openpty()
        process = start(*argv, stdout=slave, stderr=slave, env={"COLUMNS": "60", "TERM": "xterm-256color"} | env)
        os.close(slave)
        shown = b"".join(iter(lambda: _read(master), b""))
        os.close(master)
        process.wait(30)
        return shown.decode()

    return on_terminal


def _read(master: int) -> bytes:
    # A terminal whose last writer is gone answers with an error, not with an end.
    try:
        return os.read(master, 65536)
    except OSError:
        return b""


@pytest.fixture
def tasks(api, a_task, a_page):
    api.answers("GET", "/queue", a_page(a_task(id="task-1", status="failed", task=f"{ESC}[2Jword " * 40)))
    return ("task", "list", "--url", api.url)


def test_a_terminal_gets_a_table_with_a_head_cut_to_its_width(on_terminal, tasks):
    lines = on_terminal(*tasks, NO_COLOR="1").splitlines()

    assert lines[0].split() == ["ID", "STATUS", "TIER", "PRIORITY", "WAITING", "FOR", "TASK"]
    assert len(lines[1]) == 60
    assert lines[1].endswith("…")


def test_a_screen_too_narrow_cuts_no_id(on_terminal, tasks):
    assert "task-1  failed" in on_terminal(*tasks, NO_COLOR="1", COLUMNS="5")


def test_a_terminal_gets_colour(on_terminal, tasks):
    assert f"{ESC}[31mfailed" in on_terminal(*tasks)


def test_no_color_means_none(on_terminal, tasks):
    shown = on_terminal(*tasks, NO_COLOR="1")

    assert not re.search(rf"{ESC}\[[0-9;]*3[0-9]", shown)


def test_text_of_others_cannot_steer_the_terminal(on_terminal, api, an_answer):
    api.answers("POST", "/task", an_answer(result=f"before{ESC}]0;owned\x07after"))

    shown = on_terminal("task", "submit", "x", "--url", api.url, NO_COLOR="1")

    assert "before\\x1b]0;owned\\x07after" in shown
    assert ESC not in shown


def test_into_a_pipe_text_goes_as_it_is(ask, api, an_answer):
    api.answers("POST", "/task", an_answer(result=f"a{ESC}[1mb"))

    assert ask("task", "submit", "x").out == f"a{ESC}[1mb\n"


def test_into_a_pipe_nothing_is_cut_or_coloured(ask, tasks, api):
    ran = ask(*tasks)

    assert ran.out.count("word") == 40
    assert ran.out.count(ESC) == 40


def test_colour_can_be_forced_into_a_pipe(ask, tasks, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert f"\t{ESC}[31mfailed{ESC}[0m\t" in ask(*tasks).out


def test_json_on_a_terminal_is_indented(on_terminal, api, a_status):
    api.answers("GET", "/status", a_status())

    assert '{\r\n  "status": "healthy"' in on_terminal("status", "--json", "--url", api.url)


def test_an_empty_table_says_so_on_a_terminal_and_nothing_into_a_pipe(on_terminal, ask, api, a_page):
    api.answers("GET", "/queue", a_page())

    assert on_terminal("task", "list", "--url", api.url) == "nothing to show\r\n"
    assert ask("task", "list").out == ""


def test_a_reader_that_went_away_ends_the_command_quietly(start, tasks):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*tasks, stdout=writer)
    os.close(writer)

    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")  # noqa: PTH110
def test_an_output_that_cannot_be_written_is_an_error(start, tasks):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = start(*tasks, stdout=full)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert err.startswith(b"error STORAGE_REFUSED: expected the output to take what was printed")
    assert err.count(b"\n") == 2


def test_talk_that_nobody_hears_does_not_change_how_a_command_ends(start, api):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("task", "show", "task-1", "--url", api.url, stderr=writer)
    os.close(writer)

    assert process.wait(30) == 3


def test_closed_streams_are_no_crash(start, tasks):
    process = start(*tasks)
    process.communicate(timeout=30)
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *process.args]

    assert subprocess.run(shell, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode == 0


def test_a_narrow_encoding_shows_what_it_cannot_say(start, api, an_answer):
    api.answers("POST", "/task", an_answer(result="5 €"))
    process = start("task", "submit", "x", "--url", api.url, env={"PYTHONIOENCODING": "ascii"})

    out, _ = process.communicate(timeout=30)

    assert (process.returncode, out) == (0, b"5 \\u20ac\n")


def test_json_is_utf8_whatever_the_terminal_speaks(start, api, an_answer):
    body = '{"result": "5 €"'.encode() + str(an_answer()).replace("'", '"').encode().replace(b"{", b", ", 1)
    api.answers("POST", "/task", body)
    process = start("task", "submit", "x", "--json", "--url", api.url, env={"PYTHONIOENCODING": "ascii"})

    out, _ = process.communicate(timeout=30)

    assert out == body + b"\n"


@given(st.lists(st.tuples(st.text(WORDS), st.text(WORDS), st.text(WORDS)), min_size=1), st.integers(1, 100))
def test_a_fitted_table_is_aligned_and_cuts_only_its_last_column(rows, screen):
    cells = table.fitted(rows, screen)

    assert len({tuple(map(cell_len, row[:-1])) for row in cells}) == 1
    assert [[cell.rstrip(" ") for cell in row[:-1]] for row in cells] == [
        [cell.rstrip(" ") for cell in row[:-1]] for row in rows
    ]
    assert all(cell_len(row[-1]) <= max(screen, table.NARROWEST) for row in cells)


@given(st.text())
def test_a_cell_in_a_pipe_can_be_read_back(text):
    cell = output._cell("task", text)

    assert not set(cell) & set("\t\n\r")
    assert re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n", "r": "\r"}.get(found[1], found[1]), cell) == text


@given(st.text())
def test_no_control_character_survives_but_tab_and_newline(text):
    controls = {chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]} - {"\t", "\n"}

    assert not controls & set(output._tame(text))


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "task list --stauts done",
            "expected an option of `symbiont task list`, got: --stauts",
            "did you mean --status?",
        ),
        (
            "task list --status don",
            'expected --status to be pending, processing, done, failed or cancelled, got: "don"',
            "did you mean done?",
        ),
        ("task list --limit x", 'expected --limit to be an integer, got: "x"', "symbiont task list --help"),
        (
            "serve --worker cluade",
            'expected --worker to be auto, claude or rehearsal, got: "cluade"',
            "did you mean claude?",
        ),
        ("taks list", "expected a command of `symbiont`, got: taks", "did you mean task?"),
        ("task show", "expected ID to be given, got: nothing", "symbiont task show --help"),
        ("version x", "expected no more arguments, got: x", "symbiont version --help"),
    ],
)
def test_a_slip_on_the_command_line_is_told_in_the_words_of_every_error(run, line, message, hint):
    assert run(*line.split()).err == f"error {run(*line.split(), '--json').error['code']}: {message}\nhint: {hint}\n"
