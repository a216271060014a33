"""Which host names and addresses mean this machine, without asking DNS: one rule for what is bound and for who may ask."""

from ipaddress import ip_address

_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(name: str) -> bool:
    """Whether a host name or address literal (IPv6 with or without brackets) means this machine."""
    if name in _NAMES:
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
