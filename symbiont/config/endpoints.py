"""The rows of `[[webhooks.endpoints]]`: each a known key, of its type, and together an endpoint that can be told something.

Guarantees: every refusal names source, row, key, value and what was expected; an address is never shown whole, for it may be a secret.
Does not read secrets: `webhook_keys.py` does.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import msgspec

from symbiont.config.keys import invalid
from symbiont.config.rows import rows_of
from symbiont.config.schema import Endpoint
from symbiont.domain.address import url_fault
from symbiont.domain.errors import SymbiontError
from symbiont.domain.webhook import EVENTS, SECRET_PREFIX, TASK_HOOK
from symbiont.domain.wording import did_you_mean, listed

MOST_ENDPOINTS = 100
_TABLE = "webhooks.endpoints"


def read_endpoints(rows: object, file: Path) -> tuple[Endpoint, ...]:
    """The endpoints of a file. Raises `SymbiontError("CONFIG_INVALID")`."""
    endpoints = rows_of(rows, _TABLE, Endpoint, str(file), _shown)
    if len(endpoints) > MOST_ENDPOINTS:
        expects = f"at most {MOST_ENDPOINTS} tables ([[{_TABLE}]])"
        raise invalid(str(file), _TABLE, expects, len(endpoints))
    for number, endpoint in enumerate(endpoints, start=1):
        _check(endpoint, f"{_TABLE}[{number}]", str(file))
    _check_names([endpoint.name for endpoint in endpoints], str(file))
    return tuple(_beside(file, endpoint) for endpoint in endpoints)


def _shown(column: str, value: object) -> object:
    if "secret" in column or SECRET_PREFIX in str(value):
        return "a secret"
    return "another value" if column == "url" else value


def _beside(file: Path, endpoint: Endpoint) -> Endpoint:
    if not endpoint.secret_file:
        return endpoint
    # a service starts in /, so a relative path in a file can only mean: beside the file
    return msgspec.structs.replace(
        endpoint, secret_file=str(file.parent.absolute() / Path(endpoint.secret_file).expanduser())
    )


def _check(endpoint: Endpoint, place: str, source: str) -> None:
    for column, seconds in (("timeout_s", endpoint.timeout_s), ("disable_after_s", endpoint.disable_after_s)):
        if not math.isfinite(seconds):
            raise invalid(source, f"{place}.{column}", "a number > 0", seconds)
    name = endpoint.name
    if not name.isascii() or not name.replace("-", "").isalnum() or len(name) > 64 or name == TASK_HOOK:
        expected = f"at most 64 ASCII letters, digits and -, and not {TASK_HOOK}"
        raise invalid(source, f"{place}.name", expected, name)
    fault = url_fault(endpoint.url, allow_http=endpoint.allow_http)
    if fault:
        hint = "allow_http = true in that [[webhooks.endpoints]]" if endpoint.url.startswith("http://") else ""
        raise SymbiontError(
            "CONFIG_INVALID", f"{source}: expected {place}.url to be {fault}, got: another value", hint=hint
        )
    for event in endpoint.events:
        if event not in EVENTS:
            hint = did_you_mean(event, EVENTS)
            raise invalid(source, f"{place}.events", f"some of {listed(EVENTS)}", event, hint=hint)
    if bool(endpoint.secret_file) == bool(endpoint.secret_env):
        got = "both" if endpoint.secret_file else "neither"
        message = f"{source}: expected {place} to have a secret_file or a secret_env, got: {got}"
        raise SymbiontError("CONFIG_INVALID", message, hint='secret_file = "webhook.secret"')


def _check_names(names: Iterable[str], source: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid(source, "name of every [[webhooks.endpoints]]", "unique", name)
        seen.add(name)
