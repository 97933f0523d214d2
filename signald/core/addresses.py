"""Finds a client's own address behind proxies, and says how much of it a log may show. Pure.

Addresses are text as `ipaddress` writes it; an IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2) is the IPv4 address.
The empty text stands for a peer without an address: a UNIX socket.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_MAPPED: Final = "::ffff:"
_IPV4: Final = re.compile(rf"(?:{_MAPPED})?({_OCTET}(?:\.{_OCTET}){{3}})")
"""An IPv4 address as the kernel writes it, maybe mapped into IPv6. Matching it takes a tenth of `ipaddress`'s time."""

_FORWARDED_FOR: Final = b"\r\nx-forwarded-for:"

IPV4_BITS: Final = 24
IPV6_BITS: Final = 48
"""Bits of an address that a log shows: a network of many households, as data protection officers advise."""

HOUSEHOLD_BITS: Final = 64
"""Bits that the addresses of one household share: whoever has one address of a /64 has them all (RFC 6177)."""

PROXIES_KNOWN: Final = 256
"""Addresses of which is remembered whether they are a proxy's. There are fewer proxies; clients come once."""

_NAT64: Final = 0x64FF9B << 96
_NAT64_BITS: Final = 96
"""64:ff9b::/96: whoever comes from IPv4 through a translator has an address in there (RFC 6052 2.1)."""


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    host = text.strip()
    if host.startswith("["):  # [2001:db8::1]:443
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:  # 192.0.2.1:443
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def spell(text: str) -> str | None:
    """Spell an address in the one way, without port and zone; None if it is no address."""
    if ipv4 := _IPV4.fullmatch(text):
        return ipv4[1]
    address = _parse(text)
    return None if address is None else str(address)


def normalise(text: str) -> str:
    """Spell an address in the one way; what is no address stays as it is."""
    return spell(text) or text


def of_peer(host: str) -> str:
    """Spell the address of a connection, as the kernel or the PROXY protocol says it, in the one way."""
    rest = host.removeprefix(_MAPPED)
    return rest if ":" not in rest else normalise(host)  # there is one way to write an IPv4 address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse comma-separated networks and addresses.

    Raises:
        ValueError: One of them is neither.
    """
    return tuple(_network(word.strip()) for word in text.split(",") if word.strip())


def _network(text: str) -> Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network like 10.0.0.0/8 or 2001:db8::/32") from None
    if ip_network(network.network_address) != ip_network(text.partition("/")[0]):
        raise ValueError(f"{text!r} is an address in a network: the network is {network}, the address alone has no /")
    if (mapped := getattr(network.network_address, "ipv4_mapped", None)) is not None and network.prefixlen >= 96:
        return ip_network((mapped, network.prefixlen - 96))
    return network


def forwarded_for(head: bytes) -> list[str]:
    """Collect the ``X-Forwarded-For`` addresses of a request head, in order: the nearest proxy wrote the last one."""
    found: list[str] = []
    lower, at = head.lower(), 0
    while (at := lower.find(_FORWARDED_FOR, at)) >= 0:
        at += len(_FORWARDED_FOR)
        value = head[at:].partition(b"\r\n")[0]
        found += value.decode("latin-1").split(",")
    return found


def trust(networks: Sequence[Network]) -> Callable[[str], bool]:
    """Make what says whether an address, in the one spelling, is in these networks of proxies.

    It remembers the answers, since a proxy of ours opens nearly all connections, and each costs as much as all else
    that is done to find the client's address.
    """

    @lru_cache(PROXIES_KNOWN)
    def trusted(address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in networks)

    return trusted


def client_address(peer: str, forwarded: Sequence[str], trusted: Callable[[str], bool]) -> str:
    """Find the address of the client: the last one that no trusted proxy has.

    Whatever stands before that in the header, the client may have made up.

    Args:
        peer: Address of the connection; empty for a UNIX socket, which only a proxy of this machine can have opened.
        forwarded: See `forwarded_for`.
        trusted: See `trust`.
    """
    address = of_peer(peer)
    for hop in reversed(forwarded):
        if address and not trusted(address):
            break
        before = spell(hop.strip())
        if before is None:
            break
        address = before
    return address


def truncate(address: str) -> str:
    """Cut an address down to its network, for logs: ``192.0.2.0/24``, ``2001:db8:1::/48``."""
    network, _, host = address.rpartition(".")
    if host.isdigit() and network.count(".") == 2 and ":" not in network:  # said at the end of each IPv4 client
        return f"{network}.0/{IPV4_BITS}"
    parsed = _parse(address)
    if parsed is None:
        return address
    return str(ip_network((parsed, IPV4_BITS if parsed.version == 4 else IPV6_BITS), strict=False))


def household(address: str) -> str:
    """Give what counts as one address: an IPv4 address, or the /64 of an IPv6 address; anything else as it is.

    An IPv4 address that was translated to IPv6 counts as the IPv4 address: its /64 is all of IPv4.
    """
    if ":" not in address:
        return address
    try:
        number = int(IPv6Address(address))
    except ValueError:
        return address
    if number >> (128 - _NAT64_BITS) == _NAT64 >> (128 - _NAT64_BITS):
        return str(IPv4Address(number & 0xFFFFFFFF))
    network = number >> (128 - HOUSEHOLD_BITS) << (128 - HOUSEHOLD_BITS)
    return f"{IPv6Address(network)}/{HOUSEHOLD_BITS}"
