"""What a configuration refuses, and that each refusal names source, key, value and what was expected."""

from pathlib import Path

import pytest

from symbiont.config import load, price_table
from symbiont.config.schema import Config
from symbiont.domain.errors import SymbiontError


def refusal(text: str | bytes, tmp_path: Path, **layers: object) -> SymbiontError:
    path = tmp_path / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SymbiontError) as caught:
        load(path, **{"env": {}} | layers)
    assert caught.value.code == "CONFIG_INVALID"
    return caught.value


def message(text: str | bytes, tmp_path: Path, **layers: object) -> str:
    return refusal(text, tmp_path, **layers).message.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nport = 70000", "expected server.port to be an integer 0..65535, got: 70000"),
        ("[server]\nport = -1", "expected server.port to be an integer 0..65535, got: -1"),
        ('[server]\nport = "8111"', 'expected server.port to be an integer 0..65535, got: "8111"'),
        ("[server]\nport = true", "expected server.port to be an integer 0..65535, got: true"),
        ("[server]\nport = 1.5", "expected server.port to be an integer 0..65535, got: 1.5"),
        ("[server.port]\nx = 1", "expected server.port to be an integer 0..65535, got: a table"),
        ("[server]\nmax_in_flight = 0", "expected server.max_in_flight to be an integer 1..100000, got: 0"),
        ("[server]\nhost = 1", "expected server.host to be a text, got: 1"),
        ("[dispatch]\ntimeout_s = 0", "expected dispatch.timeout_s to be a number > 0 and <= 31536000, got: 0"),
        ("[dispatch]\ntimeout_s = inf", "expected dispatch.timeout_s to be a number > 0 and <= 31536000, got: inf"),
        ("[dispatch]\ntimeout_s = nan", "expected dispatch.timeout_s to be a number > 0 and <= 31536000, got: nan"),
        ("[limits]\nwake_jitter_s = -1", "expected limits.wake_jitter_s to be a number >= 0 and <= 31536000, got: -1"),
        (
            '[dispatch]\nworker = "gpt"',
            'expected dispatch.worker to be one of auto, claude, rehearsal, got: "gpt"',
        ),
        ("data_dir = 2026-01-01", "expected data_dir to be a text, got: 2026-01-01"),
        ("server = 5", "expected server to be a table ([server]), got: 5"),
        ("tiers = 5", "expected tiers to be tables ([[tiers]]), got: 5"),
        ("[server]\nprot = 1", "expected a known key, got: server.prot = 1"),
        ("[server]\nslots = 1", "expected a known key, got: server.slots = 1"),
        ("port = 1", "expected a known key, got: port = 1"),
        ("xyzzy = 1", "expected a known key, got: xyzzy = 1"),
        ("[sever]\nport = 1", "expected a known section, got: sever = a table"),
        ("[plugh]\nport = 1", "expected a known section, got: plugh = a table"),
    ],
)
def test_a_wrong_line_of_the_file_is_named_with_what_was_expected(text, expected, tmp_path):
    assert message(text, tmp_path) == f"config.toml: {expected}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[server]\nprot = 1", "did you mean server.port?"),
        ("[server]\nslots = 1", "did you mean dispatch.slots?"),
        ("[sever]\nport = 1", "did you mean server?"),
        ("[[tiers]]\nrnak = 2", "did you mean tiers[1].rank?"),
        ('[dispatch]\nworker = "cluade"', "did you mean claude?"),
        ('[logging]\nlevel = "warn"', "did you mean warning?"),
        ("xyzzy = 1", "symbiont config show"),
    ],
)
def test_the_name_or_the_value_that_was_meant_is_the_hint(text, meant, tmp_path):
    assert refusal(text, tmp_path).hint == meant


@pytest.mark.parametrize(
    "key",
    [
        "dispatch.slots",
        "server.max_body_bytes",
        "server.max_in_flight",
        "dispatch.max_pending",
        "heartbeat.min_free_bytes",
    ],
)
def test_a_number_beyond_any_use_is_refused(key, tmp_path):
    section, _, name = key.partition(".")
    assert f"expected {key} to be an integer" in message(f"[{section}]\n{name} = 99999999999999999999", tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [('rank = "1"', 'rank to be an integer, got: "1"'), ("suits = 1", "suits to be a text, got: 1")],
)
def test_a_column_of_a_tier_of_the_wrong_kind_is_named(line, expected, tmp_path):
    text = TIER.format(name="haiku", rank=1)
    kept = "".join(row for row in text.splitlines(keepends=True) if not row.startswith(line.split()[0]))
    assert message(kept + line, tmp_path) == f"config.toml: expected tiers[1].{expected}"


def test_bad_toml_is_named_with_file_and_line(tmp_path):
    assert message("[server]\nport = \n", tmp_path) == (
        "config.toml: expected valid TOML, got: Invalid value (at line 2, column 8)"
    )


def test_a_file_that_is_no_text_is_refused(tmp_path):
    assert message(b"\xff\xfe", tmp_path) == "expected config.toml to be UTF-8 text, got: other bytes"


@pytest.mark.parametrize("by", ["path", "variable"])
def test_a_file_that_was_asked_for_must_be_there(tmp_path, by):
    missing = tmp_path / "none.toml"
    with pytest.raises(SymbiontError, match=r"none.toml to be a readable file, got: No such file") as caught:
        load(missing, env={}) if by == "path" else load(env={"SYMBIONT_CONFIG": str(missing)})
    assert caught.value.code == "CONFIG_INVALID"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"SYMBIONT_PORT": "http"}, 'SYMBIONT_PORT: expected server.port to be an integer 0..65535, got: "http"'),
        (
            {"SYMBIONT_DISPATCH_TIMEOUT_S": "inf"},
            'SYMBIONT_DISPATCH_TIMEOUT_S: expected dispatch.timeout_s to be a number > 0 and <= 31536000, got: "inf"',
        ),
    ],
)
def test_a_wrong_variable_is_named(env, expected, tmp_path):
    assert message("", tmp_path, env=env) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"server.port": 70_000}, "command line: expected server.port to be an integer 0..65535, got: 70000"),
        ({"server.prot": 1}, "command line: expected a known key, got: server.prot = 1"),
    ],
)
def test_a_wrong_flag_is_named(flags, expected, tmp_path):
    assert message("", tmp_path, flags=flags) == expected


def test_a_long_value_is_cut_in_the_error(tmp_path):
    assert len(message(f'[logging]\nlevel = "{"x" * 10_000}"', tmp_path)) < 250


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "", "example.org", "localhost.example.org"])
def test_an_address_that_others_can_reach_is_refused_until_there_are_api_keys(host, tmp_path):
    error = refusal(f'[server]\nhost = "{host}"', tmp_path)
    assert "there are no API keys yet" in error.message
    assert error.message.endswith(f'got: "{host}"')
    assert 'host = "127.0.0.1"' in error.hint


def test_a_refused_address_names_the_variable_it_came_from(tmp_path):
    assert message("", tmp_path, env={"SYMBIONT_HOST": "0.0.0.0"}).startswith("SYMBIONT_HOST: expected server.host")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_a_loopback_address_is_taken(host):
    assert load(env={"SYMBIONT_HOST": host}).config.server.host == host


TIER = '[[tiers]]\nname = "{name}"\nrank = {rank}\nmodel = "m"\nprice_model = "p"\nsuits = "s"\n'
HAIKU = TIER.format(name="haiku", rank=1)


def test_own_tiers_are_taken_and_named_in_the_provenance(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(HAIKU + TIER.format(name="fable", rank=4))
    loaded = load(path, env={})
    assert [tier.name for tier in loaded.config.tiers] == ["haiku", "fable"]
    assert loaded.provenance["tiers"] == f"file {path}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HAIKU + HAIKU.replace("rank = 1", "rank = 2"), 'expected name of every tier to be unique, got: "haiku"'),
        (HAIKU + TIER.format(name="b", rank=1), "expected rank of every tier to be unique, got: 1"),
        (TIER.format(name="haiku", rank=0), "expected tiers[1].rank to be an integer >= 1, got: 0"),
        (
            HAIKU + TIER.format(name="b c", rank=2),
            'expected tiers[2].name to be a word of letters, digits, - and _, got: "b c"',
        ),
        (HAIKU + "context_tokens = 0", "expected tiers[1].context_tokens to be an integer >= 1, got: 0"),
        (HAIKU + "planning_cost_usd = -1", "expected tiers[1].planning_cost_usd to be a number >= 0, got: -1.0"),
        (HAIKU + "rnak = 2", "expected a known key, got: tiers[1].rnak = 2"),
        (
            '[[tiers]]\nname = "a"',
            "expected tiers[1].rank to be an integer, got: no such key",
        ),
        ("tiers = [1]", "expected tiers[1] to be a table ([[tiers]]), got: 1"),
        (
            HAIKU + '[routing]\nclassifier_tier = "haiko"',
            'expected routing.classifier_tier to be one of haiku, got: "haiko"',
        ),
    ],
)
def test_a_wrong_tier_is_named(text, expected, tmp_path):
    assert message(text, tmp_path) == f"config.toml: {expected}"


def test_a_default_that_the_own_tiers_do_not_have_comes_with_a_line_to_paste(tmp_path):
    error = refusal(TIER.format(name="llama", rank=1), tmp_path)
    assert error.message == 'default: expected dispatch.default_tier to be one of llama, got: "haiku"'
    assert error.hint == 'default_tier = "llama" in [dispatch]'


PRICES = """version = "mine"
[models.llama]
input = 0.0
output = 0.0
cache_read = 0.0
cache_write_5m = 0.0
cache_write_1h = 0.0
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PRICES.replace("input = 0.0", "input = 0.0001"), "expected input of llama to be a multiple of 0.001 USD"),
        (PRICES.replace("input = 0.0", "input = -1"), "expected input of llama to be a multiple of 0.001 USD"),
        (PRICES.replace("input = 0.0", 'input = "1"'), "got: Expected `float`, got `str` (at models[...].input)"),
        (PRICES.replace("input = 0.0\n", ""), "missing required field `input` (at models[...])"),
        (PRICES.replace("version", "verison"), "unknown field `verison`"),
        ("version = ", "expected valid TOML, got: "),
    ],
)
def test_a_wrong_price_table_is_refused_whole(text, expected, tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(SymbiontError, match=r"prices\.toml") as caught:
        price_table(Config(prices_file=str(path)))
    assert caught.value.code == "CONFIG_INVALID"
    assert expected in caught.value.message


def test_an_own_price_table_replaces_the_built_in_one(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    table = price_table(Config(prices_file=str(path)))
    assert (table.version, list(table.rows)) == ("mine", ["llama"])


BUDGET = '[[budgets]]\nname = "daily"\nperiod = "day"\n'


def test_budgets_are_taken_and_named_in_the_provenance(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(BUDGET + "limit_usd = 5\n")
    loaded = load(path, env={})
    assert [(one.name, one.limit_usd, one.alert_at) for one in loaded.config.budgets] == [("daily", 5.0, 0.8)]
    assert loaded.provenance["budgets"] == f"file {path}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budgets = 5", "expected budgets to be tables ([[budgets]]), got: 5"),
        (BUDGET, "expected budgets[1] to have limit_usd, limit_calls or both, got: neither"),
        (BUDGET + "limit_usd = -1", "expected budgets[1].limit_usd to be a number >= 0 and <= 1000000, got: -1.0"),
        (BUDGET + "limit_usd = nan", "expected budgets[1].limit_usd to be a number >= 0 and <= 1000000, got: nan"),
        (BUDGET + "limit_usd = true", "expected budgets[1].limit_usd to be a number, got: true"),
        (BUDGET + "limit_calls = -1", "expected budgets[1].limit_calls to be an integer >= 0, got: -1"),
        (
            BUDGET + "limit_calls = 1\nalert_at = 0",
            "expected budgets[1].alert_at to be a number > 0 and <= 1, got: 0.0",
        ),
        (
            BUDGET + 'limit_calls = 1\nof = "shop"',
            'expected budgets[1].of to be absent where scope is "global", got: "shop"',
        ),
        (
            BUDGET + 'limit_calls = 1\nscope = "tier"\nof = "sonet"',
            "expected of in budget daily to be one of haiku, sonnet, opus",
        ),
        (BUDGET + 'limit_calls = 1\nscope = "planet"', "expected budgets[1].scope to be one of global, project, tier"),
        (
            BUDGET + "limit_calls = 1\n" + BUDGET + "limit_calls = 2",
            'expected name of every budget to be unique, got: "daily"',
        ),
        ('[[budgets]]\nname = "a b"\nperiod = "day"\nlimit_calls = 1', "expected budgets[1].name to be a word"),
        ('[[budgets]]\nname = "a"\nperiod = "week"', "expected budgets[1].period to be one of day, month"),
        (BUDGET + "limit = 1", "expected a known key, got: budgets[1].limit = 1"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(text, expected, tmp_path):
    assert expected in message(text, tmp_path)


SCHEDULE = '[[schedules]]\nname = "daily"\ntask = "x"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schedules = 5", "expected schedules to be tables ([[schedules]]), got: 5"),
        (SCHEDULE, "expected schedules[1].cron to be a text, got: no such key"),
        (SCHEDULE + 'cron = "61 * * * *"', 'schedules[1].cron: expected minute to be 0..59, got: "61"'),
        (SCHEDULE + 'cron = "@daily"\ntime_zone = "Mars"', "expected schedules[1].time_zone to be the IANA name"),
        (SCHEDULE + 'cron = "@daily"\ncatch_up = "two"', "expected schedules[1].catch_up to be one of all, one, skip"),
        (SCHEDULE + 'cron = "@daily"\nforce_tier = "sonet"', "schedule daily: expected force_tier to be haiku, sonnet"),
        (2 * (SCHEDULE + 'cron = "@daily"\n'), 'expected name of every schedule to be unique, got: "daily"'),
        ('[[schedules]]\nname = "a"\ntask = " "\ncron = "@daily"', "schedule a: expected task to be some text"),
        ('[[schedules]]\nname = "a b"\ntask = "x"\ncron = "@daily"', "expected schedules[1].name to be a word"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(text, expected, tmp_path):
    assert expected in message(text, tmp_path)


def test_a_schedule_may_have_as_long_a_name_as_ever(tmp_path):
    path = tmp_path / "symbiont.toml"
    path.write_text(f'[[schedules]]\nname = "{"x" * 128}"\ncron = "@daily"\ntask = "tidy"\n')

    assert load(path, env={}).config.schedules[0].name == "x" * 128
