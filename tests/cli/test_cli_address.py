"""How a command finds its server."""

import json

import pytest

from symbiont.cli.address import Address, locate
from symbiont.cli.options import Options
from symbiont.domain.errors import SymbiontError


def _announce(directory, content) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "server.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def announced(tmp_path, monkeypatch):
    """A data directory in which a running server left its address."""
    directory = tmp_path / "data"
    monkeypatch.setenv("SYMBIONT_DATA_DIR", str(directory))
    _announce(directory, {"url": "http://127.0.0.1:4711", "pid": 1})
    return directory


def test_a_flag_wins_over_everything(announced):
    options, env = Options(url="http://flag:1"), {"SYMBIONT_URL": "http://env:2"}

    assert locate(options, env) == Address("http://flag:1", "--url", chosen=True)


def test_the_environment_wins_over_the_data_directory(announced):
    assert locate(Options(), {"SYMBIONT_URL": "http://env:2"}) == Address("http://env:2", "SYMBIONT_URL", chosen=True)


def test_a_running_server_is_found_in_its_data_directory(announced):
    assert locate(Options(), {}) == Address("http://127.0.0.1:4711", "server.json")


def test_a_data_directory_can_be_named(announced, tmp_path):
    other = tmp_path / "other"
    _announce(other, {"url": "http://127.0.0.1:4712", "pid": 2})

    assert locate(Options(data_dir=str(other)), {}).url == "http://127.0.0.1:4712"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 3}', '{"url": "nonsense"}', '{"url": 5}'])
def test_a_spoilt_announcement_leaves_it_to_the_configuration(announced, content):
    _announce(announced, content)

    assert locate(Options(), {}) == Address("http://127.0.0.1:8111", "configuration")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.2", "http://127.0.0.2:9000"), ("::1", "http://[::1]:9000"), ("localhost", "http://localhost:9000")],
)
def test_without_a_running_server_host_and_port_of_the_configuration_count(monkeypatch, host, url):
    monkeypatch.setenv("SYMBIONT_HOST", host)
    monkeypatch.setenv("SYMBIONT_PORT", "9000")

    assert locate(Options(), {}).url == url


@pytest.mark.parametrize("url", ["http://h:1/", "https://h", "http://[::1]:80", "http://h:1/prefix"])
def test_a_url_is_taken_without_its_last_slash(url):
    assert locate(Options(url=url), {}).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:1",
        "localhost:8111",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://h:70000",
        "http://h:0",
        "http://u:p@h",
        "http://h?q",
        "http://[::1",
    ],
)
def test_a_url_that_is_none_is_refused_with_an_example(url):
    with pytest.raises(SymbiontError, match=r"expected --url to be http://HOST:PORT, got: ") as refused:
        locate(Options(url=url), {})

    assert (refused.value.code, refused.value.hint) == ("BAD_VALUE", "--url http://127.0.0.1:8111")


def test_a_broken_configuration_does_not_matter_to_who_names_the_server(ask, api, a_status, monkeypatch):
    monkeypatch.setenv("SYMBIONT_PORT", "many")
    api.answers("GET", "/status", a_status())

    assert ask("status").code == 0


def test_a_broken_configuration_is_a_usage_error(run, monkeypatch):
    monkeypatch.setenv("SYMBIONT_PORT", "many")

    assert run("status").code == 2


def test_nobody_at_the_address_exits_5_and_tells_how_to_start(run, nobody):
    ran = run("status", "--url", nobody)

    assert ran.code == 5
    assert ran.err == (
        f"error SERVER_UNREACHABLE: expected a server at {nobody} (--url), got: connection refused\nhint: symbiont serve\n"
    )
