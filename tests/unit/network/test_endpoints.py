"""How an address looks to people."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from signald.network.endpoints import shown


@pytest.mark.parametrize(
    ("address", "tls", "words"),
    [
        (IPv4Address("TCP", "127.0.0.1", 8080), False, "http://127.0.0.1:8080"),
        (IPv6Address("TCP", "::", 8443), True, "https://[::]:8443"),
        (UNIXAddress("/run/signald.sock"), False, "unix:/run/signald.sock"),
        (UNIXAddress("/run/signald.sock"), True, "unix:/run/signald.sock, with TLS"),
        (UNIXAddress("\0signald"), False, "unix:@signald"),
    ],
)
def test_where_one_listens_can_be_copied(address: IAddress, tls: bool, words: str) -> None:
    """The operator has to translate Python into an address before anybody can connect."""
    assert shown(address, tls=tls) == words
