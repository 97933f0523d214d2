"""Whose load it is: the address, and what its clients show of themselves."""

import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from signald.core.messages import SUBPROTOCOL

_PATH: Final = "/ws"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A service, and who its clients are.

    Attributes:
        url: Of the WebSocket.
        host: Its name or address.
        trust: What a certificate is checked against; None if there is none.
        origin: Of the page that clients say they are; empty: they are none.
        tokens: That clients show, in turn; none: they are guests.
    """

    url: str
    host: str
    trust: ssl.SSLContext | None
    origin: str = ""
    tokens: Sequence[str] = ()

    @property
    def is_local(self) -> bool:
        """Whether the service runs on this machine for sure, by its address alone."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def headers(self, number: int) -> list[tuple[str, str]]:
        """What the handshake of a client has more than others.

        Args:
            number: Of the client; it decides which token is shown.
        """
        protocols = [SUBPROTOCOL]
        if self.tokens:
            protocols.append(f"bearer.{self.tokens[number % len(self.tokens)]}")
        headers = [("Sec-WebSocket-Protocol", ", ".join(protocols)), ("User-Agent", "signald-load")]
        return [*headers, ("Origin", self.origin)] if self.origin else headers


def parse_url(text: str) -> tuple[str, str]:
    """Check the address of a service.

    Returns:
        The URL, with the usual path if it had none, and the host.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{text!r} is no address such as wss://example.org/ws")
    if parts.fragment or parts.username is not None:
        raise ValueError("the address has a fragment or a password, which a WebSocket cannot have")
    _ = parts.port  # raises
    path = parts.path if parts.path not in ("", "/") else _PATH
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), parts.hostname


def trust(ca_file: str, *, verify: bool) -> ssl.SSLContext:
    """What certificates are checked against.

    Args:
        ca_file: PEM file of the authorities; empty: the system's.
        verify: Whether they are checked at all.

    Raises:
        ValueError: There is no such file, or no certificate in it.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # an SSLError is one
        raise ValueError(f"--ca-file {ca_file}: {error.strerror or error}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def parse_tokens(text: str) -> tuple[str, ...]:
    """Take the tokens of a file: one a line.

    Raises:
        ValueError: There is none, or one could not stand in a header, or there is one alone.
    """
    tokens = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not tokens:
        raise ValueError("--tokens: there is none in the file")
    for number, token in enumerate(tokens, 1):
        if not all(char.isascii() and (char.isalnum() or char in "-_.") for char in token):
            raise ValueError(f"--tokens: number {number} is no JWT")
    if len(set(tokens)) == 1:
        raise ValueError("--tokens: there is one alone, and nobody is matched with themselves: two or more are needed")
    return tokens
