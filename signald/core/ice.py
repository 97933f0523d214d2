"""STUN and TURN servers for the clients: what the operator writes, and what a browser gets.

A TURN server relays what cannot go directly, at the operator's cost, so it wants a password. One that stands in a page
is everybody's. So each client gets one of its own that ends soon, made from a secret that signald and the TURN server
share: what coturn calls ``use-auth-secret`` (draft-uberti-behave-turn-rest).
"""

import base64
import hmac
import re
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from signald.core.ids import ClientId
from signald.core.messages import IceServer

_HOST: Final = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_~.-]+)(:[0-9]{1,5})?"
_STUN: Final = re.compile(rf"stuns?:{_HOST}")  # RFC 7064 3.1
_TURN: Final = re.compile(rf"turns?:{_HOST}(\?transport=(udp|tcp))?")  # RFC 7065 3.1


class _Written(msgspec.Struct):
    """A server as the operator writes it: an ``RTCIceServer``, in which one URL needs no list."""

    urls: str | list[str]
    username: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET


class IceServers(msgspec.Struct, frozen=True):
    """The servers that clients are told of.

    Attributes:
        servers: As written by the operator.
        secret: Shared with the TURN servers that have no password of their own; empty for none.
        ttl_s: How long a password that is made from it is good.
    """

    servers: tuple[IceServer, ...] = ()
    secret: str = ""
    ttl_s: int = 3600

    def given_to(self, client: ClientId, unix_time: float) -> list[IceServer] | UnsetType:
        """What this client gets.

        Args:
            client: Part of the user name, so that the TURN server's log and quota tell clients apart.
            unix_time: Seconds since 1970.

        Returns:
            UNSET if there are none: the message then has no such field.
        """
        if not self.servers:
            return UNSET
        if not self.secret:
            return list(self.servers)
        username = f"{int(unix_time) + self.ttl_s}:{client}"
        made = password(self.secret, username)
        return [
            IceServer(server.urls, username, made) if _lacks_password(server) else server for server in self.servers
        ]


def password(secret: str, username: str) -> str:
    """The password of a user name that begins with the time (seconds since 1970) at which it ends."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


def parse(text: str) -> tuple[IceServer, ...]:
    """Read the operator's list: JSON, or comma-separated URLs, which are one server each.

    Raises:
        ValueError: It says what is wrong, without repeating what may be a password.
    """
    text = text.strip()
    if text.startswith(("[", "{")):
        try:
            written = msgspec.json.decode(text, type=list[_Written])
        except msgspec.MsgspecError as error:
            raise ValueError(f"must be a JSON list of RTCIceServer objects: {error}") from None
    else:
        written = [_Written(url.strip()) for url in text.split(",") if url.strip()]
    return tuple(_server(one) for one in written)


def without_password(servers: tuple[IceServer, ...]) -> bool:
    """Whether one of them is a TURN server for which a password must be made."""
    return any(_lacks_password(server) for server in servers)


def _server(written: _Written) -> IceServer:
    urls = [written.urls] if isinstance(written.urls, str) else written.urls
    if not urls:
        raise ValueError("names a server without a URL")
    for url in urls:
        if not _STUN.fullmatch(url) and not _TURN.fullmatch(url):
            raise ValueError("must hold URLs like stun:host:3478 or turns:host:5349?transport=tcp")
    if (written.username is UNSET) is not (written.credential is UNSET):
        raise ValueError("names a server with only one of username and credential")
    return IceServer(urls, written.username, written.credential)


def _lacks_password(server: IceServer) -> bool:
    return server.credential is UNSET and any(url.startswith("turn") for url in server.urls)
