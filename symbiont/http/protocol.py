"""JSON where aiohttp answers by itself, below the application: malformed HTTP, unmet expectations, broken error paths.

Guarantees that even bytes which are no HTTP get the error shape of every other refusal, that what strangers send is
logged at debug level and not as an error of ours, and that an error in the middle of a stream breaks it off visibly.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import web
from typing_extensions import override

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import quoted
from symbiont.http import edge, encode

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("symbiont.http")


@dataclass(slots=True)
class Connections:
    """How many are open at a time, and the bound. `turned_away` counts those beyond it, closed before a word was read."""

    most: int
    now: int = 0
    turned_away: int = 0


class JsonProtocol(web.RequestHandler):
    """One connection. Differs from aiohttp's own in its refusals and in being counted."""

    __slots__ = ("_connections",)

    def __init__(self, server: web.Server, connections: Connections, **options: Any) -> None:
        super().__init__(server, **options)
        self._connections = connections

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.now += 1
        if self._connections.now > self._connections.most:
            self._connections.turned_away += 1
            if self._connections.turned_away.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … so that a flood fills no log
                _log.warning(
                    "connection turned away", most=self._connections.most, so_far=self._connections.turned_away
                )
            cast("asyncio.Transport", transport).abort()

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.now -= 1
        super().connection_lost(exc)

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer on a connection whose parser or whose error handling failed; it closes the connection."""
        if status == 400:
            response = _malformed(message or str(exc))
        elif not _is_meetable(request):
            response = _malformed("an Expect other than 100-continue")
        else:
            response = edge.crashed(request)
        response.force_close()
        return response

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPError):
            resp = edge.translated(request, resp)
        # A refusal in the middle of a stream would be taken for a part of it; a broken connection cannot be.
        if request.writer.output_size > 0 and not resp.prepared:
            raise ConnectionAbortedError("expected a response not begun yet, got: an error in the middle of one")
        return await super().finish_response(request, resp, start_time)


def _is_meetable(request: web.BaseRequest) -> bool:
    """Whether the request got past its Expect header.

    aiohttp refuses any expectation but the one it knows before a handler is called, and fails itself at refusing one
    that is no text. So an exception under such a header is the sender's doing.
    """
    return request.headers.get("Expect", "100-continue").lower() == "100-continue"


def _malformed(complaint: str) -> web.Response:
    first = complaint.strip().partition("\n")[0].strip().removesuffix(":")
    _log.debug("malformed request", complaint=first)
    return encode.refusal(SymbiontError("BAD_HTTP", f"expected well-formed HTTP, got: {quoted(first)}"))
