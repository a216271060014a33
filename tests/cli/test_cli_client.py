"""The HTTP client: what it retries, what it never repeats, and what it says about a server that is none."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from symbiont.cli.address import Address
from symbiont.cli.client import GET_TRIES, Client
from symbiont.cli.waiting import AWAY_TRIES, Patience, until_done
from symbiont.domain.errors import SymbiontError
from symbiont.service import views


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(api, slept) -> Client:
    return Client(Address(api.url, "--url"), sleep=slept.append)


def test_a_read_met_by_a_restart_is_tried_again_when_the_server_says(api, client, slept, a_status):
    api.answers("GET", "/status", *[_restarting(api)] * 2, a_status())

    assert client.decode(client.get("/status"), views.Status).queue_size == 2
    assert slept == [1.0, 1.0]


def test_a_restart_that_takes_too_long_is_told(api, client, slept):
    api.refuses("GET", "/status", 503, "RESTARTING", Retry_After="3600")

    with pytest.raises(SymbiontError) as refused:
        client.get("/status")

    assert (refused.value.code, len(api.seen)) == ("RESTARTING", GET_TRIES)
    assert slept == [5.0] * (GET_TRIES - 1)


def test_a_refusal_without_a_time_to_come_back_is_final(api, client):
    api.refuses("GET", "/status", 503, "STORAGE_REFUSED")

    with pytest.raises(SymbiontError):
        client.get("/status")

    assert len(api.seen) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"hello": 1}', b"", b"\xff"])
@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_stranger_on_the_port_is_told_from_a_symbiont(api, client, body, status):
    api.answers("GET", "/status", body, status=status)

    with pytest.raises(SymbiontError) as stranger:
        client.decode(client.get("/status"), views.Status)

    assert stranger.value.code == "SERVER_UNREACHABLE"
    assert "not its own" in stranger.value.message


def test_a_server_that_does_not_speak_http_is_told():
    with _raw_server(b"SSH-2.0-OpenSSH\r\n") as url, pytest.raises(SymbiontError) as stranger:
        Client(Address(url, "--url")).get("/status")

    assert stranger.value.code == "SERVER_UNREACHABLE"


def test_an_answer_that_breaks_off_is_no_answer():
    cut = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status":'
    with _raw_server(cut) as url, pytest.raises(SymbiontError) as broken:
        Client(Address(url, "--url")).get("/status")

    assert "broke off" in broken.value.message


def test_a_connection_lost_after_sending_points_to_the_list_of_tasks():
    with _raw_server(b"") as url, pytest.raises(SymbiontError) as lost:
        Client(Address(url, "--url")).post("/task", {"task": "x"})

    assert (lost.value.code, lost.value.hint) == ("SERVER_UNREACHABLE", "symbiont task list")
    assert "after the request was sent" in lost.value.message


def test_a_body_refused_before_it_was_read_still_tells_why():
    refusal = b'{"error": "too much", "code": "BODY_TOO_LARGE", "details": {}}'
    reply = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%s" % (len(refusal), refusal)
    with _raw_server(reply) as url, pytest.raises(SymbiontError) as refused:
        Client(Address(url, "--url")).post("/task", {"task": "x"})

    assert refused.value.code == "BODY_TOO_LARGE"


def test_a_host_that_does_not_exist_is_unreachable():
    with pytest.raises(SymbiontError) as unknown:
        Client(Address(f"http://{'a' * 70}.invalid:1", "--url")).get("/status")

    assert (unknown.value.code, unknown.value.hint) == ("SERVER_UNREACHABLE", "symbiont serve")


def test_a_prefix_of_the_url_is_kept(api, a_status):
    api.answers("GET", "/behind/proxy/status", a_status())

    Client(Address(f"{api.url}/behind/proxy", "--url")).get("/status")

    assert api.asked_for("GET") == ["/behind/proxy/status"]


def test_a_proxy_of_the_environment_is_not_asked(api, client, a_status, monkeypatch, nobody):
    monkeypatch.setenv("http_proxy", nobody)
    api.answers("GET", "/status", a_status())

    assert client.get("/status")


def test_a_server_away_for_a_moment_does_not_end_the_wait(api, client, slept, a_task, an_answer):
    api.answers("GET", "/task/task-1", *[_restarting(api)] * 9, a_task(status="done", answer=an_answer()))

    assert b"Hello!" in until_done(client, "task-1", _patience(None, slept))


def test_a_server_away_for_good_ends_the_wait(nobody, slept):
    with pytest.raises(SymbiontError) as gone:
        until_done(Client(Address(nobody, "--url")), "task-1", _patience(None, slept))

    assert (gone.value.code, len(slept)) == ("SERVER_UNREACHABLE", AWAY_TRIES)


def test_waiting_asks_ever_more_seldom_and_never_past_its_end(api, client, a_task):
    api.answers("GET", "/task/task-1", a_task())
    time_s, pauses = [0.0], []

    def sleep(pause_s: float) -> None:
        pauses.append(round(pause_s, 3))
        time_s[0] += pause_s

    with pytest.raises(SymbiontError) as pending:
        until_done(client, "task-1", Patience(7.0, now=lambda: time_s[0], sleep=sleep))

    assert pending.value.code == "STILL_PENDING"
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 1.9]


def _patience(timeout_s, slept):
    return Patience(timeout_s, now=lambda: 0.0, sleep=slept.append)


def test_a_server_that_is_slow_to_read_is_waited_for_as_long_as_the_caller_allows(monkeypatch):
    monkeypatch.setattr("symbiont.cli.client.CONNECT_S", 0.2)

    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as request:
            time.sleep(0.5)  # longer than a connection may take
            length = 0
            while (line := request.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            request.read(length)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        client = Client(Address(f"http://127.0.0.1:{listener.getsockname()[1]}", "--url"))

        assert client.post("/task", {"task": "x" * 20_000_000}, timeout_s=None) == b"{}"
        thread.join()


def test_an_end_of_patience_without_a_limit_is_told_without_one(client):
    assert client._late(None).message.endswith("got: none")


def _restarting(api):
    api.refuses("GET", "/restarting", 503, "RESTARTING", Retry_After="1")
    return api._replies["GET", "/restarting"][0]


@contextmanager
def _raw_server(reply: bytes) -> Iterator[str]:
    """Answers the first request with these bytes and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()
