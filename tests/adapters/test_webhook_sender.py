"""One webhook over real sockets: what it looks like, and what the worst of receivers can do to it (waste its time, no more)."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from aiohttp import web

from symbiont.adapters.system import SystemClock
from symbiont.adapters.webhook import Target, WebhookSender
from symbiont.adapters.webhook.resolver import MOST_LOOKUPS, Lookups
from symbiont.domain.webhook import key_of
from symbiont.ports import Notice, Notifier
from tests.doubles.receiver import SECRET, Receiver, is_genuine

OTHER = "whsec_" + "b" * 32
BODY = b'{"type":"task.done","timestamp":"2026-11-25T10:00:00Z","data":{"id":"t"}}'
NOTICE = Notice("ops", "msg_1", BODY)
TIMEOUT_S = 0.5


def sender(url: str, *, secrets=(SECRET,), lookups=None, **more) -> Notifier:
    settings = {"allow_http": True, "allow_private": True, "timeout_s": TIMEOUT_S} | more
    return WebhookSender({"ops": Target(url, tuple(map(key_of, secrets)), **settings)}, SystemClock(), lookups=lookups)


def naming(**hosts: str) -> Lookups:
    """Look-ups that know these names, and count who asked."""

    def lookup(host, port, family):
        if host not in hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in hosts[host].split(",")
        ]

    return Lookups(lookup)


async def served(handle) -> tuple[asyncio.Server, str]:
    """A server that speaks no HTTP of its own."""

    async def quiet(reader, writer):
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


# How it looks


async def test_a_receiver_can_verify_what_it_gets():
    async with Receiver() as receiver:
        told = await sender(receiver.url).tell(NOTICE)
    assert (told.status, told.error, told.is_success) == (204, "", True)
    assert (receiver.forged, [heard.id for heard in receiver.verified]) == (0, ["msg_1"])
    (headers,) = receiver.headers
    assert headers["Content-Type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    assert "Cookie" not in headers


async def test_while_secrets_are_exchanged_a_receiver_may_know_either():
    async with Receiver(secret=OTHER) as old, Receiver() as new:
        await sender(old.url, secrets=(SECRET, OTHER)).tell(NOTICE)
        await sender(new.url, secrets=(SECRET, OTHER)).tell(NOTICE)
    assert (old.forged, new.forged, len(old.verified), len(new.verified)) == (0, 0, 1, 1)


async def test_who_does_not_know_the_secret_can_tell_a_forgery():
    async with Receiver(secret=OTHER) as receiver:
        await sender(receiver.url).tell(NOTICE)
    assert receiver.forged == 1
    assert not is_genuine({name.lower(): value for name, value in receiver.headers[0].items()}, BODY + b" ", SECRET)


async def test_a_try_again_is_signed_anew_for_its_own_time():
    async with Receiver() as receiver:
        for _ in range(2):
            await sender(receiver.url).tell(NOTICE)
    assert [heard.id for heard in receiver.verified] == ["msg_1", "msg_1"]


async def test_an_address_that_a_task_brings_is_used_instead():
    async with Receiver() as receiver:
        told = await sender("").tell(Notice("ops", "msg_1", BODY, receiver.url))
    assert told.status == 204


async def test_status_and_retry_after_are_told():
    async with Receiver() as receiver:
        receiver.answers.append(lambda: web.Response(status=429, headers={"Retry-After": "x" * 1_000}))
        told = await sender(receiver.url).tell(NOTICE)
    assert (told.status, told.retry_after) == (429, "x" * 64)


# Where it may go


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0.0.0.0", "169.254.169.254"]
)
async def test_an_address_that_is_not_public_is_not_spoken_to(host):
    told = await sender(f"http://{host}:9/", allow_private=False).tell(NOTICE)
    assert (told.status, told.error) == (0, "expected a public address, got: a private, local or reserved one")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "93.184.216.34,127.0.0.1", "169.254.169.254"])
async def test_nor_a_name_that_leads_to_one_even_among_others(address):
    names = naming(**{"rebind.example": address})
    told = await sender("http://rebind.example/", allow_private=False, lookups=names).tell(NOTICE)
    assert (told.status, told.error) == (0, "expected a public address, got: a private, local or reserved one")


async def test_a_name_is_looked_up_once_so_a_second_answer_cannot_lead_elsewhere():
    asked = []
    async with Receiver() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])

        def lookup(host, _port, _family):
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        told = await sender(f"http://receiver.example:{port}/", lookups=Lookups(lookup)).tell(NOTICE)
    assert (told.status, asked, receiver.headers[0]["Host"]) == (204, ["receiver.example"], f"receiver.example:{port}")


async def test_plain_http_is_only_for_those_who_allow_it():
    told = await sender("http://example.com/", allow_http=False).tell(NOTICE)
    assert told.error.startswith("expected an address such as https://")


async def test_a_redirect_is_a_failure_and_not_followed():
    async with Receiver() as inner, Receiver() as receiver:
        receiver.answers.append(lambda: web.Response(status=307, headers={"Location": inner.url}))
        told = await sender(receiver.url).tell(NOTICE)
    assert (told.status, told.is_success, inner.headers) == (307, False, [])


async def test_an_unknown_name_says_so():
    told = await sender("http://nowhere.example/", lookups=naming()).tell(NOTICE)
    assert (told.status, told.error) == (0, "name or service not known")


# What receivers can do


async def test_one_that_never_answers_costs_its_time_and_no_more():
    async def never(reader, writer):
        await reader.read()

    server, url = await served(never)
    async with server:
        told = await sender(url).tell(NOTICE)
    assert (told.status, told.error) == (0, "no answer within 0.5 s")
    assert told.elapsed_s < 2 * TIMEOUT_S


async def test_one_that_drips_its_headers_does_too():
    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    server, url = await served(drip)
    async with server:
        told = await sender(url).tell(NOTICE)
    assert (told.status, told.is_success) == (0, False)


async def test_the_body_of_an_answer_is_not_waited_for_however_large_or_slow():
    sent = 0

    async def flood(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        for _ in range(10_000):
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    server, url = await served(flood)
    async with server:
        told = await sender(url).tell(NOTICE)
    assert told.status == 200
    assert sent < 50_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"",
    ],
    ids=["tls", "absurd status", "ssh", "huge header", "many headers", "nothing"],
)
async def test_what_is_no_http_answer_is_a_failure(answer):
    async def say(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    server, url = await served(say)
    async with server:
        told = await sender(url).tell(NOTICE)
    assert not told.is_success
    assert told.error
    assert "127.0.0.1" not in told.error


async def test_one_that_resets_the_connection_is_a_failure():
    async def reset(reader, writer):
        writer.transport.abort()

    server, url = await served(reset)
    async with server:
        told = await sender(url).tell(NOTICE)
    assert (told.status, bool(told.error)) == (0, True)


async def test_nobody_there_says_so():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = await sender(f"http://127.0.0.1:{port}/").tell(NOTICE)
    assert told.status == 0
    assert "connect" in told.error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        cert,
        *subject,
    ]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_sent(certificate):
    got = b""

    async def note(reader, writer):
        nonlocal got
        got += await reader.read(100)

    server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=certificate)
    port = server.sockets[0].getsockname()[1]
    names = naming(localhost="127.0.0.1")
    async with server:
        told = await sender(f"https://localhost:{port}/", timeout_s=5.0, lookups=names).tell(NOTICE)
    assert told.error == "expected a certificate that can be verified, got: self-signed certificate"
    assert got == b""


# Its own bounds


async def test_look_ups_that_hang_are_bounded_and_hold_up_neither_loop_nor_others():
    import threading

    going_on = threading.Event()

    def hang(host, port, family):
        going_on.wait(10)
        return []

    lookups = Lookups(hang)
    one = sender("http://slow.example/", lookups=lookups, timeout_s=0.05)
    told = await asyncio.gather(*(one.tell(NOTICE) for _ in range(MOST_LOOKUPS + 1)))
    going_on.set()
    errors = {each.error for each in told}
    assert errors == {
        "no answer within 0.05 s",
        f"expected at most {MOST_LOOKUPS} look-ups of names at a time, got: one more",
    }


async def test_a_crash_of_the_actor_would_show_no_secret():
    target = Target("https://example.com/secret-path", (key_of(SECRET),), 1.0)
    assert "secret" not in repr(target)
