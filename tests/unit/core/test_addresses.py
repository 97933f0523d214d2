"""Where a client really is, and what a log may show of it."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signald.core.addresses import (
    client_address,
    forwarded_for,
    household,
    normalise,
    of_peer,
    parse_networks,
    truncate,
    trust,
)

NETWORKS = parse_networks("10.0.0.0/8, 127.0.0.1,2001:db8:aa::/48")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_one_spelling_for_one_address(text: str, normal: str) -> None:
    """One client would be two in the log, and a limit for its IPv4 address would miss it on a dual-stack port."""
    assert normalise(text) == normal


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.7",
        "::ffff:192.0.2.7",
        "2001:db8::1",
        "2001:DB8:0:0::1",
        "fe80::1%eth0",
        "::ffff:0:192.0.2.7",
        "::1",
        "",
    ],
)
def test_an_address_of_a_connection_is_spelled_as_any_other(host: str) -> None:
    """A ban of an address does not hold for whoever comes from it."""
    assert of_peer(host) == normalise(host)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        # Whoever comes without a proxy may claim what it likes.
        ("192.0.2.7", ["203.0.113.1"], "192.0.2.7"),
        ("10.1.1.1", ["203.0.113.1"], "203.0.113.1"),
        ("::ffff:10.1.1.1", ["203.0.113.1"], "203.0.113.1"),
        ("2001:db8:aa::1", ["2001:db8::7"], "2001:db8::7"),
        # Two proxies of ours; what stands before them was made up by the client.
        ("127.0.0.1", ["198.51.100.1", "203.0.113.1", "10.2.2.2"], "203.0.113.1"),
        ("10.1.1.1", ["203.0.113.1", "not an address"], "10.1.1.1"),
        ("10.1.1.1", ["not an address", "203.0.113.1"], "203.0.113.1"),
        ("10.1.1.1", ["10.3.3.3"], "10.3.3.3"),
        ("10.1.1.1", [], "10.1.1.1"),
        # As proxies write them: with a blank, a port, brackets, a zone; as IPv6; an empty header.
        ("10.1.1.1", ["198.51.100.1", " 203.0.113.1 "], "203.0.113.1"),
        ("10.1.1.1", ["203.0.113.1:4711", "[2001:DB8:AA::9]:443"], "203.0.113.1"),
        ("10.1.1.1", ["::ffff:203.0.113.1", "::FFFF:10.2.2.2"], "203.0.113.1"),
        ("fe80::1%eth0", ["203.0.113.1"], "fe80::1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("nobody", ["203.0.113.1"], "nobody"),
        # A UNIX socket: a proxy of this machine.
        ("", ["203.0.113.1"], "203.0.113.1"),
        ("", [], ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: list[str], client: str) -> None:
    """Anybody could hide, or have somebody else blocked, by a header."""
    trusted = trust(NETWORKS)
    assert client_address(peer, forwarded, trusted) == client
    assert client_address(peer, forwarded, trusted) == client, "what is remembered is something else"


spellings = st.sampled_from(
    [
        *("10.1.1.1", "::ffff:10.1.1.1", "10.01.1.1", "127.0.0.1", "192.0.2.7", "192.0.2.7:80", "2001:db8:aa::1"),
        *("2001:DB8:AA:0::1", "[2001:db8::7]:443", "2001:db8::7%eth0", "unknown", "", "  ", "::ffff:192.0.2.7"),
    ]
)


@given(spellings, st.lists(st.tuples(st.sampled_from(["", " ", "\t"]), spellings).map("".join), max_size=4))
def test_the_same_by_the_standard_library(peer: str, forwarded: list[str]) -> None:
    """An address that is compared as text is another than the one that it means."""

    def parse(text: str) -> IPv4Address | IPv6Address | None:
        host = text.strip()
        host = host[1:].partition("]")[0] if host.startswith("[") else host
        host = host.partition(":")[0] if host.count(":") == 1 else host
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return None
        return getattr(address, "ipv4_mapped", None) or address

    client = parse(peer)
    for hop in reversed(forwarded if client is not None or not peer else []):
        before = parse(hop)
        if before is None or (client is not None and not any(client in network for network in NETWORKS)):
            break
        client = before
    assert client_address(peer, forwarded, trust(NETWORKS)) == (peer if client is None else str(client))


def test_headers_are_read_in_order() -> None:
    """A proxy that adds a header of its own would be read before the client's claim."""
    head = b"GET /ws HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nHost: a\r\nx-forwarded-for:192.0.2.3\r\n"
    assert [word.strip() for word in forwarded_for(head)] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert forwarded_for(b"GET /x-forwarded-for: HTTP/1.1\r\nHost: a\r\n") == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("", ""),
    ],
)
def test_logs_show_a_network(address: str, shown: str) -> None:
    """A log with whole addresses is personal data that the operator must answer for."""
    assert truncate(address) == shown


@pytest.mark.parametrize("text", ["10.0.0.0/33", "example.com", "10.0.0.1/8"])
def test_wrong_networks_are_refused(text: str) -> None:
    """A slip would leave the proxy untrusted, and every client would seem to be the proxy."""
    with pytest.raises(ValueError, match=r"is not a network|the network is 10\.0\.0\.0/8"):
        parse_networks(text)


def test_ipv4_networks_written_as_ipv6() -> None:
    """The proxy stays untrusted: addresses of clients are IPv4 addresses, however the kernel hands them on."""
    assert parse_networks("::ffff:10.0.0.0/104, ::ffff:192.0.2.1") == parse_networks("10.0.0.0/8, 192.0.2.1")


def test_household() -> None:
    """IPv6 would know no limit, or neighbours would be taken for one."""
    assert household("192.0.2.1") == "192.0.2.1"
    assert household("2001:db8::1") == household("2001:db8::ffff:ffff:ffff:ffff") == "2001:db8::/64"
    assert household("2001:db8:0:1::") != household("2001:db8::1")
    assert household("") == ""
    assert household("nonsense") == "nonsense"


def test_households_behind_a_translator() -> None:
    """On a server that has only IPv6, one ban shuts out everybody who comes from IPv4 (NAT64, RFC 6052)."""
    assert household("64:ff9b::c000:201") == household("192.0.2.1")
    assert household("64:ff9b::192.0.2.2") == "192.0.2.2"
    assert household("64:ff9b:1::c000:201") == "64:ff9b:1::/64"
