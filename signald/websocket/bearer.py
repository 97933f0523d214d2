"""Finds the token that comes with a handshake, in one of two places, since a page cannot set a header there.

``new WebSocket(url, ["signald.v1", "bearer." + token])`` is the better one: addresses end in logs and histories, so
``/ws?token=…`` is for clients that have no other way. The server never answers with the token, since proxies log
responses too. So a browser has to offer ``signald.v1`` beside it; without an answer it ends the connection.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

_OFFER: Final = "bearer."
_FIELD: Final = "token="


def offered(protocols: Iterable[str]) -> str | None:
    """The token among the subprotocols that a client offers; None if there is none."""
    for protocol in protocols:
        if protocol.startswith(_OFFER):
            return protocol.removeprefix(_OFFER)
    return None


def in_query(query: str) -> str | None:
    """The token in the query, which is what follows the ``?``; None if there is none."""
    for field in query.split("&"):
        if field.startswith(_FIELD):
            return unquote(field.removeprefix(_FIELD))
    return None
