"""Listening sockets, opened before anything else runs, and the server that answers on them.

Guarantees that an address is ours (or the start fails with the reason) before a single actor starts, that connections
made meanwhile wait instead of being refused, and that nothing but loopback is ever bound: there are no API keys yet.
Does not resolve names: `localhost` is 127.0.0.1 and ::1.
"""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from typing import Any, cast

from aiohttp import web
from typing_extensions import override

from symbiont.domain.errors import SymbiontError
from symbiont.domain.loopback import is_loopback
from symbiont.http.protocol import Connections, JsonProtocol

BACKLOG = 1024
KEEPALIVE_S = 75.0
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_CONNECTION: dict[str, Any] = {"keepalive_timeout": KEEPALIVE_S, "access_log": None}


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on a loopback host, all on one port; port 0 picks one that is free on each of them.

    Raises SymbiontError CONFIG_INVALID for a host that is not loopback or a port this user may not have, and
    ADDRESS_IN_USE for a port another process holds.
    """
    if not is_loopback(host):
        raise SymbiontError(
            "CONFIG_INVALID",
            f"expected server.host to be localhost, 127.0.0.1 or ::1, got: {host}",
            hint="keep server.host on loopback and let a reverse proxy or an SSH tunnel do the rest",
        )
    if host == "localhost":
        return _bind_localhost(port)
    return [_open(host.removeprefix("[").removesuffix("]"), port)]


async def serve(
    app: web.Application, sockets: Sequence[socket.socket], *, shutdown_s: float = 5.0, max_connections: int = 1024
) -> web.AppRunner:
    """Answer on the sockets, which from now on belong to the runner: its `cleanup` closes them.

    More than `max_connections` at a time are closed at once. Who hangs up waits no longer: the request is stopped, the task it asked for goes on. `cleanup` stops accepting, gives requests under way `shutdown_s` seconds and then cuts them off.
    """
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=shutdown_s, handler_cancellation=True)
    try:
        await runner.setup()
        connections = Connections(max_connections)
        for sock in sockets:
            await _Site(runner, cast("web.Server", runner.server), sock, connections).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


def allow_files(wanted: int) -> None:
    """Raise this process's limit of open files to `wanted`, or as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def url_of(sockets: Sequence[socket.socket]) -> str:
    """The address to call, e.g. `http://127.0.0.1:8111`."""
    return _url(sockets[0])


class _Site(web.BaseSite):
    """Our socket and our protocol in aiohttp's runner."""

    __slots__ = ("_connections", "_sock", "_web_server")

    def __init__(
        self, runner: web.AppRunner, web_server: web.Server, sock: socket.socket, connections: Connections
    ) -> None:
        super().__init__(runner)
        self._sock = sock
        self._web_server = web_server
        self._connections = connections

    @property
    @override
    def name(self) -> str:
        return _url(self._sock)

    @override
    async def start(self) -> None:
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, sock=self._sock, backlog=BACKLOG
        )

    def _connection(self) -> JsonProtocol:
        return JsonProtocol(self._web_server, self._connections, loop=asyncio.get_running_loop(), **_CONNECTION)


def _bind_localhost(port: int, tries: int = 20) -> list[socket.socket]:
    """IPv4 and, where the machine has it, IPv6. With port 0 the number IPv4 gets may be taken on IPv6: draw again."""
    first = _open("127.0.0.1", port)
    try:
        return [first, *_second("::1", first.getsockname()[1])]
    except (SymbiontError, OSError):
        first.close()
        if port != 0 or tries == 1:
            raise
        return _bind_localhost(port, tries - 1)


def _second(host: str, port: int) -> list[socket.socket]:
    try:
        return [_open(host, port)]
    except OSError as error:
        if error.errno in _NO_IPV6:
            return []
        raise


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        explained = _explained(error, host, port)
        if explained is None:
            raise
        raise explained from error
    return sock


def _explained(error: OSError, host: str, port: int) -> SymbiontError | None:
    match error.errno:
        case errno.EADDRINUSE:
            message = f"expected port {port} on {host} to be free, got: another process listening there"
            hint = f"SYMBIONT_PORT={port + 1 if port < 65535 else 0} symbiont serve"
            return SymbiontError("ADDRESS_IN_USE", message, hint=hint, details={"host": host, "port": port})
        case errno.EACCES | errno.EPERM:
            message = f"expected server.port to be one this user may listen on, got: {port}"
            return SymbiontError("CONFIG_INVALID", message, hint="SYMBIONT_PORT=8111 symbiont serve")
        case _:
            return None


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"http://{host}:{port}"
