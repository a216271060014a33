"""The edge around every request: admitted, run behind the gate, and answered in JSON whatever happens.

Guarantees that no exception passes: a SymbiontError becomes its refusal, aiohttp's own refusals become ours, a task
that died under the request becomes OUTCOME_UNKNOWN, and anything else INTERNAL, logged in full and told in one sentence.
"""

import asyncio
from collections.abc import Sequence

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from symbiont.domain.errors import SymbiontError
from symbiont.domain.wording import did_you_mean, encodable, listed, quoted
from symbiont.http import body, encode, guard
from symbiont.http.gate import Gate
from symbiont.http.route import Route

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("symbiont.http")


def edge(gate: Gate, routes: Sequence[Route], max_body_bytes: int) -> Middleware:
    """The middleware that puts every route of an application, known or not, behind the guard and the gate.

    A body is read before the gate, so that who sends it slowly takes no room inside.
    """
    waiting = {route.name for route in routes if route.waits}
    ungated = {route.name for route in routes if not route.is_gated}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            guard.admit(request)
            name = request.match_info.route.name
            if name in ungated:
                return await _answered(request, handler)
            if request.method == "POST" and request.body_exists and name is not None:
                await body.read(request, max_body_bytes)
            return await gate.run(lambda: _answered(request, handler), waits=name in waiting)
        except SymbiontError as error:
            return encode.refusal(error)
        except asyncio.CancelledError:
            return _cut_off()
        except Exception:  # noqa: BLE001 - the outermost frame of a request; `crashed` logs it
            return crashed(request)

    return middleware


def translated(request: web.BaseRequest, error: web.HTTPException) -> web.Response:
    """What a handler or aiohttp says by raising, in our words; a redirection stays what it is."""
    match error:
        case web.HTTPMethodNotAllowed():
            return _wrong_method(request, error)
        case web.HTTPNotFound():
            return encode.refusal(_no_such_path(request))
        case web.HTTPServerError():
            return crashed(request)
        case web.HTTPClientError():
            message = f"expected an ordinary HTTP request, got: {quoted(error.reason)}"
            return encode.refusal(SymbiontError("BAD_HTTP", message))
        case _:
            return web.Response(status=error.status, body=error.body, headers=error.headers)


def crashed(request: web.BaseRequest) -> web.Response:
    """The answer to an exception nobody foresaw; to be called while it is being handled, since it logs it."""
    _log.exception("request crashed", method=request.method, path=encodable(request.path))
    return encode.refusal(
        SymbiontError("INTERNAL", "expected to answer, got: an internal error", hint="symbiont's log has the traceback")
    )


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    # What a caller did wrong ends the supervised task normally: only a bug may look like a crash to its supervisor.
    try:
        return await handler(request)
    except SymbiontError as error:
        return encode.refusal(error)
    except web.HTTPException as error:
        return translated(request, error)


def _cut_off() -> web.Response:
    """OUTCOME_UNKNOWN when the task behind the gate was cancelled; when this task itself is, the cancellation goes on."""
    current = asyncio.current_task()
    if current is not None and current.cancelling():
        raise asyncio.CancelledError
    message = "expected the request to run to its end, got: a restart in between"
    return encode.refusal(SymbiontError("OUTCOME_UNKNOWN", message, hint="symbiont task list"))


def _wrong_method(request: web.BaseRequest, error: web.HTTPMethodNotAllowed) -> web.Response:
    allowed = tuple(sorted(error.allowed_methods))
    message = f"expected the method of {quoted(request.path)} to be {listed(allowed)}, got: {quoted(request.method)}"
    return encode.refusal(SymbiontError("METHOD_NOT_ALLOWED", message, details={"allow": allowed}), allow=allowed)


def _no_such_path(request: web.BaseRequest) -> SymbiontError:
    paths: list[str] = []
    if isinstance(request, web.Request):
        paths = [resource.canonical for resource in request.app.router.resources()]
    message = f"expected the path to be one of the API's, got: {quoted(request.path)}"
    return SymbiontError("NOT_FOUND", message, hint=did_you_mean(request.path, paths) or "GET /openapi.json lists them")
