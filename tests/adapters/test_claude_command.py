"""How the CLI is called: arguments, environment, standard input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.claude_cli.command import argv_of, env_of, find_claude, marker_of, refusal, stdin_of
from tests.doubles.claude import a_call

LEAN = {"--no-session-persistence", "--strict-mcp-config", "--disable-slash-commands", "--verbose"}


def option(argv, name):
    return argv[argv.index(name) + 1]


def test_a_text_task_is_called_lean():
    argv = argv_of("/bin/claude", a_call(model="sonnet", system="Be brief"))

    assert argv[:4] == ["/bin/claude", "-p", "--model", "sonnet"]
    assert set(argv) >= LEAN
    assert option(argv, "--setting-sources") == ""
    assert option(argv, "--output-format") == "stream-json"
    assert option(argv, "--system-prompt") == "Be brief"
    assert {"--effort", "--json-schema"}.isdisjoint(argv)


def test_the_barest_mode_is_for_a_key_alone_since_it_knows_no_login():
    assert "--bare" in argv_of("claude", a_call(), has_key=True)
    assert "--bare" not in argv_of("claude", a_call(), has_key=False)


def test_no_tools_stands_last_so_that_it_swallows_nothing():
    assert argv_of("claude", a_call(schema={"type": "object"}, frugal=True))[-2:] == ["--tools", ""]


def test_a_frugal_call_thinks_little_in_old_and_new_releases():
    call = a_call(frugal=True)

    assert option(argv_of("claude", call), "--effort") == "low"
    thrift = {"MAX_THINKING_TOKENS": "0", "CLAUDE_CODE_DISABLE_THINKING": "1"}
    assert env_of({}, call, "m").items() >= thrift.items()
    assert thrift.keys().isdisjoint(env_of({}, a_call(), "m"))


def test_a_schema_travels_as_json():
    assert option(argv_of("claude", a_call(schema={"type": "object"})), "--json-schema") == '{"type":"object"}'


def test_arguments_hold_no_nul_and_no_surrogate():
    assert option(argv_of("claude", a_call(system="a\0b\ud800")), "--system-prompt") == "ab?"


@given(prompt=st.text())
def test_a_prompt_never_begins_the_input_and_never_is_an_argument(prompt):
    call = a_call(prompt=prompt)

    assert stdin_of(call).startswith(b"Task:\n")
    assert argv_of("claude", call) == argv_of("claude", a_call())


FORWARDED = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "ANTHROPIC_API_KEY": "k",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
    "CLAUDE_CODE_OAUTH_TOKEN": "t",
    "CLAUDE_CONFIG_DIR": "/config",
    "HTTPS_PROXY": "http://proxy",
    "no_proxy": "localhost",
}


def test_the_named_variables_are_forwarded():
    assert env_of(FORWARDED, a_call(), "m").items() >= FORWARDED.items()


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_no_other_variable_is_forwarded(base):
    fixed = env_of({}, a_call(), "m")

    assert env_of(base, a_call(), "m").keys() <= fixed.keys() | FORWARDED.keys() | {
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    } | {
        "http_proxy",
        "https_proxy",
        "all_proxy",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TZ", "UTC"),
        ("LANG", "C.UTF-8"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("CLAUDE_CODE_DISABLE_ATTACHMENTS", "1"),
        ("CLAUDE_CODE_DISABLE_CLAUDE_MDS", "1"),
        ("CLAUDE_CODE_MAX_RETRIES", "1"),
        ("DISABLE_PROMPT_CACHING", "1"),
        ("API_TIMEOUT_MS", "30000"),
        ("SYMBIONT_CALL", "me:task-1:1"),
    ],
)
def test_the_child_is_told_how_to_behave_whatever_we_were_told(name, value):
    call = a_call(timeout_s=30.0)

    assert env_of({name: "something else"}, call, marker_of("me", call))[name] == value


def test_a_prompt_at_the_bound_is_taken_and_one_beyond_it_is_not():
    assert refusal(a_call(prompt="x" * (10_000_000 - len("Task:\n")))) is None
    assert refusal(a_call(prompt="x" * 10_000_000)) is not None


def test_an_executable_is_found_on_the_path_or_by_its_path(tmp_path):
    claude = tmp_path / "claude"
    claude.touch(0o755)

    assert find_claude("claude", str(tmp_path)) == str(claude)
    assert find_claude(str(claude), "") == str(claude)
    assert find_claude("claude", "/nowhere") is None


def test_what_cannot_be_executed_is_not_found(tmp_path):
    (tmp_path / "claude").touch(0o644)

    assert find_claude("claude", str(tmp_path)) is None


def test_an_executable_named_from_here_stays_the_same_in_another_folder(tmp_path, monkeypatch):
    (tmp_path / "claude").touch(0o755)
    monkeypatch.chdir(tmp_path)

    assert find_claude("./claude", "") == str(tmp_path / "claude")


def test_a_home_is_expanded(tmp_path, monkeypatch):
    (tmp_path / "claude").touch(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find_claude("~/claude", "") == str(tmp_path / "claude")
