"""Who may ask: programs on this machine and our own page, never a page from elsewhere in the user's browser."""

import pytest

JSON = {"Content-Type": "application/json"}
BODY = b'{"task": "Say hello"}'


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "[::1]",
        "127.0.0.2",
        "localhost:{port}",
        "127.0.0.1:{port}",
        "[::1]:{port}",
    ],
)
async def test_a_loopback_host_with_our_port_or_none_is_admitted(api, host):
    assert (await api.get("/health", Host=host.format(port=api.port))).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "localhost:1", "127.0.0.1:80", "localhost.evil.example", "localhost.", "127.1",
        "[::2]", "10.0.0.1", "0.0.0.0", "localhost:", "user@localhost", "localhost:99999999", "", "127.0.0.1.", "[localhost]",
    ],
)  # fmt: skip
async def test_any_other_host_is_refused_against_dns_rebinding(api, host):
    reply = await api.raw(f"GET /health HTTP/1.1\r\nHost: {host.format(port=api.port)}\r\n\r\n".encode())

    assert (reply.status, reply.code) == (403, "FORBIDDEN_HOST")
    assert api.service.seen == []


async def test_a_request_without_a_host_is_refused(api):
    assert (await api.raw(b"GET /health HTTP/1.0\r\n\r\n")).code == "FORBIDDEN_HOST"


async def test_two_hosts_are_refused(api):
    reply = await api.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")

    assert reply.code in {"FORBIDDEN_HOST", "BAD_HTTP"}


async def test_our_own_page_is_admitted(api):
    reply = await api.post_bytes("/task", BODY, **{"Origin": api.url, "Sec-Fetch-Site": "same-origin"})

    assert reply.status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}/", "http://localhost:{port}", "http://", "file://",
        "127.0.0.1:{port}", "http://evil@127.0.0.1:{port}", "http://http://127.0.0.1:{port}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_foreign_page_is_refused(api, method, origin):
    reply = await api.ask(method, "/heartbeat", headers={"Origin": origin.format(port=api.port)})

    assert (reply.status, reply.code) == (403, "FORBIDDEN_ORIGIN")
    assert api.service.seen == []


async def test_one_foreign_origin_among_several_is_refused(api):
    own = f"Host: localhost:{api.port}\r\nOrigin: http://localhost:{api.port}"

    reply = await api.raw(f"POST /wake HTTP/1.1\r\n{own}\r\nOrigin: http://evil.example\r\n\r\n".encode())

    assert reply.code == "FORBIDDEN_ORIGIN"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything"])
async def test_a_command_sent_by_a_foreign_form_is_refused_even_without_an_origin(api, site):
    reply = await api.ask("POST", "/wake", headers={"Sec-Fetch-Site": site})

    assert (reply.status, reply.code) == (403, "FORBIDDEN_ORIGIN")
    assert api.service.seen == []


async def test_a_link_from_elsewhere_may_be_followed(api):
    assert (await api.get("/status", **{"Sec-Fetch-Site": "cross-site"})).status == 200


async def test_a_preflight_from_a_foreign_page_gets_no_permission(api):
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    reply = await api.ask("OPTIONS", "/task", headers=asking)

    assert reply.code == "FORBIDDEN_ORIGIN"
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"',
        "application/json;foo=bar",
    ],
)  # fmt: skip
async def test_json_by_any_spelling_is_taken(api, media_type):
    assert (await api.post_bytes("/task", BODY, **{"Content-Type": media_type})).status == 200


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=latin-1",
        "text/plain; application/json", "application/jsonp", "application/x-ndjson", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/task", "/queue", "/wake", "/queue/queued-1/cancel"])
async def test_a_body_of_any_other_type_is_refused(api, path, media_type):
    reply = await api.post_bytes(path, BODY, **{"Content-Type": media_type})

    assert (reply.status, reply.code) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert api.service.seen == []


async def test_a_body_without_a_type_is_refused(api):
    wire = b"POST /task HTTP/1.1\r\nHost: localhost\r\nContent-Length: 21\r\n\r\n" + BODY

    assert "got: none" in (await api.raw(wire)).json["error"]


async def test_a_compressed_body_is_refused(api):
    reply = await api.ask("POST", "/task", data=BODY, headers=JSON, compress="gzip")

    assert (reply.status, reply.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_unknown_path_is_no_way_around_the_rules(api):
    assert (await api.get("/nowhere", Host="evil.example")).code == "FORBIDDEN_HOST"
