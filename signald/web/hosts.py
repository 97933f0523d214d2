"""Says under which names the console may be opened: names that nobody else can make point here.

A page of a stranger's site can let the name of that site point to an operator's own machine (DNS rebinding); the
browser then takes what is here for a part of that site. It says the name, so a name that is not ours is refused.
"""

from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from twisted.web.server import Request

from signald.core import urls
from signald.web.api import ApiError

PRIVATE: Final = (".localhost", ".local", ".internal", ".home.arpa", ".test")
"""Ends of names that are not sold (RFC 6761, RFC 6762, RFC 8375, and ICANN on ``internal``)."""


class Hosts:
    """Knows the names.

    Args:
        names: Those that the operator has listed, in small letters.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def check(self, request: Request) -> None:
        """Let requests for one of our names pass, unless a page from elsewhere makes them.

        Raises:
            ApiError: It is another name, or another page.
        """
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        if not self._ours(host):
            why = "this name is not one of this endpoint's: list it in ADMIN_HOSTS"
            raise ApiError(HTTPStatus.MISDIRECTED_REQUEST, why)
        origin = request.getHeader(b"origin")
        if origin is not None:
            there = origin.decode("latin-1").partition("://")[2]
            if there.lower() != host.lower() and _name(there) not in self._names:
                raise ApiError(HTTPStatus.FORBIDDEN, "a page from elsewhere asks: only the console itself may")

    def _ours(self, host: str) -> bool:
        name = _name(host)
        if name in self._names or name.endswith(PRIVATE):
            return True
        try:
            ip_address(name)
        except ValueError:
            return bool(name) and "." not in name  # a name without a dot is found by the operator's own network alone
        return True


def _name(host: str) -> str:
    """The name in ``Host``, without its port, brackets and the dot of the root, in small letters; empty for none."""
    try:
        return urls.split_host(host)[0].rstrip(".").lower()
    except ValueError:
        return ""
