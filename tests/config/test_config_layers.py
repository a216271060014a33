"""Where a setting comes from: defaults < file < environment < flags, each told apart."""

from pathlib import Path

import msgspec
import platformdirs
import pytest

from symbiont.config import data_dir, dotted, load
from symbiont.config.keys import catalogue, in_words
from symbiont.config.schema import Config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("[server]\nport = 1\n")
    return path


def test_without_file_environment_and_flags_everything_is_at_its_default():
    loaded = load(env={})
    assert loaded.config == Config()
    assert set(loaded.provenance.values()) == {"default"}
    assert (loaded.path, loaded.warnings) == (None, ())


@pytest.mark.parametrize(
    ("env", "flags", "port", "source"),
    [
        ({}, {}, 1, "file {file}"),
        ({"SYMBIONT_PORT": "2"}, {}, 2, "environment SYMBIONT_PORT"),
        ({"SYMBIONT_PORT": "2"}, {"server.port": 3}, 3, "command line"),
        ({}, {"server.port": "3"}, 3, "command line"),
        ({"SYMBIONT_PORT": "2", "SYMBIONT_SERVER_PORT": "4"}, {}, 4, "environment SYMBIONT_SERVER_PORT"),
    ],
)
def test_the_nearest_layer_counts_and_is_named(file, env, flags, port, source):
    loaded = load(file, env, flags)
    assert loaded.config.server.port == port
    assert loaded.provenance["server.port"] == source.format(file=file)


def test_a_key_set_to_its_default_is_still_set(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[server]\nport = 8111\n")
    assert load(path, env={}).provenance["server.port"] == f"file {path}"


def test_a_default_never_overrules_a_lower_layer(file):
    loaded = load(file, env={"SYMBIONT_DISPATCH_SLOTS": "3"}, flags={"logging.level": "debug"})
    assert (loaded.config.server.port, loaded.config.dispatch.slots, loaded.config.logging.level) == (1, 3, "debug")


@pytest.mark.parametrize("absent", [None, msgspec.UNSET])
def test_a_flag_that_was_not_given_sets_nothing(file, absent):
    assert load(file, env={}, flags={"server.port": absent}).config.server.port == 1


def test_an_empty_variable_sets_nothing(file):
    assert load(file, env={"SYMBIONT_PORT": "", "SYMBIONT_DISPATCH_SLOTS": " "}).config.server.port == 1


def test_zero_and_the_empty_text_are_values(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('data_dir = "somewhere"\n[server]\nport = 5\n')
    loaded = load(path, env={}, flags={"server.port": 0, "data_dir": ""})
    assert (loaded.config.server.port, loaded.config.data_dir) == (0, "")


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("SYMBIONT_HOST", "localhost", "server.host", "localhost"),
        ("SYMBIONT_PORT", "0", "server.port", 0),
        ("SYMBIONT_DATA_DIR", "/srv/symbiont", "data_dir", "/srv/symbiont"),
        ("SYMBIONT_CLAUDE_CLI", "claude-next", "dispatch.claude_cli", "claude-next"),
        ("SYMBIONT_DISPATCH_TIMEOUT_S", "5", "dispatch.timeout_s", 5.0),
        ("SYMBIONT_ROUTING_LOW_CONFIDENCE", "stay", "routing.low_confidence", "stay"),
        ("SYMBIONT_PRICES_FILE", "/etc/prices.toml", "prices_file", "/etc/prices.toml"),
    ],
)
def test_a_variable_sets_its_key(variable, text, key, value):
    loaded = load(env={variable: text})
    assert dotted(loaded.config)[key] == value
    assert loaded.provenance[key] == f"environment {variable}"


@pytest.mark.parametrize("key", catalogue().values(), ids=lambda key: key.name)
def test_every_key_can_be_set_by_a_variable_and_by_a_flag(key):
    by_variable = load(env={key.variable: str(key.default)})
    by_flag = load(env={}, flags={key.name: key.default})
    assert by_variable.config == by_flag.config == Config()


def test_no_two_keys_share_a_variable():
    variables = [key.variable for key in catalogue().values()]
    assert len(variables) == len(set(variables))


def test_dotted_lists_every_scalar_key_in_the_order_of_the_schema():
    names = list(dotted(Config()))
    assert names[:4] == ["data_dir", "prices_file", "server.host", "server.port"]
    assert names == [name for name in load(env={}).provenance if name not in {"tiers", "budgets", "schedules"}]


def test_the_file_named_by_the_environment_is_read(file):
    loaded = load(env={"SYMBIONT_CONFIG": str(file)})
    assert (loaded.path, loaded.config.server.port) == (file, 1)


def test_an_explicit_path_goes_before_the_environment(file, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("")
    assert load(other, env={"SYMBIONT_CONFIG": str(file)}).path == other


def test_the_file_in_the_users_configuration_directory_is_found():
    usual = platformdirs.user_config_path("symbiont") / "symbiont.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text("[server]\nport = 9\n")
    loaded = load(env={})
    assert (loaded.path, loaded.config.server.port) == (usual, 9)


def test_a_relative_path_in_a_file_means_beside_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('data_dir = "data"\nprices_file = "~/prices.toml"\n')
    config = load(path, env={}).config
    assert config.data_dir == str(tmp_path / "data")
    assert config.prices_file == str(Path("~/prices.toml").expanduser())


def test_without_a_data_dir_the_platforms_state_directory_is_used():
    assert data_dir(Config()) == platformdirs.user_state_path("symbiont")


def test_a_data_dir_may_begin_at_home():
    assert data_dir(Config(data_dir="~/symbiont")) == Path("~/symbiont").expanduser()


@pytest.mark.parametrize(
    ("variable", "warning"),
    [
        ("SYMBIONT_PROT", "unknown variable SYMBIONT_PROT is ignored; did you mean SYMBIONT_PORT?"),
        (
            "SYMBIONT_SERVER_PROT",
            "unknown variable SYMBIONT_SERVER_PROT is ignored; did you mean SYMBIONT_SERVER_PORT?",
        ),
        ("SYMBIONT_SERVER_XYZ", "unknown variable SYMBIONT_SERVER_XYZ is ignored"),
    ],
)
def test_a_variable_that_looks_like_a_setting_but_is_none_is_a_warning(variable, warning):
    assert load(env={variable: "1"}).warnings == (warning,)


def test_variables_of_other_purposes_pass_without_a_word():
    env = {"SYMBIONT_URL": "http://127.0.0.1:1", "SYMBIONT_CALL": "x", "PATH": "/bin", "SYMBIONT_CONFIG": ""}
    assert load(env=env).warnings == ()


def test_a_kind_of_setting_that_has_no_words_yet_is_told_to_whoever_adds_it():
    with pytest.raises(TypeError, match="expected setting to be a text, number or literal"):
        in_words(bytes)
