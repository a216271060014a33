"""The rows of `[[webhooks.endpoints]]`: each a known key, of its type, and together an endpoint that can be told something.

Guarantees: every refusal names source, row, key, value and what was expected; an address is never shown whole, for it may be a secret.
Does not read secrets: `webhook_keys.py` does.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from symbiont.config.keys import in_words, invalid, unknown
from symbiont.config.schema import Endpoint
from symbiont.domain.address import url_fault
from symbiont.domain.errors import SymbiontError
from symbiont.domain.webhook import EVENTS, SECRET_PREFIX, TASK_HOOK
from symbiont.domain.wording import did_you_mean, listed

MOST_ENDPOINTS = 100


def read_endpoints(rows: object, file: Path) -> tuple[Endpoint, ...]:
    """The endpoints of a file. Raises `SymbiontError("CONFIG_INVALID")`."""
    value, given = rows, cast("list[object]", rows) if isinstance(rows, list) else None
    if given is None or len(given) > MOST_ENDPOINTS:
        expects = f"at most {MOST_ENDPOINTS} tables ([[webhooks.endpoints]])"
        raise invalid(str(file), "webhooks.endpoints", expects, value)
    endpoints = tuple(_endpoint(row, number, file) for number, row in enumerate(given, start=1))
    _check_names([endpoint.name for endpoint in endpoints], str(file))
    return endpoints


def _endpoint(row: object, number: int, file: Path) -> Endpoint:
    place, source = f"webhooks.endpoints[{number}]", str(file)
    if not isinstance(row, dict):
        raise invalid(source, place, "a table ([[webhooks.endpoints]])", row)
    fields = cast("Mapping[str, object]", row)
    known = [f"{place}.{name}" for name in Endpoint.__struct_fields__]
    for name, value in fields.items():
        if f"{place}.{name}" not in known:
            hidden = "a secret" if "secret" in name or SECRET_PREFIX in str(value) else value
            raise unknown(source, "key", f"{place}.{name}", hidden, known)
    types = msgspec.structs.fields(Endpoint)
    endpoint = Endpoint(**{field.name: _field(fields, field, place, source) for field in types})
    _check(endpoint, place, source)
    if not endpoint.secret_file:
        return endpoint
    # a service starts in /, so a relative path in a file can only mean: beside the file
    return msgspec.structs.replace(
        endpoint, secret_file=str(file.parent.absolute() / Path(endpoint.secret_file).expanduser())
    )


def _field(row: Mapping[str, object], field: msgspec.structs.FieldInfo, place: str, source: str) -> Any:
    key, expects = f"{place}.{field.name}", in_words(field.type)
    if field.name not in row:
        if field.required:
            message = f"{source}: expected {key} to be {expects}, got: no such key"
            raise SymbiontError("CONFIG_INVALID", message, hint=f"{field.name} = … in that [[webhooks.endpoints]]")
        return field.default
    try:
        value: object = msgspec.convert(row[field.name], field.type)
    except msgspec.ValidationError as error:
        shown = "another value" if field.name == "url" else row[field.name]
        raise invalid(source, key, expects, shown) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(source, key, expects, value)
    return value


def _check(endpoint: Endpoint, place: str, source: str) -> None:
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
