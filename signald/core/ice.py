"""Makes the list of STUN and TURN servers that a client gets, from what the operator writes.

A TURN server relays what cannot go directly, at the operator's cost, so it wants a password. A password in a page is
known to everybody. So each client gets one of its own that ends soon, made from a secret that signald and the TURN
server share: what coturn calls ``use-auth-secret`` (draft-uberti-behave-turn-rest).
"""

import base64
import hmac
import re
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from signald.core.ids import ClientId
from signald.core.messages import IceServer
from signald.core.urls import split_host

_URL: Final = re.compile(r"stuns?:([^?]*[^?:])|turns?:([^?]*[^?:])(?:\?transport=(?:udp|tcp))?")
"""RFC 7064 3.1 and RFC 7065 3.1, but for what is in the host."""

MAX_USERNAME_BYTES: Final = 508
"""What fits into the attribute of that name (RFC 8489 14.3); browsers refuse a longer one."""


class _Written(msgspec.Struct):
    """Describes a server as the operator writes it: an ``RTCIceServer``, in which one URL needs no list."""

    urls: str | list[str]
    username: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET


class IceServers(msgspec.Struct, frozen=True):
    """Holds the servers that clients are told of.

    Attributes:
        servers: As written by the operator.
        secret: Shared with the TURN servers that have no password of their own; empty for none.
        ttl_s: How long a password that is made from it is good.
    """

    servers: tuple[IceServer, ...] = ()
    secret: str = ""
    ttl_s: int = 3600

    def given_to(self, client: ClientId, unix_time: float) -> list[IceServer] | UnsetType:
        """List the servers for one client, with its own passwords.

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
    """Make the password of a user name, which begins with the time (seconds since 1970) at which it ends."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


def parse(text: str) -> tuple[IceServer, ...]:
    """Read the operator's list: JSON, or comma-separated URLs, which are one server each.

    Raises:
        ValueError: It says what is wrong, without repeating what may be a password.
    """
    text = text.strip()
    if not text.startswith(("[", "{")):
        return tuple(_server(_Written(url.strip())) for url in text.split(",") if url.strip())
    try:
        listed = msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        raise ValueError("must be a JSON list of RTCIceServer objects: it is not JSON, or no list") from None
    servers = []
    for number, one in enumerate(listed, 1):
        try:
            servers.append(_server(msgspec.json.decode(one, type=_Written)))
        except msgspec.MsgspecError:
            raise ValueError(
                f"server {number}: must be an object with urls, a text or a list of texts, and if need be username and "
                "credential, which are texts"
            ) from None
        except ValueError as error:
            raise ValueError(f"server {number}: {error}") from None
    return tuple(servers)


def without_password(servers: tuple[IceServer, ...]) -> bool:
    """Whether one of them is a TURN server for which a password must be made."""
    return any(_lacks_password(server) for server in servers)


def _server(written: _Written) -> IceServer:
    urls = [written.urls] if isinstance(written.urls, str) else written.urls
    if not urls:
        raise ValueError("must have a URL")
    for url in urls:
        _look_at(url)
    username, credential = written.username, written.credential
    if (username is UNSET) is not (credential is UNSET):
        raise ValueError("must have both username and credential, or none")
    if username == "" or credential == "":
        raise ValueError("must not have an empty username or credential: browsers refuse it")
    if username is not UNSET and len(username.encode()) > MAX_USERNAME_BYTES:
        raise ValueError(f"must have a username of at most {MAX_USERNAME_BYTES} bytes: browsers refuse a longer one")
    return IceServer(urls, username, credential)


def _look_at(url: str) -> None:
    """Refuse a URL for which a page would get an exception, and no call."""
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValueError("must hold URLs like stun:host:3478 or turns:host:5349?transport=tcp")
    host, _ = split_host(parts[1] or parts[2])
    if not host:
        raise ValueError("must hold URLs with a host, like stun:host:3478")


def _lacks_password(server: IceServer) -> bool:
    return server.credential is UNSET and any(url.startswith("turn") for url in server.urls)
