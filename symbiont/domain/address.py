"""Which addresses may be spoken to, if somebody else chose them. Pure.

Guarantees: only what is routed in the public internet is public, however it is written: addresses of version 4 are also found within
those of version 6 (mapped, translated, tunnelled). Does not resolve names.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
MAX_URL_CHARS: Final = 2_000


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet. What is no address at all is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _within(parsed))


def _within(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The addresses that packets to this one can end at. One that holds another counts for what it holds."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if any(address in network for network in _TRANSLATED):
        return [IPv4Address(address.packed[-4:])]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address, *(address.teredo or ())]


def url_fault(url: str, *, allow_http: bool) -> str:
    """What is wrong with the address of an endpoint, as what was expected; empty if nothing is."""
    schemes = ("https", "http") if allow_http else ("https",)
    expected = f"an address such as {schemes[0]}://example.com/hook"
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return f"{expected} of at most {MAX_URL_CHARS} printable ASCII characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return expected
    if parts.scheme not in schemes:
        return f"{expected} ({' or '.join(schemes)} only)"
    if not host or port == 0:
        return expected
    if "@" in parts.netloc or parts.fragment:
        return f"{expected} without a user, a password or a fragment"
    return ""


def shown_url(url: str) -> str:
    """As much of it as may be shown: path and query of a webhook are often its secret."""
    parts = urlsplit(url)
    return (
        f"{parts.scheme}://{parts.netloc}/…"
        if parts.path.strip("/") or parts.query
        else f"{parts.scheme}://{parts.netloc}"
    )
