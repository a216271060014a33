"""`[webhooks]` and `[[webhooks.endpoints]]`: what is accepted, what is refused, and that no refusal shows a secret."""

import base64

import pytest

from symbiont.config import check_whole, load
from symbiont.config.policies import hooks
from symbiont.config.schema import Webhooks
from symbiont.config.webhook_keys import webhook_keys
from symbiont.domain.errors import SymbiontError

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
OPS = 'name = "ops"\nurl = "https://example.com/hook"\n'


def loaded(tmp_path, *rows, section=""):
    path = tmp_path / "symbiont.toml"
    path.write_text(f"[webhooks]\n{section}" + "".join(f"[[webhooks.endpoints]]\n{row}\n" for row in rows), "utf-8")
    return load(path, env={})


def refusal(tmp_path, *rows, section=""):
    with pytest.raises(SymbiontError) as refused:
        loaded(tmp_path, *rows, section=section)
    assert refused.value.code == "CONFIG_INVALID"
    assert SECRET not in f"{refused.value.message} {refused.value.hint} {refused.value.details}"
    return refused.value


def test_an_endpoint_has_defaults_for_all_but_name_address_and_secret(tmp_path):
    (endpoint,) = loaded(tmp_path, OPS + 'secret_env = "S"').config.webhooks.endpoints
    assert (endpoint.name, endpoint.events, endpoint.include_result, endpoint.max_attempts) == ("ops", (), False, 11)
    assert (endpoint.allow_http, endpoint.allow_private) == (False, False)


def test_nothing_configured_means_no_hook():
    assert hooks(load(env={}).config) == ()


def test_hooks_are_what_endpoints_want_and_one_for_addresses_of_tasks(tmp_path):
    row = OPS + 'secret_env = "S"\nevents = ["task.failed"]\nprojects = ["billing"]\ninclude_result = true'
    found = hooks(loaded(tmp_path, row, section="allow_task_urls = true\n").config)
    assert [(one.name, one.events, one.projects, one.include_result) for one in found] == [
        ("ops", ("task.failed",), ("billing",), True),
        ("task", (), (), False),
    ]


def test_secrets_are_read_from_a_file_beside_the_configuration_newest_first(tmp_path):
    (tmp_path / "ops.secret").write_text(f"{SECRET}\n{OTHER}\n")
    webhooks = loaded(tmp_path, OPS + 'secret_file = "ops.secret"').config.webhooks
    assert webhook_keys(webhooks, {}) == {"ops": (b"s" * 32, b"o" * 32)}


def test_secrets_are_read_from_the_environment(tmp_path):
    webhooks = loaded(
        tmp_path, OPS + 'secret_env = "S"', section='allow_task_urls = true\ntask_secret_env = "T"\n'
    ).config.webhooks
    assert webhook_keys(webhooks, {"S": SECRET, "T": f"{SECRET} {OTHER}"}) == {
        "ops": (b"s" * 32,),
        "task": (b"s" * 32, b"o" * 32),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('name = "ops"\nsecret_env = "S"', "expected webhooks.endpoints[1].url to be a text, got: no such key"),
        (OPS, "to have a secret_file or a secret_env, got: neither"),
        (OPS + 'secret_env = "S"\nsecret_file = "f"', "to have a secret_file or a secret_env, got: both"),
        (OPS + 'secret_env = "S"\nevents = ["task.fialed"]', 'got: "task.fialed"'),
        (OPS + 'secret_env = "S"\nevents = "task.failed"', 'events to be an array of texts, got: "task.failed"'),
        (OPS + 'secret_env = "S"\ninclude_result = "yes"', 'include_result to be true or false, got: "yes"'),
        (OPS + 'secret_env = "S"\ntimeout_s = 0', "timeout_s to be a number > 0 and <= 31536000, got: 0"),
        (OPS + 'secret_env = "S"\ndisable_after_s = nan', "got: nan"),
        (OPS + 'secret_env = "S"\nmax_attempts = 0', "max_attempts to be an integer 1..100, got: 0"),
        (OPS + f'secret = "{SECRET}"', "expected a known key, got: webhooks.endpoints[1].secret = "),
        (OPS + f'key = "{SECRET}"', "expected a known key, got: webhooks.endpoints[1].key = "),
        ('name = "task"\nurl = "https://example.com"\nsecret_env = "S"', 'got: "task"'),
        ('name = "a/b"\nurl = "https://example.com"\nsecret_env = "S"', 'got: "a/b"'),
        ('name = ""\nurl = "https://example.com"\nsecret_env = "S"', 'got: ""'),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(tmp_path, row, message):
    assert message in refusal(tmp_path, row).message


def test_an_address_that_is_none_is_refused_and_not_shown(tmp_path):
    refused = refusal(tmp_path, 'name = "ops"\nurl = "http://example.com/private-path"\nsecret_env = "S"')
    assert "webhooks.endpoints[1].url to be an address such as https://" in refused.message
    assert (refused.hint, "private-path" in refused.message) == (
        "allow_http = true in that [[webhooks.endpoints]]",
        False,
    )


def test_two_of_one_name_are_refused(tmp_path):
    row = OPS + 'secret_env = "S"'
    assert 'to be unique, got: "ops"' in refusal(tmp_path, row, row).message


def test_endpoints_are_tables(tmp_path):
    assert "tables ([[webhooks.endpoints]])" in refusal(tmp_path, section="endpoints = 3\n").message
    assert "a table ([[webhooks.endpoints]])" in refusal(tmp_path, section="endpoints = [3]\n").message


@pytest.mark.parametrize("text", ["", "whsec_short", "not a secret", SECRET.removeprefix("whsec_"), f"{SECRET}\n" * 9])
def test_a_secret_that_is_none_is_refused_when_the_whole_is_checked(tmp_path, monkeypatch, text):
    monkeypatch.setenv("OPS_SECRET", text)
    with pytest.raises(SymbiontError, match="webhook ops: expected variable OPS_SECRET to hold") as refused:
        check_whole(loaded(tmp_path, OPS + 'secret_env = "OPS_SECRET"'))
    assert (refused.value.code, "openssl rand" in refused.value.hint) == ("CONFIG_INVALID", True)
    assert not text or text.strip() not in refused.value.message


@pytest.mark.parametrize(
    ("make", "got"), [(lambda path: None, "No such file"), (lambda path: path.mkdir(), "Is a directory")]
)
def test_a_file_of_secrets_that_cannot_be_read_says_why(tmp_path, make, got):
    make(tmp_path / "ops.secret")
    with pytest.raises(SymbiontError, match=got):
        check_whole(loaded(tmp_path, OPS + 'secret_file = "ops.secret"'))


def test_addresses_of_tasks_need_a_secret_too():
    with pytest.raises(SymbiontError, match=r"expected webhooks\.task_secret_file to hold"):
        webhook_keys(Webhooks(allow_task_urls=True), {})
