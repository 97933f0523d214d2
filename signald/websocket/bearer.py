"""A token that comes with the handshake, since a page cannot set a header there: two ways to hide it.

``new WebSocket(url, ["signald.v1", "bearer." + token])`` is the better one: addresses end in logs and histories, so
``/ws?token=…`` is for clients that can do no other. The server never answers with the token: a response is logged by
proxies too. So a browser has to offer ``signald.v1`` beside it, or it ends the connection for want of an answer.
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
    """The token in what stands behind the ``?``; None if there is none."""
    for field in query.split("&"):
        if field.startswith(_FIELD):
            return unquote(field.removeprefix(_FIELD))
    return None
