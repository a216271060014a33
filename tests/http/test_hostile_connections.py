"""Bytes no honest client sends: the answer is JSON all the same, and the server goes on."""

import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from symbiont.domain.errors import SymbiontError
from symbiont.http import body, encode
from symbiont.http.listen import bind, serve

HEAD = b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["words", "tls", "version", "colon", "long-header", "long-path", "two-lengths", "negative", "smuggled"],
)
async def test_malformed_http_is_told_so_in_json(api, wire):
    with capture_logs() as logs:
        reply = await api.raw(wire)

    assert (reply.status, reply.code) == (400, "BAD_HTTP")
    assert {entry["log_level"] for entry in logs} == {"debug"}
    assert (await api.get("/health")).status == 200


async def test_a_broken_chunk_ends_in_json(api):
    reply = await api.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")

    assert (reply.status, reply.code) == (400, "BAD_HTTP")


@pytest.mark.parametrize("expected", [b"miracles", b"\x80"])
@pytest.mark.parametrize("path", [b"/wake", b"/nowhere"])
async def test_an_expectation_nobody_can_meet_is_told_so_in_json(api, path, expected):
    reply = await api.raw(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nExpect: " + expected + b"\r\n\r\n")

    assert (reply.status, reply.code) == (400, "BAD_HTTP")


async def test_a_client_that_asks_before_sending_its_body_is_told_to_go_on(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n")
    go_on = await reader.readuntil(b"\r\n\r\n")
    writer.write(b'{"task": "x"}')
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    assert go_on.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "target", [b"*", b"http://localhost/nowhere", b"/%", b"/%zz", b"//", b"/a\xff", b"/task/\xff\xfe"]
)
async def test_an_odd_target_is_answered_in_json(api, target):
    reply = await api.raw(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert reply.code in {"NOT_FOUND", "BAD_HTTP"}


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(api):
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"task"')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await api.get("/health")).status == 200

    assert logs == []
    assert api.service.seen == [("health",)]


async def test_requests_sent_back_to_back_are_answered_in_order(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )

    wire = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert wire.index(b"200 OK") < wire.index(b"404 Not Found")


async def test_a_body_that_never_comes_is_given_up():
    async def patient(request: web.Request) -> web.Response:
        try:
            await body.read(request, 1_000, within_s=0.01)
        except SymbiontError as error:
            return encode.refusal(error)
        return web.Response()

    app = web.Application()
    app.router.add_post("/task", patient)
    sockets = bind("127.0.0.1", 0)
    runner = await serve(app, sockets)
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"task"')

    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()

    assert b"408 Request Timeout" in head
