"""Loads the configuration: defaults < TOML file < environment < flags, each value with where it came from.

Guarantees: what comes back is valid as a whole (the tiers that settings name exist, the address is loopback); a key that
nobody set is told apart from one set to its default; every refusal is `SymbiontError("CONFIG_INVALID")` naming source, key,
value and what was expected. Variables that look like settings but are none become warnings, for others share the prefix.
Reads the environment and one file; writes nothing and creates nothing.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import msgspec
import platformdirs

from symbiont.config import rows
from symbiont.config.builtin import read_toml, tier_table
from symbiont.config.endpoints import read_endpoints
from symbiont.config.keys import CLASSIC_VARIABLES, PREFIX, catalogue, closest, invalid, sections, unknown
from symbiont.config.rows import is_table
from symbiont.config.schema import Config, Endpoint
from symbiont.domain.budget import Budget
from symbiont.domain.errors import SymbiontError
from symbiont.domain.intake import Intake
from symbiont.domain.loopback import is_loopback
from symbiont.domain.schedule import Schedule
from symbiont.domain.tier import Tier

FILE_VARIABLE = "SYMBIONT_CONFIG"
FILE_NAME = "symbiont.toml"
COMMAND_LINE = "command line"
_PATH_KEYS = ("data_dir", "prices_file", "webhooks.task_secret_file")

_Table = dict[str, object]


class Loaded(msgspec.Struct, frozen=True):
    """A valid configuration; `provenance` per dotted key (`default`, `file /x/y.toml`, `environment SYMBIONT_PORT`, `command line`).

    `path` is the file that was read, None if there is none; `warnings` are sentences to log once.
    """

    config: Config
    provenance: dict[str, str]
    path: Path | None
    warnings: tuple[str, ...] = ()


class _Tables(msgspec.Struct, frozen=True):
    """What the file holds in tables of rows."""

    tiers: tuple[Tier, ...] = ()
    budgets: tuple[Budget, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class _Setting(msgspec.Struct, frozen=True):
    key: str
    value: object
    provenance: str


def load(
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Loaded:
    """The configuration in force.

    The file is `path`, else the one SYMBIONT_CONFIG names, else `symbiont.toml` in the user's configuration directory if
    it exists. `env` None means the environment of the process. `flags` maps dotted keys to values; None and
    `msgspec.UNSET` mean "not given".
    """
    environment = os.environ if env is None else env
    file = _file(path, environment)
    written, tables = ([], _Tables()) if file is None else _from_file(file)
    layers = [*written, *_from_environment(environment), *_from_flags(flags or {})]
    provenance = dict.fromkeys(catalogue(), "default") | {setting.key: setting.provenance for setting in layers}
    for name in ("tiers", "budgets", "schedules"):
        provenance[name] = f"file {file}" if getattr(tables, name) else "default"
    config = _config({setting.key: setting.value for setting in layers}, tables)
    _check_host(config, provenance)
    _check_tiers(config, provenance)
    _check_budgets(config, provenance)
    _check_schedules(config, provenance)
    return Loaded(config, provenance, file, tuple(_warnings(environment)))


def _file(path: Path | None, env: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if env.get(FILE_VARIABLE):
        return Path(env[FILE_VARIABLE]).expanduser()
    usual = platformdirs.user_config_path("symbiont") / FILE_NAME
    return usual if usual.is_file() else None


def _from_file(file: Path) -> tuple[list[_Setting], _Tables]:
    document, source = read_toml(file), str(file)
    webhooks = document.get("webhooks")
    tables = _Tables(
        rows.tiers(document.pop("tiers", []), source),
        rows.budgets(document.pop("budgets", []), source),
        rows.schedules(document.pop("schedules", []), source),
        read_endpoints(webhooks.pop("endpoints", []) if is_table(webhooks) else [], file),
    )
    return [_file_setting(name, value, file) for name, value in _flat(document, source)], tables


def _flat(document: _Table, source: str) -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if name in sections():
            if not is_table(value):
                raise invalid(source, name, f"a table ([{name}])", value)
            for key, inner in value.items():
                yield f"{name}.{key}", inner
        elif is_table(value) and name not in catalogue():
            raise unknown(source, "section", name, value, [*sections(), "tiers", "budgets", "schedules"])
        else:
            yield name, value


def _file_setting(name: str, value: object, file: Path) -> _Setting:
    key = catalogue().get(name)
    if key is None:
        raise unknown(str(file), "key", name, value, catalogue())
    read = key.read(value, str(file), strict=True)
    if name in _PATH_KEYS and isinstance(read, str) and read:
        # a service starts in /, so a relative path in a file can only mean: beside the file
        read = str(file.parent.absolute() / Path(read).expanduser())
    return _Setting(name, read, f"file {file}")


def _from_environment(env: Mapping[str, str]) -> Iterator[_Setting]:
    for variable, name in _variables().items():
        text = env.get(variable, "").strip()
        if text:
            read = catalogue()[name].read(text, variable, strict=False)
            yield _Setting(name, read, f"environment {variable}")


def _variables() -> dict[str, str]:
    """Variable → key, the classic names first so that the long ones overrule them."""
    return {**CLASSIC_VARIABLES, **{key.variable: key.name for key in catalogue().values()}}


def _from_flags(flags: Mapping[str, object]) -> Iterator[_Setting]:
    for name, value in flags.items():
        if value is None or value is msgspec.UNSET:
            continue
        key = catalogue().get(name)
        if key is None:
            raise unknown(COMMAND_LINE, "key", name, value, catalogue())
        yield _Setting(name, key.read(value, COMMAND_LINE, strict=not isinstance(value, str)), COMMAND_LINE)


def _config(values: dict[str, object], tables: _Tables) -> Config:
    tree: dict[str, object] = {name: getattr(tables, name) for name in ("tiers", "budgets", "schedules")}
    for name, value in (values | {"webhooks.endpoints": tables.endpoints}).items():
        section, _, key = name.rpartition(".")
        holder = cast("_Table", tree.setdefault(section, {})) if section else tree
        holder[key] = value
    return msgspec.convert(tree, Config)


def _check_tiers(config: Config, provenance: Mapping[str, str]) -> None:
    table = tier_table(config)
    for field, values in (("name", table.names), ("rank", [tier.rank for tier in table.tiers])):
        twice = next((value for value in values if list(values).count(value) > 1), None)
        if twice is not None:
            raise invalid(source_of(provenance["tiers"]), f"{field} of every tier", "unique", twice)
    for key, name in (
        ("dispatch.default_tier", config.dispatch.default_tier),
        ("routing.classifier_tier", config.routing.classifier_tier),
    ):
        if table.get(name) is None:
            meant = closest(name, table.names) or table.names[0]
            hint = f'{key.rpartition(".")[2]} = "{meant}" in [{key.partition(".")[0]}]'
            raise invalid(source_of(provenance[key]), key, f"one of {', '.join(table.names)}", name, hint=hint)


def _check_budgets(config: Config, provenance: Mapping[str, str]) -> None:
    source, seen, tiers = source_of(provenance["budgets"]), set[str](), tier_table(config).names
    for budget in config.budgets:
        if budget.name in seen:
            raise invalid(source, "name of every budget", "unique", budget.name)
        seen.add(budget.name)
        if budget.scope == "tier" and budget.of not in ("", *tiers):
            meant = closest(budget.of, tiers) or tiers[0]
            expects = f"one of {', '.join(tiers)}"
            raise invalid(source, f"of in budget {budget.name}", expects, budget.of, hint=f'of = "{meant}"')


def _check_schedules(config: Config, provenance: Mapping[str, str]) -> None:
    """What the queue would be handed must be what a caller may hand in."""
    source, seen = source_of(provenance["schedules"]), set[str]()
    intake = Intake(tier_table(config), config.dispatch.max_task_chars)
    for schedule in config.schedules:
        if schedule.name in seen:
            raise invalid(source, "name of every schedule", "unique", schedule.name)
        seen.add(schedule.name)
        try:
            intake.admit(schedule.new_task)
        except SymbiontError as error:
            message = f"{source}: schedule {schedule.name}: {error.message}"
            raise SymbiontError("CONFIG_INVALID", message, hint=error.hint) from error


def _check_host(config: Config, provenance: Mapping[str, str]) -> None:
    host = config.server.host
    if not is_loopback(host):
        expected = "a loopback address (127.0.0.1, ::1 or localhost), for there are no API keys yet"
        hint = 'host = "127.0.0.1" in [server]; from elsewhere: ssh -L 8111:127.0.0.1:8111 THIS_MACHINE'
        raise invalid(source_of(provenance["server.host"]), "server.host", expected, host, hint=hint)


def source_of(provenance: str) -> str:
    """What an error names: `file /x/y.toml` → `/x/y.toml`."""
    return provenance.removeprefix("file ").removeprefix("environment ")


def _warnings(env: Mapping[str, str]) -> Iterator[str]:
    known = [*_variables(), FILE_VARIABLE]
    prefixes = tuple(f"{PREFIX}{section.upper()}_" for section in sections())
    for variable in sorted(env):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        # only what follows the common prefix tells names apart
        meant = closest(variable.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in known])
        if meant or variable.startswith(prefixes):
            yield f"unknown variable {variable} is ignored" + (f"; did you mean {PREFIX}{meant}?" if meant else "")
