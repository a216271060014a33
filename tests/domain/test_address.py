"""Which addresses are public, however they are written, and which texts are addresses of endpoints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.domain.address import is_public, shown_url, url_fault


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
        "2002:7f00:1::", "2001:0:7f00:1::", "127.1", "2130706433", "0x7f.1", "localhost", "", "1.2.3.4.5",
    ],
)  # fmt: skip
def test_private_local_and_reserved_addresses_in_all_their_forms(address):
    assert not is_public(address)


@given(st.text(max_size=60))
def test_no_text_confuses_the_judgement(text):
    assert is_public(text) in {True, False}
    assert isinstance(url_fault(text, allow_http=True), str)


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "https://example.com:8443/a/b?c=d", "https://[2606:2800::1]/x", "https://93.184.216.34"],
)
def test_addresses_of_endpoints(url):
    assert url_fault(url, allow_http=False) == ""


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "http://example.com", "ftp://example.com", "https://", "https:///x", "https://user:pw@example.com",
        "https://user@example.com", "https://example.com:0", "https://example.com:99999", "https://example.com:x", "https://[::1",
        "https://exämple.com", "https://example.com/a b", "https://example.com/\n", "https://example.com\\@evil.com",
        "https://example.com/#part", "https://example.com/" + "x" * 2_000, "file:///etc/passwd", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_endpoint(url):
    assert url_fault(url, allow_http=False).startswith("an address such as https://")


def test_plain_http_is_for_those_who_allow_it():
    assert url_fault("http://example.com", allow_http=True) == ""


def test_of_an_address_no_more_is_shown_than_the_host():
    assert shown_url("https://hooks.example.com/services/T0/B0/secret?key=1") == "https://hooks.example.com/…"
    assert shown_url("https://example.com") == "https://example.com"
