"""Who may ask: the rules that keep a loopback server without keys safe from the web pages its user visits.

Guarantees that a request is answered only when it names us as its host (no DNS rebinding), comes from no foreign page
(no cross-site requests), and brings its body as JSON (nothing an HTML form can send). Programs send none of the
browser's headers and are not asked for them. Does not authenticate: whoever may open a socket on this machine may ask.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from symbiont.domain.errors import SymbiontError
from symbiont.domain.loopback import is_loopback
from symbiont.domain.wording import quoted

SAFE_METHODS = frozenset({"GET", "HEAD"})
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_OWN_SITES = frozenset({"same-origin", "none"})
_HTTP_PORT = 80


class Authority(NamedTuple):
    """Host and port of an address as a header spells them; `port` None where it spells none."""

    name: str
    port: int | None


def admit(request: web.Request) -> None:
    """Let the request pass or raise FORBIDDEN_HOST, FORBIDDEN_ORIGIN or UNSUPPORTED_MEDIA_TYPE."""
    port = _own_port(request)
    host = check_host(request.headers.getall("Host", []), port)
    check_origin(request.headers.getall("Origin", []), host, port)
    if request.method in SAFE_METHODS:
        return
    check_site(request.headers.get("Sec-Fetch-Site"))
    if request.body_exists:
        check_media_type(request.headers.get("Content-Type"))
        check_encoding(request.headers.get("Content-Encoding"))


def check_host(values: Sequence[str], port: int) -> Authority:
    """The one Host header, which must be a loopback name with our port or none."""
    host = _authority(values[0]) if len(values) == 1 else None
    if host is None or not is_loopback(host.name) or host.port not in {None, port}:
        raise SymbiontError(
            "FORBIDDEN_HOST",
            f"expected Host to be localhost, 127.0.0.1 or [::1], port {port} or none, got: {_seen(values)}",
            hint=f"http://127.0.0.1:{port}/status",
        )
    return host


def check_origin(values: Sequence[str], host: Authority, port: int) -> None:
    """No Origin at all (a program), or exactly ours: the scheme, the name the request was sent to, our port."""
    for value in values:
        origin = _authority(value.removeprefix("http://")) if value.startswith("http://") else None
        if origin is None or origin.name != host.name or (origin.port or _HTTP_PORT) != port:
            raise SymbiontError(
                "FORBIDDEN_ORIGIN",
                f"expected Origin to be absent or http://{host.name}:{port}, got: {quoted(value)}",
                hint="call the API from a program or from the page it serves itself",
            )


def check_site(value: str | None) -> None:
    """What a browser says about the page that sent a request which changes something.

    `same-site` is foreign too: to a browser every port of localhost is the same site.
    """
    if value is not None and value not in _OWN_SITES:
        raise SymbiontError(
            "FORBIDDEN_ORIGIN",
            f"expected Sec-Fetch-Site to be absent, same-origin or none, got: {quoted(value)}",
            hint="call the API from a program or from the page it serves itself",
        )


def check_media_type(value: str | None) -> None:
    """`application/json`, whose charset can only be UTF-8."""
    media_type, _, parameters = (value or "").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\";\s]*)", parameters)
    if media_type.strip() != "application/json" or (charset and charset[1] not in {"utf-8", "utf8"}):
        raise SymbiontError(
            "UNSUPPORTED_MEDIA_TYPE",
            f"expected Content-Type to be application/json in UTF-8, got: {'none' if value is None else quoted(value)}",
            hint="-H 'Content-Type: application/json'",
        )


def check_encoding(value: str | None) -> None:
    """No compression: a small body that unpacks to a huge one is nothing a local caller needs."""
    if value is not None and value.lower() != "identity":
        raise SymbiontError(
            "UNSUPPORTED_MEDIA_TYPE",
            f"expected Content-Encoding to be absent, got: {quoted(value)}",
            hint="send the body uncompressed",
        )


def _authority(text: str) -> Authority | None:
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    return Authority(found["name"], int(found["port"]) if found["port"] else None)


def _own_port(request: web.Request) -> int:
    """The port the connection arrived at; -1, which no header can name, once the connection is gone."""
    name: object = request.get_extra_info("sockname")
    match name:
        case (str(), int(port)) | (str(), int(port), int(), int()):
            return port
        case _:
            return -1


def _seen(values: Sequence[str]) -> str:
    return ", ".join(quoted(value) for value in values[:2]) or "none"
