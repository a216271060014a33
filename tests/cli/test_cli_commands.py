"""The command tree: help, usage errors, version, configuration, completion, and how little a command imports."""

import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "uvloop", "structlog", "rich", "prometheus_client", "symbiont.boot", "symbiont.http", "asyncio"}


@pytest.mark.parametrize("argv", [("--help",), ("-h",), ()])
def test_help_groups_the_commands_and_shows_examples(run, argv):
    ran = run(*argv)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.index("Work") < ran.out.index("Server") < ran.out.index("Setup") < ran.out.index("Examples:")


@pytest.mark.parametrize(
    "command",
    [
        "task", "task submit", "task show", "task list", "task wait", "task cancel", "task retry", "queue", "queue list",
        "ledger", "ledger list", "ledger stats", "serve", "status", "heartbeat", "wake", "config", "config show",
        "config check", "config init", "completion", "version",
    ],
)  # fmt: skip
def test_every_command_explains_itself_and_nothing_else(run, command):
    ran = run(*command.split(), "--help")

    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: symbiont {command}" in ran.out
    assert "Exit codes" not in ran.out


@pytest.mark.parametrize(
    ("argv", "code", "says", "hint"),
    [
        (("tsk",), "UNKNOWN_FIELD", "expected a command of `symbiont`, got: tsk", "did you mean task?"),
        (("task", "sho"), "UNKNOWN_FIELD", "a command of `symbiont task`, got: sho", "did you mean show?"),
        (("task", "show"), "MISSING_FIELD", "ID", "symbiont task show --help"),
        (
            ("task", "show", "a", "b"),
            "UNKNOWN_FIELD",
            "expected no more arguments, got: b",
            "symbiont task show --help",
        ),
        (("task", "list", "--limit", "x"), "WRONG_TYPE", "--limit", "symbiont task list --help"),
        (("status", "--jso"), "UNKNOWN_FIELD", "an option of `symbiont status`, got: --jso", "did you mean --json?"),
        (("status", "--url"), "MISSING_FIELD", "--url", "symbiont status --help"),
        (("completion", "tcsh"), "WRONG_TYPE", "bash", "symbiont completion --help"),
    ],
)
def test_a_usage_error_exits_2_and_says_where_help_is(run, argv, code, says, hint):
    ran = run(*argv)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error {code}: ")
    assert says in ran.err
    assert ran.err.endswith(f"hint: {hint}\n")


def test_a_usage_error_is_json_where_json_was_asked_for(run):
    ran = run("status", "--json", "--nope")

    assert (ran.code, ran.error["code"]) == (2, "UNKNOWN_FIELD")


def test_json_behind_the_delimiter_is_no_option(ask, api):
    api.refuses("POST", "/task", 400, "EMPTY_TASK")

    assert ask("task", "submit", "--", "--json").err.startswith("error ")


@pytest.mark.parametrize("argv", [("version",), ("--version",)])
def test_the_version_is_one_line(run, argv):
    ran = run(*argv)

    assert ran.code == 0
    assert ran.out.startswith("symbiont ")
    assert ran.out.count("\n") == 1


def test_the_version_as_json_names_python_too(run):
    assert set(run("version", "--json").json) == {"version", "python"}


@pytest.mark.parametrize("argv", ["version", "config show", "config check", "config init -", "status --json"])
def test_a_plain_command_imports_nothing_heavy(argv, nobody, monkeypatch):
    monkeypatch.setenv("SYMBIONT_URL", nobody)
    program = "import sys; from symbiont.cli.main import main; main(sys.argv[1:]); print('\\n' + ' '.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program, *argv.split()], capture_output=True, text=True, check=True)

    assert HEAVY & set(ran.stdout.splitlines()[-1].split()) == set()


def test_every_setting_is_shown_with_where_it_came_from(run, monkeypatch):
    monkeypatch.setenv("SYMBIONT_PORT", "9000")

    ran = run("config", "show")

    assert "server.port\t9000\tenvironment SYMBIONT_PORT\n" in ran.out
    assert "server.host\t127.0.0.1\tdefault\n" in ran.out
    assert ran.err.startswith("file: none\ndata directory: ")


def test_settings_as_json_keep_their_types(run):
    rows = {row["key"]: row for row in run("config", "show", "--json").json}

    assert rows["server.port"] == {"key": "server.port", "value": 8111, "source": "default"}


def test_a_written_configuration_is_found_and_valid(run, home):
    written = run("config", "init")
    checked = run("config", "check")

    assert (written.code, checked.code) == (0, 0)
    assert checked.out == f"ok {written.out}"
    assert written.out.strip().startswith(str(home))


def test_a_configuration_that_is_there_is_replaced_only_by_force(run, tmp_path):
    target = tmp_path / "symbiont.toml"
    target.write_text("mine")

    refused = run("config", "init", str(target))

    assert (refused.code, target.read_text()) == (6, "mine")
    assert "--force" in refused.err
    assert run("config", "init", str(target), "--force").code == 0
    assert target.read_text() == run("config", "init", "-").out


def test_a_place_that_cannot_be_written_is_told(run, tmp_path):
    (tmp_path / "file").touch()

    assert run("config", "init", str(tmp_path / "file" / "symbiont.toml")).code == 2


def test_a_wrong_configuration_names_key_and_value(run, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nport = 70000\n")

    ran = run("config", "check", str(file))

    assert ran.code == 2
    assert "expected server.port to be an integer 0..65535, got: 70000" in ran.err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--port", "70000"), "expected server.port to be an integer 0..65535, got: 70000"),
        (("--host", "0.0.0.0"), "expected server.host to be a loopback address"),
        (("--log-level", "loud"), "--log-level"),
        (("--config", "/nowhere/symbiont.toml"), "/nowhere/symbiont.toml"),
    ],
)
def test_a_server_does_not_start_with_a_wrong_flag(run, argv, says):
    ran = run("serve", *argv)

    assert ran.code == 2
    assert says in ran.err


def test_a_flag_names_the_configuration_of_a_client_command(run, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[server]\nport = 9001\n")

    assert f"server.port\t9001\tfile {file}" in run("config", "show", "--config", str(file)).out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(run, shell):
    ran = run("completion", shell)

    assert ran.code == 0
    assert "submit" in ran.out


@pytest.mark.parametrize("how", [("FILE",), ("--config", "FILE")], ids=" ".join)
def test_a_configuration_file_is_checked_however_it_is_named(run, tmp_path, how):
    file = tmp_path / "symbiont.toml"
    file.write_text("[server]\nport = 1\n", "utf-8")
    ran = run("config", "check", *[str(file) if word == "FILE" else word for word in how], "--json")
    assert ran.code == 0
    assert (ran.json["ok"], ran.json["file"], ran.json["warnings"]) == (True, str(file), [])


def test_a_configuration_that_cannot_start_does_not_pass(run, tmp_path):
    file = tmp_path / "symbiont.toml"
    file.write_text('prices_file = "nope.toml"\n', "utf-8")
    assert run("config", "check", str(file)).code == 2


def test_a_server_and_no_server_at_once_is_refused(run):
    ran = run("task", "submit", "hi", "--local", "--url", "http://127.0.0.1:1")
    assert (ran.code, "expected --local without --url, got: both" in ran.err) == (2, True)
