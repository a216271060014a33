"""Which server a command talks to.

Tried in this order: `--url`, `SYMBIONT_URL`, `server.json` in the data directory (a running server writes it), host and
port of the configuration. Says nothing about whether a server answers there.
"""

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import msgspec

from symbiont.cli.options import Options, Source
from symbiont.config import Loaded, data_dir, load
from symbiont.config.schema import Config, Server
from symbiont.domain.errors import SymbiontError


class Address(msgspec.Struct, frozen=True):
    """Where a server should be. `origin` says how we know; `chosen` whether somebody named it for this command."""

    url: str
    origin: str
    chosen: bool = False


class _Running(msgspec.Struct, frozen=True):
    url: str


def loaded(source: Source, flags: Mapping[str, object] | None = None) -> Loaded:
    """The configuration as this command sees it; `flags` maps dotted keys. Raises `CONFIG_INVALID`."""
    path = None if source.config is None else source.config.expanduser()
    return load(path=path, flags={"data_dir": source.data_dir, **(flags or {})})


def locate(options: Options, env: Mapping[str, str]) -> Address:
    """The address to try. Raises `BAD_VALUE` for a URL that is none, `CONFIG_INVALID` if the configuration is needed."""
    if options.url is not None:
        return Address(_checked(options.url, "--url"), "--url", chosen=True)
    if env.get("SYMBIONT_URL"):
        return Address(_checked(env["SYMBIONT_URL"], "SYMBIONT_URL"), "SYMBIONT_URL", chosen=True)
    settings = loaded(options).config
    return _announced(settings) or Address(_configured(settings.server), "configuration")


def _announced(settings: Config) -> Address | None:
    """A file that is missing, foreign or half written is no announcement: the configuration decides then."""
    try:
        running = msgspec.json.decode((data_dir(settings) / "server.json").read_bytes(), type=_Running)
        return Address(_checked(running.url, "server.json"), "server.json")
    except (OSError, msgspec.DecodeError, SymbiontError):
        return None


def _configured(server: Server) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _checked(url: str, key: str) -> str:
    try:
        parts = urlsplit(url)
        usable = _usable(parts)
    except ValueError:
        usable = False
    if not usable:
        message = f"expected {key} to be http://HOST:PORT, got: {url}"
        raise SymbiontError("BAD_VALUE", message, hint=f"{key}{_joint(key)}http://127.0.0.1:8111")
    return url.rstrip("/")


def _usable(parts: SplitResult) -> bool:
    # Reading `port` is what makes urlsplit check it.
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and parts.port != 0
        and not (parts.username or parts.password or parts.query or parts.fragment)
    )


def _joint(key: str) -> str:
    return " " if key.startswith("--") else "="
