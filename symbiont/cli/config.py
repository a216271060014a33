"""`symbiont config …`: see, check and write the configuration."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import platformdirs
from cyclopts import App, Parameter

from symbiont.cli import address, output
from symbiont.cli.options import FLAG, SOURCE_DEFAULTS, Json, SharedSource
from symbiont.config import Loaded, check_whole, data_dir, dotted, template
from symbiont.config.load import FILE_NAME
from symbiont.domain.errors import SymbiontError

app = App(name="config", help="See, check and write the configuration.", help_epilogue="")

STDOUT = "-"


@app.command
def show(*, source: SharedSource = SOURCE_DEFAULTS, json: Json = False) -> None:
    """Show every setting, its value, and where the value comes from."""
    loaded = address.loaded(source)
    values = dotted(loaded.config)
    if json:
        rows = [{"key": key, "value": value, "source": loaded.provenance[key]} for key, value in values.items()]
        output.show_json(msgspec.json.encode(rows))
        return
    output.show_table(
        ("key", "value", "from"), [(key, str(value), loaded.provenance[key]) for key, value in values.items()]
    )
    _talk_about(loaded)


@app.command
def check(
    file: Annotated[
        Path | None, Parameter(name="FILE", help="The same as --config; default: the file in force.")
    ] = None,
    /,
    *,
    source: SharedSource = SOURCE_DEFAULTS,
    json: Json = False,
) -> None:
    """Check a configuration file together with the environment; exit 2 if it cannot be used."""
    if file is not None and source.config is not None:
        raise SymbiontError("BAD_VALUE", "expected FILE without --config, got: both", hint="symbiont config check FILE")
    loaded = address.loaded(source if file is None else replace(source, config=file))
    check_whole(loaded)
    if json:
        output.show_json(msgspec.json.encode(_checked(loaded)))
        return
    output.show_text(f"ok {loaded.path}" if loaded.path else "ok (no file)")
    _talk_about(loaded)


@app.command
def init(
    path: Annotated[str | None, Parameter(name="PATH", allow_leading_hyphen=True)] = None,
    /,
    *,
    force: Annotated[bool, FLAG] = False,
) -> None:
    """Write a configuration file with every setting, its meaning and its default.

    Args:
        path: File to write, `-` for standard output; default: the place where it is looked for.
        force: Replace a file that is there.
    """
    if path == STDOUT:
        output.show_text(template())
        return
    target = Path(path).expanduser() if path else platformdirs.user_config_path("symbiont") / FILE_NAME
    _write(target, force=force)
    output.show_text(str(target))


def _write(target: Path, *, force: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template())
    except OSError as failure:
        raise _refused(target, failure) from failure


def _refused(target: Path, failure: OSError) -> SymbiontError:
    if isinstance(failure, FileExistsError) and target.exists():
        message = f"expected PATH to be free, got: {target} (it exists)"
        return SymbiontError("CONFLICT", message, hint=f"symbiont config init {shlex.quote(str(target))} --force")
    message = f"expected PATH to be a file that can be written, got: {target} ({failure.strerror})"
    return SymbiontError("BAD_VALUE", message, hint="symbiont config init -")


def _checked(loaded: Loaded) -> dict[str, object]:
    file = None if loaded.path is None else str(loaded.path)
    return {"ok": True, "file": file, "data_dir": str(data_dir(loaded.config)), "warnings": loaded.warnings}


def _talk_about(loaded: Loaded) -> None:
    output.talk(f"file: {loaded.path or 'none'}")
    output.talk(f"data directory: {data_dir(loaded.config)}")
    for warning in loaded.warnings:
        output.talk(f"warning: {warning}")
