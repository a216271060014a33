"""The HTTP API through the standard library: one request at a time, views out, errors as `SymbiontError`.

Guarantees that a request which may change something is sent once and never repeated by itself; a GET met by a server
that is just restarting is tried again a few times. Answers are bounded, proxies are not asked, redirects not followed.
Does not know what a task is.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from symbiont.cli import wire
from symbiont.cli.address import Address, locate
from symbiont.cli.options import Options
from symbiont.domain.errors import SymbiontError

CONNECT_S = 5.0
ANSWER_S = 60.0
GET_TRIES = 4
LONGEST_PAUSE_S = 5.0
MAX_ANSWER_BYTES = 256 * 1024 * 1024

Query = Mapping[str, str | int | None]
View = TypeVar("View")


class _Error(msgspec.Struct, frozen=True):
    """An error as the server sends it, read leniently: an older or newer server is still understood."""

    error: str
    code: str
    details: Any = None


class _Reply(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after_s: float | None


class Client:
    """The API of one server. Every method answers the body of a success; times are in seconds."""

    def __init__(self, address: Address, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._sleep = sleep
        self._parts = urlsplit(address.url)

    def get(self, path: str, query: Query | None = None) -> bytes:
        """Read something. Raises the server's error, `SERVER_UNREACHABLE`, or `TIMEOUT` after `ANSWER_S`."""
        for _ in range(GET_TRIES - 1):
            reply = self._ask("GET", path, query, None, ANSWER_S)
            if reply.status != 503 or reply.retry_after_s is None:
                return self._judged(reply)
            self._sleep(min(reply.retry_after_s, LONGEST_PAUSE_S))
        return self._judged(self._ask("GET", path, query, None, ANSWER_S))

    def post(
        self, path: str, fields: object = None, *, query: Query | None = None, timeout_s: float | None = ANSWER_S
    ) -> bytes:
        """Have something done, once. `timeout_s` None waits as long as the server does. Raises like `get`."""
        body = msgspec.json.encode({} if fields is None else fields)
        return self._judged(self._ask("POST", path, query, body, timeout_s))

    def decode(self, body: bytes, view: type[View]) -> View:
        """The view a body holds. Raises `SERVER_UNREACHABLE` if it is none: then no Symbiont answers there."""
        try:
            return wire.decode(body, view)
        except msgspec.DecodeError as mismatch:
            raise self._stranger(str(mismatch)) from mismatch

    def _ask(self, method: str, path: str, query: Query | None, body: bytes | None, timeout_s: float | None) -> _Reply:
        connection = self._connected()
        # From here on it is the caller's patience that counts: a busy server may also be slow to read.
        connection.sock.settimeout(timeout_s)
        try:
            # The server may refuse a body before it has read it all, and its answer says why: read it all the same.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._target(path, query), body, _headers(body))
            return _read(connection.getresponse())
        except TimeoutError as late:
            raise self._late(timeout_s) from late
        except (OSError, HTTPException) as broken:
            raise self._broken(method, broken) from broken
        finally:
            connection.close()

    def _connected(self) -> HTTPConnection:
        https = self._parts.scheme == "https"
        kind = HTTPSConnection if https else HTTPConnection
        try:
            connection = kind(cast("str", self._parts.hostname), self._parts.port, timeout=CONNECT_S)
            connection.connect()
        except (OSError, HTTPException, UnicodeError) as refused:
            raise self._unreachable(_reason(refused)) from refused
        # A caller may wait for minutes; a server that vanished without a word is found out by the kernel.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _target(self, path: str, query: Query | None) -> str:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self._parts.path + path + (f"?{urlencode(given)}" if given else "")

    def _judged(self, reply: _Reply) -> bytes:
        if 200 <= reply.status < 300:
            return reply.body
        try:
            refusal = msgspec.json.decode(reply.body, type=_Error)
        except msgspec.DecodeError as mismatch:
            raise self._stranger(f"HTTP {reply.status}") from mismatch
        details = _object(refusal.details)
        hint = details.pop("hint", "")
        raise SymbiontError(refusal.code, refusal.error, hint=str(hint), details=details)

    def _unreachable(self, reason: str) -> SymbiontError:
        message = f"expected a server at {self._address.url} ({self._address.origin}), got: {reason}"
        return SymbiontError("SERVER_UNREACHABLE", message, hint="symbiont serve")

    def _broken(self, method: str, broken: Exception) -> SymbiontError:
        if method == "GET":
            return self._unreachable(_reason(broken))
        message = f"expected an answer of {self._address.url}, got: {_reason(broken)} after the request was sent"
        return SymbiontError("SERVER_UNREACHABLE", message, hint="symbiont task list")

    def _late(self, timeout_s: float | None) -> SymbiontError:
        within = "" if timeout_s is None else f" within {timeout_s:g} s"
        message = f"expected an answer of {self._address.url}{within}, got: none"
        return SymbiontError("TIMEOUT", message, hint="symbiont status")

    def _stranger(self, got: str) -> SymbiontError:
        message = (
            f"expected Symbiont at {self._address.url} ({self._address.origin}), got: an answer not its own ({got})"
        )
        return SymbiontError("SERVER_UNREACHABLE", message, hint="symbiont serve")


def connect(options: Options) -> Client:
    """A client of the server these options mean. Raises like `locate`; nothing is sent yet."""
    return Client(locate(options, os.environ))


def _object(details: object) -> dict[str, object]:
    return cast("dict[str, object]", details) if isinstance(details, dict) else {}


def _headers(body: bytes | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Connection": "close"}
    return headers if body is None else headers | {"Content-Type": "application/json"}


def _read(response: HTTPResponse) -> _Reply:
    body = response.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise HTTPException(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
    if (response.length or 0) > 0:
        raise HTTPException("an answer that broke off")
    return _Reply(response.status, body, _seconds(response.getheader("Retry-After")))


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _reason(failure: Exception) -> str:
    text = failure.strerror if isinstance(failure, OSError) else str(failure)
    return (text or str(failure) or type(failure).__name__).lower()
