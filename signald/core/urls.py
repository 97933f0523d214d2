"""URLs taken apart: strictly, and with errors that repeat no word of them, for any word may be a password. Pure.

`urllib.parse` is not for URLs with secrets: it removes line ends without a word, takes what stands before a ``#`` for
the host, and quotes the URL in its errors.
"""

import re
import unicodedata
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, NamedTuple

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL)
_PLACE: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_LABEL: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
_DELIMITERS: Final = frozenset("/?#@:[]")


class Url(NamedTuple):
    """The parts of a URL (RFC 3986 3).

    Attributes:
        scheme: In small letters.
        credentials: What stands before the ``@``, as written; None if there is none.
        host: In small letters; an IPv6 address without its brackets; empty if there is none.
        port: From 1; None if there is none.
        path: As written.
        query: What stands behind the ``?``, as written; empty if there is none.
    """

    scheme: str
    credentials: str | None
    host: str
    port: int | None
    path: str
    query: str


def split(text: str) -> Url:
    """Take a URL apart.

    Raises:
        ValueError: It is none, or means something else to others. The message repeats nothing of it.
    """
    if " " in text or not text.isprintable():
        raise ValueError("has white space, a line end or an invisible character inside")
    if "#" in text:
        raise ValueError("has a #, and nothing may stand behind one")
    if not text.isascii() and any(is_taken_for_another(character) for character in text):
        raise ValueError("has a character that others take for one of / ? # @ : [ ]")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise ValueError("must be a URL, which begins like https://")
    scheme, authority, path, query = parts.groups()
    credentials, at, where = authority.rpartition("@")
    host, port = split_host(where)
    return Url(scheme.lower(), credentials if at else None, host, port, path, query or "")


def split_host(text: str) -> tuple[str, int | None]:
    """Take ``host:port`` apart; both may be missing.

    Returns:
        The host, in small letters and an IPv6 address without its brackets; and the port.

    Raises:
        ValueError: It is no host that there can be, or no port. The message repeats nothing of it.
    """
    place = _PLACE.fullmatch(text)
    if place is None:
        raise ValueError("the host must be a name or an address")
    host, port = place.groups()
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise ValueError("the port must be a number from 1 to 65535")
    if host.startswith("["):
        host = _ipv6(host[1:-1])
    elif host and not is_name(host):
        raise ValueError("the host must be a name or an address; an IPv6 address stands in brackets")
    return host.lower(), int(port) if port else None


def is_taken_for_another(character: str) -> bool:
    """Whether programs that normalise text (NFKC) see a delimiter in this character, as in U+2100, which is ``a/c``."""
    return not character.isascii() and not _DELIMITERS.isdisjoint(unicodedata.normalize("NFKC", character))


def is_name(host: str) -> bool:
    """Whether this can be the name of a host, in ASCII, or is an IPv4 address."""
    if not _NAME.fullmatch(host):
        return False
    if host.rstrip(".").rpartition(".")[2].isdigit():  # no top-level domain is a number (RFC 3696 2)
        try:
            IPv4Address(host)
        except AddressValueError:
            return False
    return True


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise ValueError("what stands in brackets must be an IPv6 address") from None
