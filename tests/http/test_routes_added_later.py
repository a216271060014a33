"""Routes that others add to the application stand behind the same edge, whatever their handlers do."""

from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from symbiont.domain.errors import SymbiontError
from symbiont.http.app import build_app
from symbiont.http.listen import bind, serve, url_of


@pytest.fixture
def with_route(memory_service, gates, settings, tiers):
    """`async with with_route(handler) as (session, url)`: a server with one more route."""

    @asynccontextmanager
    async def added(handler):
        app = build_app(memory_service, gates.open(), settings, tiers, 1_000)
        app.router.add_get("/later", handler)
        sockets = bind("127.0.0.1", 0)
        url = f"{url_of(sockets)}/later"
        runner = await serve(app, sockets, shutdown_s=1.0)
        async with aiohttp.ClientSession() as session:
            try:
                yield session, url
            finally:
                await runner.cleanup()

    return added


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SymbiontError("CONFLICT", "no"), 409, "CONFLICT"),
        (web.HTTPTooManyRequests(), 400, "BAD_HTTP"),
        (web.HTTPServiceUnavailable(), 500, "INTERNAL"),
        (KeyError("x"), 500, "INTERNAL"),
        (TimeoutError(), 500, "INTERNAL"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_a_handler_raises_ends_in_json(with_route, error, status, code):
    async def raising(_request: web.Request) -> web.StreamResponse:
        raise error

    with capture_logs():
        async with with_route(raising) as (session, url), session.get(url) as response:
            assert (response.status, msgspec.json.decode(await response.read())["code"]) == (status, code)


async def test_a_redirection_stays_one(with_route):
    async def moved(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/health")

    async with with_route(moved) as (session, url), session.get(url) as response:
        assert await response.json() == {"runtime": "python/asyncio", "status": "ok"}


async def test_a_stream_that_fails_half_way_breaks_off_instead_of_ending_in_an_error_text(with_route):
    async def failing(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise KeyError("x")

    with capture_logs() as logs:
        async with with_route(failing) as (session, url), session.get(url) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    assert [entry["event"] for entry in logs] == ["request crashed"]


async def test_a_page_of_another_site_cannot_reach_it(with_route):
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="secret")

    async with with_route(page) as (session, url), session.get(url, headers={"Host": "evil.example"}) as response:
        assert response.status == 403


async def test_an_application_without_the_edge_still_fails_in_json():
    async def raising(_request: web.Request) -> web.StreamResponse:
        raise KeyError("x")

    app = web.Application()
    app.router.add_get("/", raising)
    sockets = bind("127.0.0.1", 0)
    url = url_of(sockets)
    runner = await serve(app, sockets)

    with capture_logs() as logs:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert (await response.json())["code"] == "INTERNAL"
    await runner.cleanup()

    assert [entry["log_level"] for entry in logs] == ["error"]
