"""Parses `REDIS_URL`, the address of the store, in the forms that redis-cli and the clients of other languages take.

=====================  =================================================================================
``redis://``           ``redis://[user[:password]@]host[:port][/database]``, TCP
``rediss://``          the same over TLS; certificate and host name are verified
``unix://``            ``unix://[user[:password]@]/path/to/socket[?db=database]``
``redis+sentinel://``  ``redis+sentinel://[user[:password]@]host[:port],…/name[/database]``: what Sentinels there
                       call `name`; ``?sentinel_password=…&sentinel_user=…`` logs in to them
``redis+cluster://``   ``redis+cluster://[user[:password]@]host[:port],…``: the cluster of these nodes
=====================  =================================================================================

``rediss+sentinel://`` and ``rediss+cluster://`` speak TLS to all servers.
"""

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from signald.core import urls

DEFAULT_PORT: Final = 6379
DEFAULT_SENTINEL_PORT: Final = 26379


class Kind(Enum):
    """What stands behind an address."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Server(NamedTuple):
    """One server: a name or address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A parsed `REDIS_URL`. Its repr is safe to log.

    Attributes:
        kind: What stands behind it.
        servers: The server, the Sentinels, or some nodes of the cluster; none for a UNIX socket.
        name: What the Sentinels call the primary.
        sentinel_user: For ACLs of the Sentinels; empty for the default user.
        sentinel_password: Of the Sentinels; empty if there is none.
        path: Of the UNIX socket; empty for TCP.
        tls: Whether to speak TLS.
        user: For ACLs; empty for the default user.
        password: Empty if there is none.
        database: Number of the logical database.
    """

    kind: Kind = Kind.SINGLE
    servers: tuple[Server, ...] = ()
    name: str = ""
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    path: str = ""
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}?db={self.database}"
        scheme = "rediss" if self.tls else "redis"
        servers = ",".join(str(server) for server in self.servers)
        if self.kind is Kind.SENTINEL:
            return f"{scheme}+sentinel://{servers}/{self.name}/{self.database}"
        if self.kind is Kind.CLUSTER:
            return f"{scheme}+cluster://{servers}"
        return f"{scheme}://{servers}/{self.database}"


def parse_url(url: str) -> StoreAddress:
    """Parse a `REDIS_URL`.

    Raises:
        ValueError: It makes no sense. The message never contains a part of the URL, which may hold a password.
    """
    scheme, _, rest = url.partition("://")
    protocol, _, kind = scheme.lower().partition("+")
    if protocol not in {"redis", "rediss", "unix"} or kind not in {"", "sentinel", "cluster"}:
        raise ValueError("must begin with redis://, rediss:// or unix://, redis+sentinel:// or redis+cluster://")
    _look_for_unescaped(rest)
    if kind:
        return _parse_many(url, Kind(kind), tls=protocol == "rediss")
    parts = urls.split(url)
    user, password = _credentials(parts)
    query = _parameters(parts.query)
    if set(query) - {"db"}:
        raise ValueError("the only parameter after ? is db; in a password write ? as %3F")
    database = query.get("db", "")
    if parts.scheme == "unix":
        path = _decoded(parts.path)
        if parts.host or parts.port or not path.strip("/"):
            raise ValueError("a socket is written unix:///path/to/socket, with three slashes")
        return StoreAddress(path=path, user=user, password=password, database=_database(database))
    if not parts.host:
        raise ValueError("there is no host")
    return StoreAddress(
        servers=(Server(parts.host, parts.port or DEFAULT_PORT),),
        tls=parts.scheme == "rediss",
        user=user,
        password=password,
        database=_database(parts.path.strip("/") or database),
    )


def _parse_many(url: str, kind: Kind, *, tls: bool) -> StoreAddress:
    """Parse the URL of Sentinels or of a cluster: a list of servers stands where else is one."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not slash:
        authority, mark, query = rest.partition("?")
        path = mark + query
    credentials, at, places = authority.rpartition("@")
    first, *more = places.split(",")
    default = DEFAULT_SENTINEL_PORT if kind is Kind.SENTINEL else DEFAULT_PORT
    parts = urls.split(f"{scheme}://{credentials}{at}{first}{slash}{path}")
    found = [(parts.host, parts.port), *(urls.split_host(place) for place in more)]
    if not all(host for host, _ in found):
        raise ValueError("there is no host, or a comma too many")
    user, password = _credentials(parts)
    servers = tuple(Server(host, port or default) for host, port in found)
    options = _parameters(parts.query)
    address = StoreAddress(kind=kind, servers=servers, tls=tls, user=user, password=password)
    if kind is Kind.CLUSTER:
        if options or parts.path.strip("/") not in {"", "0"}:
            raise ValueError("a cluster has one database, and nothing may stand behind its nodes")
        return address
    if set(options) - {"sentinel_user", "sentinel_password"}:
        raise ValueError("the only parameters after ? are sentinel_user and sentinel_password")
    name, _, database = parts.path.strip("/").partition("/")
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", name):
        raise ValueError("behind the Sentinels stands what they call the primary: redis+sentinel://host1,host2/name")
    return replace(
        address,
        name=name,
        database=_database(database),
        sentinel_user=options.get("sentinel_user", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _credentials(parts: urls.Url) -> tuple[str, str]:
    """User and password."""
    user, _, password = (parts.credentials or "").partition(":")
    user, password = _decoded(user), _decoded(password)
    if user and not password:
        raise ValueError("there is a user but no password: write redis://user:password@host, or redis://:password@host")
    return user, password


def _look_for_unescaped(rest: str) -> None:
    """Refuse what is in a password and would end it, or is read as another character elsewhere; say how to write it."""
    if "#" in rest:
        raise ValueError("has a #: in a password write it as %23")
    if rest.startswith("/"):  # the path of a socket may have any character
        return
    for character in rest.rpartition("@")[0]:
        if character in "/?[]":
            raise ValueError(f"has a {character} before the @: in a password write it as {quote(character, safe='')}")
        if character == " " or not character.isprintable():
            raise ValueError(
                "has white space or an invisible character before the @: in a password write %20 and the like"
            )
        if urls.is_taken_for_another(character):
            raise ValueError(
                "has a character before the @ that others take for / ? # @ or a colon: write its UTF-8 as %…"
            )


def _parameters(query: str) -> dict[str, str]:
    """What stands behind the ``?``. A + is one: only forms mean a space by it, and base64 has it."""
    found = (parameter.partition("=") for parameter in query.split("&") if parameter)
    return {_decoded(name): _decoded(value) for name, _, value in found}


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a % that begins no character of UTF-8: in a password write % as %25") from None


def _database(text: str) -> int:
    if text and not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("the database must be a number, as in redis://host/1")
    return int(text or 0)
