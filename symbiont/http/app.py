"""The API as an aiohttp application: the route table, registered behind one edge.

It keeps nothing between requests; the service and the settings are bound to the handlers when it is built.
"""

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from symbiont.config.schema import Server
from symbiont.domain.intake import Intake, TaskUrls
from symbiont.domain.tier import TierTable
from symbiont.http import body, encode, openapi, parse
from symbiont.http.edge import edge
from symbiont.http.gate import Gate
from symbiont.http.route import Asked, Desk, Route
from symbiont.http.routes import ROUTES
from symbiont.service.api import Service


def build_app(
    service: Service,
    gate: Gate,
    server: Server,
    tiers: TierTable,
    max_task_chars: int,
    *,
    task_urls: TaskUrls = "none",
) -> web.Application:
    """The application, ready for `listen.serve`. Routes added to it later stand behind the same guard and gate."""
    desk = Desk(
        service=service,
        intake=Intake(tiers, max_task_chars, task_urls),
        wait_s=server.wait_s,
        max_body_bytes=server.max_body_bytes,
        document=msgspec.Raw(openapi.document(ROUTES, tiers, max_task_chars)),
    )
    app = web.Application(
        middlewares=[edge(gate, ROUTES, server.max_body_bytes)], client_max_size=server.max_body_bytes
    )
    for route in ROUTES:
        _register(app, route, _handler(desk, route))
    return app


def _register(app: web.Application, route: Route, handler: Handler) -> None:
    if route.method == "GET":
        app.router.add_get(route.path, handler, name=route.name)
    else:
        app.router.add_post(route.path, handler, name=route.name)


def _handler(desk: Desk, route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        parse.check_query(request.rel_url.raw_query_string)
        asked = Asked(
            params=parse.query(request.query.items(), route.param_names),
            fields=await _fields(desk, route, request),
            path=request.match_info,
        )
        return encode.answer(await route.handle(desk, asked))

    return handle


async def _fields(desk: Desk, route: Route, request: web.Request) -> dict[str, object]:
    """The body's object. A route that takes none accepts an empty object, which some clients always send."""
    if route.method == "GET" or (route.body is None and not request.body_exists):
        return {}
    fields = body.decode_object(await body.read(request, desk.max_body_bytes))
    if route.body is None:
        parse.no_unknown(fields, (), "body")
    if route.body is parse.TaskBody:
        return parse.with_key(fields, request.headers.getall(parse.IDEMPOTENCY_HEADER, []))
    return fields
