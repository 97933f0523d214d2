"""Where the store is: `REDIS_URL`, in the forms that redis-cli and the clients of other languages take.

==============  ==================================================================
``redis://``    ``redis://[user[:password]@]host[:port][/database]``, TCP
``rediss://``   the same over TLS; certificate and host name are verified
``unix://``     ``unix://[user[:password]@]/path/to/socket[?db=database]``
==============  ==================================================================
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

DEFAULT_PORT: Final = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A parsed `REDIS_URL`. Its repr is safe to log.

    Attributes:
        host: Name or address; empty for a UNIX socket.
        port: TCP port.
        path: Of the UNIX socket; empty for TCP.
        tls: Whether to speak TLS.
        user: For ACLs; empty for the default user.
        password: Empty if there is none.
        database: Number of the logical database.
    """

    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def parse_url(url: str) -> StoreAddress:
    """Parse a `REDIS_URL`.

    Raises:
        ValueError: It makes no sense. The message never contains the URL, which may hold a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("the port must be a number from 1 to 65535") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and not password:
        raise ValueError("there is a user but no password: write redis://user:password@host, or redis://:password@host")
    query = parse_qs(parts.query, keep_blank_values=True)
    if set(query) - {"db"}:
        raise ValueError("the only parameter after ? is db")
    database = query.get("db", [""])[-1]
    if parts.scheme == "unix":
        path = unquote(parts.path)
        if parts.hostname or not path.startswith("/"):
            raise ValueError("a socket is written unix:///path/to/socket, with three slashes")
        return StoreAddress(path=path, user=user, password=password, database=_database(database))
    if not parts.hostname:
        raise ValueError("there is no host")
    return StoreAddress(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "rediss",
        user=user,
        password=password,
        database=_database(parts.path.strip("/") or database),
    )


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("the database must be a number, as in redis://host/1")
    return int(text or 0)
