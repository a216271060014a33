"""Sockets: opened early, on loopback only, with errors that say what to do."""

import asyncio
import errno
import resource
import socket
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from symbiont.domain.errors import SymbiontError
from symbiont.http.listen import _explained, allow_files, bind, serve, url_of


def close(sockets):
    for sock in sockets:
        sock.close()


def ports(sockets):
    return [sock.getsockname()[1] for sock in sockets]


def test_port_zero_picks_a_free_port():
    sockets = bind("127.0.0.1", 0)

    assert url_of(sockets) == f"http://127.0.0.1:{ports(sockets)[0]}"
    assert ports(sockets)[0] > 0
    close(sockets)


def test_localhost_listens_on_one_port_for_both_families():
    sockets = bind("localhost", 0)

    assert len(set(ports(sockets))) == 1
    assert sockets[0].family == socket.AF_INET
    assert {sock.family for sock in sockets[1:]} <= {socket.AF_INET6}
    close(sockets)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_stands_in_brackets_in_the_url(host):
    sockets = bind(host, 0)

    assert url_of(sockets) == f"http://[::1]:{ports(sockets)[0]}"
    close(sockets)


def test_a_connection_made_before_serving_waits_instead_of_being_refused():
    sockets = bind("127.0.0.1", 0)

    with socket.create_connection(sockets[0].getsockname(), timeout=5) as early:
        assert early.getpeername() == sockets[0].getsockname()
    close(sockets)


def test_a_port_that_is_taken_is_named_with_a_way_out():
    taken = bind("127.0.0.1", 0)
    port = ports(taken)[0]

    with pytest.raises(SymbiontError, match=f"expected port {port} on 127.0.0.1 to be free") as refused:
        bind("127.0.0.1", port)

    assert refused.value.code == "ADDRESS_IN_USE"
    assert refused.value.hint == f"SYMBIONT_PORT={port + 1} symbiont serve"
    close(taken)


def test_localhost_leaves_nothing_open_when_one_family_is_taken():
    taken = bind("localhost", 0)
    port = ports(taken)[0]
    if len(taken) == 1:
        close(taken)
        pytest.skip("needs IPv6")
    taken[0].close()

    with pytest.raises(SymbiontError, match="on ::1 to be free"):
        bind("localhost", port)

    close([*bind("127.0.0.1", port), taken[1]])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.10", "example.com", "", "localhost.", "127.1"])
def test_anything_but_loopback_is_refused(host):
    with pytest.raises(
        SymbiontError, match=r"expected server\.host to be localhost, 127\.0\.0\.1 or ::1, got: "
    ) as refused:
        bind(host, 0)

    assert refused.value.code == "CONFIG_INVALID"


def test_a_port_this_user_may_not_have_is_the_configuration_s_fault():
    refused = _explained(OSError(errno.EACCES, "no"), "127.0.0.1", 80)

    assert (refused.code, refused.message) == (
        "CONFIG_INVALID", "expected server.port to be one this user may listen on, got: 80",
    )  # fmt: skip


async def test_the_site_of_a_runner_is_named_by_its_address():
    sockets = bind("127.0.0.1", 0)
    url = url_of(sockets)
    runner = await serve(web.Application(), sockets)

    names = [site.name for site in runner.sites]
    await runner.cleanup()

    assert names == [url]


async def test_cleaning_up_closes_the_sockets():
    sockets = bind("127.0.0.1", 0)
    address = sockets[0].getsockname()
    runner = await serve(web.Application(), sockets)

    await runner.cleanup()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_request_under_way_at_the_end_is_answered():
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        started.set()
        await finish.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/", slow)
    sockets = bind("127.0.0.1", 0)
    url = url_of(sockets)
    runner = await serve(app, sockets, shutdown_s=10.0)
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.get(url))
        await started.wait()
        stopping = asyncio.create_task(runner.cleanup())
        finish.set()
        async with await asking as response:
            assert await response.text() == "done"
        await stopping


async def test_a_request_that_does_not_end_is_cut_off_at_the_end(start):
    stuck = asyncio.Event()

    class StuckGate:
        async def run(self, body, *, waits=False):
            stuck.set()
            await asyncio.Event().wait()

    async with start(gate=StuckGate(), shutdown_s=0.01) as api:
        asking = asyncio.create_task(api.get("/status"))
        await stuck.wait()

    with pytest.raises(aiohttp.ClientError):
        await asking


async def test_a_server_that_cannot_start_gives_its_sockets_back():
    async def failing(_app: web.Application) -> None:
        raise RuntimeError("no")

    app = web.Application()
    app.on_startup.append(failing)
    sockets = bind("127.0.0.1", 0)

    with pytest.raises(RuntimeError, match="no"):
        await serve(app, sockets)

    close(sockets)


async def test_one_connection_too_many_is_closed_and_the_others_are_served():
    sockets = bind("127.0.0.1", 0)
    address = sockets[0].getsockname()
    runner = await serve(web.Application(), sockets, max_connections=2)
    (reader, writer), (_, idle) = [await asyncio.open_connection(*address) for _ in range(2)]
    with capture_logs() as logs:
        surplus, third = await asyncio.open_connection(*address)
        with suppress(ConnectionResetError):
            assert await surplus.read() == b""
    assert [log["event"] for log in logs] == ["connection turned away"]

    idle.close()
    await idle.wait_closed()
    again, fourth = await asyncio.open_connection(*address)
    for ready, asking in ((reader, writer), (again, fourth)):
        asking.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await ready.readline()).startswith(b"HTTP/1.1 404")
    for each in (writer, third, fourth):
        each.close()
    await runner.cleanup()


def test_the_limit_of_open_files_is_raised_as_far_as_it_may():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        allow_files(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])
        allow_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
